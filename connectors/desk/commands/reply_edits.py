"""Changes of a reply: edit, deletion, undo, and marking as a note."""

from __future__ import annotations

from datetime import timedelta

from connectors.desk.client import DeskClient
from connectors.desk.commands.pending_replies import is_note
from connectors.desk.commands.replies import Replies, line_id
from connectors.desk.events import build_desk_event
from connectors.desk.port import REPLY_REVISION
from connectors.inbound.reply_references import derive_event_id
from schemas import topics
from schemas.conversation import Conversation, DeliveryOutcome
from schemas.conversation_activity import MessageDeleted, MessageEdited
from schemas.desk import DeskCommand
from schemas.errors import Unavailable
from schemas.handoff.rules import is_held_by
from schemas.ports import Account, Batch, Bus, Clock, State

UNKNOWN_REPLY_WINDOW = timedelta(days=1)
"""Time within which a change of an unknown reply counts as the reply itself: vendors may send events in any order."""
DELIVERY_WINDOW = timedelta(minutes=2)
"""Time for which a change waits until the reply is delivered."""
ALREADY_SENT = "The customer already has this message, so it can no longer be held back."
KEPT_INTERNAL = "It stays internal: the customer does not get it."
UNCHANGED = "The customer keeps the first version: messages that were sent there cannot be changed."
NOT_DELETABLE = "The customer already has this message, and it cannot be deleted there."


class ReplyEdits:
    """Handles changes of replies. ``revises``: channels on which sent messages can be changed."""

    def __init__(
        self, replies: Replies, client: DeskClient, *, bus: Bus, state: State, clock: Clock, revises: frozenset[str]
    ) -> None:
        self._replies = replies
        self._client = client
        self._bus = bus
        self._conversations = state.conversations
        self._deliveries = state.deliveries
        self._clock = clock
        self._revises = revises

    async def edit(self, conversation: Conversation, command: DeskCommand, account: Account, batch: Batch) -> None:
        """Apply an edit to a decided reply; while the reply is held, the undo window has applied it already. An
        internal reply stays internal; a sent one is changed for the customer too, while its author holds the
        conversation."""
        reply = self._restore_reply(command, account)
        outcome = await self._deliveries.outcome(conversation.id, reply.id)
        sent_revision = (
            int(outcome.reason.partition(":")[2]) if outcome is not None and outcome.state == "sent" else None
        )
        if (outcome is None and command.at - reply.at < UNKNOWN_REPLY_WINDOW) or sent_revision == command.revision:
            await self._replies.handle_reply(conversation, reply, account, batch, command.id)
        elif sent_revision is not None and command.revision > sent_revision:
            await self._revise(conversation, command, account, reply)

    async def _revise(
        self, conversation: Conversation, command: DeskCommand, account: Account, reply: DeskCommand
    ) -> None:
        current = await self._conversations.get(conversation.id) or conversation
        is_theirs = is_held_by(current, command.by)
        if (
            conversation.origin.channel not in self._revises
            or not is_theirs
            or is_note(command.text)
            or not command.text.strip()
        ):
            return await self._client.whisper(account, command.place, command.by, UNCHANGED)
        change = MessageEdited(
            message_id=line_id(reply.id),
            place=conversation.origin.place,
            contact_id=conversation.origin.contact_id,
            text=command.text,
            edited_at=command.at,
            revision=command.revision,
        )
        if not await self._is_delivered(conversation, command, reply):
            return await self._client.whisper(account, command.place, command.by, UNCHANGED)
        await self._bus.append(
            [build_desk_event(conversation, topics.MESSAGE_REVISE, change, command.id, self._clock(), command)]
        )

    async def delete(self, conversation: Conversation, command: DeskCommand, account: Account) -> None:
        """Delete a sent reply for the customer too, whoever holds the conversation."""
        reply = self._restore_reply(command, account)
        outcome = await self._withhold(conversation, reply.id, "deleted")
        if outcome.state != "sent":
            return
        if conversation.origin.channel not in self._revises:
            return await self._client.whisper(account, command.place, command.by, NOT_DELETABLE)
        if not await self._is_delivered(conversation, command, reply):
            return
        deletion = MessageDeleted(
            message_id=line_id(reply.id),
            place=conversation.origin.place,
            contact_id=conversation.origin.contact_id,
            deleted_at=command.at,
        )
        await self._bus.append(
            [build_desk_event(conversation, topics.MESSAGE_RETRACT, deletion, command.id, self._clock(), command)]
        )

    async def _is_delivered(self, conversation: Conversation, command: DeskCommand, reply: DeskCommand) -> bool:
        """Return whether the contact has the reply. Raises Unavailable while it is being sent: a change must not
        overtake it."""
        outcome = await self._deliveries.outcome(conversation.id, line_id(reply.id))
        if outcome is None and self._clock() < command.at + DELIVERY_WINDOW:
            raise Unavailable("the reply is on its way", retry_after_ms=500)
        return outcome is not None and outcome.state == "sent"

    async def undo(self, conversation: Conversation, command: DeskCommand, account: Account) -> None:
        outcome = await self._deliveries.outcome(conversation.id, command.value)
        if outcome is not None:
            text = ALREADY_SENT if outcome.state == "sent" else KEPT_INTERNAL
            await self._client.whisper(account, command.place, command.by, text)

    async def make_note(self, conversation: Conversation, command: DeskCommand, account: Account) -> None:
        outcome = await self._withhold(conversation, self._restore_reply(command, account).id, "note")
        if outcome.state == "sent":
            await self._client.whisper(account, command.place, command.by, ALREADY_SENT)

    async def _withhold(self, conversation: Conversation, reply: str, reason: str) -> DeliveryOutcome:
        """Return the decision about a reply. A reply that has not arrived yet is recorded as withheld."""
        outcome = await self._deliveries.outcome(conversation.id, reply)
        if outcome is None:
            outcome = DeliveryOutcome(message_id=reply, state="expired", reason=reason, at=self._clock())
            await self._deliveries.record(conversation.id, outcome)
        return outcome

    def _restore_reply(self, command: DeskCommand, account: Account) -> DeskCommand:
        """Rebuild the reply that a command refers to, as far as the command contains it."""
        reply_id = derive_event_id(account, command.place, command.external_id, topics.DESK_COMMAND, REPLY_REVISION)
        written_at = self._client.desk.written_at(command.external_id) or command.at
        return command.model_copy(update={"id": reply_id, "kind": "reply", "at": written_at})
