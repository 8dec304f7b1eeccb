"""Changes of a reply that was written already: an edit, a deletion, an undo, a note."""

from __future__ import annotations

from datetime import timedelta

from connectors.desk.client import DeskClient
from connectors.desk.commands.pending_replies import is_note
from connectors.desk.commands.replies import Replies, line_id
from connectors.desk.events import desk_event
from connectors.desk.port import REPLY_REVISION
from connectors.inbound.reply_references import derive_event_id
from schemas import topics
from schemas.changes import MessageDeleted, MessageEdited
from schemas.conversation import Conversation, DeliveryOutcome
from schemas.desk import DeskCommand
from schemas.errors import Unavailable
from schemas.handoff.rules import is_held_by
from schemas.ports import Account, Batch, Bus, Clock, State

UNHEARD = timedelta(days=1)
"""For so long a change of a reply that was never heard of stands for the reply: vendors may tell them in any order."""
ON_ITS_WAY = timedelta(minutes=2)
"""For so long a change waits for the reply that it changes."""
SENT = "The customer has this already, so it cannot be kept back any more."
KEPT = "It stays here: the customer does not get it."
UNCHANGED = "The customer keeps the first version: what was sent cannot be changed there."
STAYS = "The customer has this already, and it cannot be deleted there."


class ReplyEdits:
    """``revises``: channels on which what was sent can be changed."""

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

    async def edit(self, found: Conversation, acted: DeskCommand, account: Account, batch: Batch) -> None:
        """Within the hold it was heard already. A reply that stayed inside stays there, whatever it says now; one that
        is out is changed for the customer too, while its author holds the conversation."""
        reply = self._reply(acted, account)
        told = await self._deliveries.outcome(found.id, reply.id)
        sent = int(told.reason.partition(":")[2]) if told is not None and told.state == "sent" else None
        if (told is None and acted.at - reply.at < UNHEARD) or sent == acted.revision:
            await self._replies.reply(found, reply, account, batch, acted.id)
        elif sent is not None and acted.revision > sent:
            await self._revise(found, acted, account, reply)

    async def _revise(self, found: Conversation, acted: DeskCommand, account: Account, reply: DeskCommand) -> None:
        now = await self._conversations.get(found.id) or found
        is_theirs = is_held_by(now, acted.by)
        if found.origin.channel not in self._revises or not is_theirs or is_note(acted.text) or not acted.text.strip():
            return await self._client.whisper(account, acted.place, acted.by, UNCHANGED)
        change = MessageEdited(
            message_id=line_id(reply.id),
            place=found.origin.place,
            contact_id=found.origin.contact_id,
            text=acted.text,
            edited_at=acted.at,
            revision=acted.revision,
        )
        if not await self._is_there(found, acted, reply):
            return await self._client.whisper(account, acted.place, acted.by, UNCHANGED)
        await self._bus.append([desk_event(found, topics.MESSAGE_REVISE, change, acted.id, self._clock(), acted)])

    async def delete(self, found: Conversation, acted: DeskCommand, account: Account) -> None:
        """Delete for the customer too what is out, whoever holds the conversation by now."""
        reply = self._reply(acted, account)
        told = await self._withhold(found, reply.id, "deleted")
        if told.state != "sent":
            return
        if found.origin.channel not in self._revises:
            return await self._client.whisper(account, acted.place, acted.by, STAYS)
        if not await self._is_there(found, acted, reply):
            return
        gone = MessageDeleted(
            message_id=line_id(reply.id),
            place=found.origin.place,
            contact_id=found.origin.contact_id,
            deleted_at=acted.at,
        )
        await self._bus.append([desk_event(found, topics.MESSAGE_RETRACT, gone, acted.id, self._clock(), acted)])

    async def _is_there(self, found: Conversation, acted: DeskCommand, reply: DeskCommand) -> bool:
        """Tell whether the contact has it. Raises Unavailable while it is on its way: a change must not overtake it."""
        told = await self._deliveries.outcome(found.id, line_id(reply.id))
        if told is None and self._clock() < acted.at + ON_ITS_WAY:
            raise Unavailable("the reply is on its way", retry_after_ms=500)
        return told is not None and told.state == "sent"

    async def undo(self, found: Conversation, acted: DeskCommand, account: Account) -> None:
        told = await self._deliveries.outcome(found.id, acted.value)
        if told is not None:
            said = SENT if told.state == "sent" else KEPT
            await self._client.whisper(account, acted.place, acted.by, said)

    async def note(self, found: Conversation, acted: DeskCommand, account: Account) -> None:
        told = await self._withhold(found, self._reply(acted, account).id, "note")
        if told.state == "sent":
            await self._client.whisper(account, acted.place, acted.by, SENT)

    async def _withhold(self, found: Conversation, reply: str, why: str) -> DeliveryOutcome:
        """Return what was decided of a reply. One that was not heard of yet never goes out from now on."""
        told = await self._deliveries.outcome(found.id, reply)
        if told is None:
            told = DeliveryOutcome(message_id=reply, state="expired", reason=why, at=self._clock())
            await self._deliveries.record(found.id, told)
        return told

    def _reply(self, acted: DeskCommand, account: Account) -> DeskCommand:
        """The reply that an act is about, as far as the act tells of it."""
        known = derive_event_id(account, acted.place, acted.external_id, topics.DESK_ACTED, REPLY_REVISION)
        written = self._client.desk.written_at(acted.external_id) or acted.at
        return acted.model_copy(update={"id": known, "kind": "reply", "at": written})
