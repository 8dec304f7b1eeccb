"""Changes of what was sent: a person edits or deletes a message that the contact has already."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from connectors import live
from connectors.outbound.delivery_log import Ledger, Piece
from connectors.outbound.rendering import texts_of, within_deadline
from connectors.outbound.sender import Sender
from schemas import ids, topics
from schemas.changes import MessageDeleted, MessageEdited
from schemas.envelope import Envelope
from schemas.errors import SendRefused
from schemas.messages import OutboundMessage, TranscriptMessage
from schemas.ports import Account, Call, Channel, Clock, Reviser, Sending, State

log = structlog.get_logger("parley.outbound")

REVISIONS = frozenset({topics.MESSAGE_REVISE, topics.MESSAGE_RETRACT})
LASTS = timedelta(hours=24)
"""A change that could not be made for so long is not made any more."""
SendingOf = Callable[[Envelope, OutboundMessage, Account], Awaitable[Sending]]


@dataclass(frozen=True, slots=True)
class _Change:
    """``event`` tells of it; its id is that of the change. ``text`` is None where the message is taken back."""

    event: Envelope
    message_id: str
    text: str | None
    revision: int = 0

    @classmethod
    def of(cls, event: Envelope) -> _Change:
        """Raises UndecodableRecord."""
        if event.type == topics.MESSAGE_RETRACT:
            return cls(event, event.payload(MessageDeleted).message_id, None)
        edit = event.payload(MessageEdited)
        return cls(event, edit.message_id, edit.text, edit.revision)


class Revisions:
    """``sending_of``: what a message is rendered for; it raises SendRefused."""

    def __init__(self, channel: Channel, sender: Sender, *, state: State, clock: Clock, sending_of: SendingOf) -> None:
        self._channel = channel
        self._reviser = channel if isinstance(channel, Reviser) else None
        self._sender = sender
        self._state = state
        self._clock = clock
        self._sending_of = sending_of

    async def make(self, event: Envelope, account: Account | None, ledger: Ledger, hurry: asyncio.Event) -> None:
        """At the vendor first, then in the transcript, which says what the contact sees. Raises Parked, Unavailable,
        RecordError; repeating it is safe."""
        change = _Change.of(event)
        line = await self._state.transcript.find(event.conversation, change.message_id)
        try:
            if line is None or line.state == "deleted" or account is None or self._reviser is None:
                raise SendRefused("not_found" if self._reviser is not None else "cannot_be_changed")
            if line.revision > change.revision > 0:
                return  # a later change was here first
            pieces = await self._pieces(change, line, account, ledger, hurry, self._reviser)
        except SendRefused as error:
            log.info("revision_refused", conversation_id=event.conversation, reason=error.message)
            await ledger.settle(event, event.id, "failed", reason=error.message, whole=change.message_id)
            return
        for piece in pieces:
            if await self._sender.send(piece) != "sent":
                return
        await self._written_down(change)
        if not pieces:
            await ledger.settle(event, event.id, "sent", whole=change.message_id)

    async def _written_down(self, change: _Change) -> None:
        transcript, conversation = self._state.transcript, change.event.conversation
        await transcript.edit(conversation, change.message_id, change.text or "", revision=change.revision)
        if change.text is None:
            await transcript.mark(conversation, [change.message_id], "deleted")
        await live.changed(self._state.signals, conversation, change.message_id)

    async def _pieces(
        self,
        change: _Change,
        line: TranscriptMessage,
        account: Account,
        ledger: Ledger,
        hurry: asyncio.Event,
        reviser: Reviser,
    ) -> list[Piece]:
        """One for each piece of the message that changes. Raises SendRefused where the pieces are not the same."""
        conversation = await self._state.conversations.get(change.event.conversation)
        if conversation is None:
            raise SendRefused("not_found")
        whole = self._message(line, conversation.origin.place, conversation.origin.contact_id)
        sending = await self._sending_of(change.event, whole, account)
        before = await self._render(whole, sending)
        shown = await self._shown(change, len(before))
        after = before
        if change.text is not None:
            after = await self._render(whole.model_copy(update={"text": change.text}), sending)
        if len(after) != len(before):
            raise SendRefused("cannot_be_changed")
        made = [
            self._call(change, new, known, reviser)
            for old, new, known in zip(before, after, shown, strict=True)
            if change.text is None or new != old
        ]
        markers = [ids.part_id(change.event.id, number, len(made)) for number in range(len(made))]
        return [
            Piece(marker, replace(call, repeats=True), whole, change.event, account, ledger, hurry)
            for marker, call in zip(markers, made, strict=True)
        ]

    async def _render(self, message: OutboundMessage, sending: Sending) -> list[Call]:
        return await within_deadline(
            lambda: self._channel.render(message, sending), texts_of(message), surface=self._channel.name
        )

    def _call(self, change: _Change, call: Call, shown: str, reviser: Reviser) -> Call:
        """Raises SendRefused."""
        if change.text is None:
            return reviser.removed(call, shown)
        made = reviser.revised(call, shown)
        if made is None:
            raise SendRefused("cannot_be_changed")
        return made

    async def _shown(self, change: _Change, count: int) -> list[str]:
        """The vendor's ids of a message's pieces. Raises SendRefused where it was not sent in so many."""
        outcome, conversation = self._state.deliveries.outcome, change.event.conversation
        markers = [ids.part_id(change.message_id, number, count) for number in range(count)]
        told = [await outcome(conversation, marker) for marker in markers]
        more = await outcome(conversation, ids.part_id(change.message_id, count - 1, count + 1))
        if more is not None or any(each is None or each.state != "sent" for each in told):
            raise SendRefused("cannot_be_changed")
        return [each.external_id for each in told if each is not None]

    def _message(self, line: TranscriptMessage, place: str, contact: str) -> OutboundMessage:
        now = self._clock()
        return OutboundMessage(
            id=line.id,
            author=line.author,
            text=line.text,
            place=place,
            contact_id=contact,
            citations=line.citations,
            choices=line.choices,
            attachments=line.attachments,
            in_reply_to=line.in_reply_to,
            created_at=line.created_at,
            expires_at=now + LASTS,
        )
