"""Edits and deletions of messages that were already sent, made by people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from connectors import conversation_signals
from connectors.outbound.delivery_log import DeliveryLog, MessagePart
from connectors.outbound.rendering import list_texts, render_within_deadline
from connectors.outbound.sender import PartSender
from schemas import ids, topics
from schemas.conversation_activity import MessageDeleted, MessageEdited
from schemas.envelope import Envelope
from schemas.errors import SendRefused
from schemas.messages import OutboundMessage, TranscriptMessage
from schemas.ports import Account, Channel, Clock, EditRenderer, RenderContext, State, VendorCall

log = structlog.get_logger("parley.outbound")

EDIT_TYPES = frozenset({topics.MESSAGE_REVISE, topics.MESSAGE_RETRACT})
EDIT_LIFETIME = timedelta(hours=24)
"""Time for which an edit is tried."""
BuildSending = Callable[[Envelope, OutboundMessage, Account], Awaitable[RenderContext]]


@dataclass(frozen=True, slots=True)
class _Change:
    """``event`` requests the change and has its id. ``text`` is None where the message is deleted."""

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


class EditSender:
    """Edits the messages of one channel. ``sending_of`` builds the ``Sending`` of a message; it raises SendRefused."""

    def __init__(
        self, channel: Channel, sender: PartSender, *, state: State, clock: Clock, sending_of: BuildSending
    ) -> None:
        self._channel = channel
        self._reviser = channel if isinstance(channel, EditRenderer) else None
        self._sender = sender
        self._state = state
        self._clock = clock
        self._build_sending = sending_of

    async def apply(
        self, event: Envelope, account: Account | None, delivery_log: DeliveryLog, hurry: asyncio.Event
    ) -> None:
        """Change the message at the vendor first, then in the transcript, which shows what the contact sees. Raises
        Parked, Unavailable, RecordError; may be repeated."""
        change = _Change.of(event)
        line = await self._state.transcript.find(event.conversation, change.message_id)
        try:
            if line is None or line.state == "deleted" or account is None or self._reviser is None:
                raise SendRefused("not_found" if self._reviser is not None else "cannot_be_changed")
            if line.revision > change.revision > 0:
                return  # a later change was applied before
            parts = await self._build_parts(change, line, account, delivery_log, hurry, self._reviser)
        except SendRefused as error:
            log.info("revision_refused", conversation_id=event.conversation, reason=error.message)
            await delivery_log.record_outcome(event, event.id, "failed", reason=error.message, whole=change.message_id)
            return
        for part in parts:
            if await self._sender.send(part) != "sent":
                return
        await self._update_transcript(change)
        if not parts:
            await delivery_log.record_outcome(event, event.id, "sent", whole=change.message_id)

    async def _update_transcript(self, change: _Change) -> None:
        transcript, conversation = self._state.transcript, change.event.conversation
        await transcript.edit(conversation, change.message_id, change.text or "", revision=change.revision)
        if change.text is None:
            await transcript.mark(conversation, [change.message_id], "deleted")
        await conversation_signals.publish_change(self._state.signals, conversation, change.message_id)

    async def _build_parts(
        self,
        change: _Change,
        line: TranscriptMessage,
        account: Account,
        delivery_log: DeliveryLog,
        hurry: asyncio.Event,
        reviser: EditRenderer,
    ) -> list[MessagePart]:
        """Build one part for each part of the message that changes. Raises SendRefused where their number changes."""
        conversation = await self._state.conversations.get(change.event.conversation)
        if conversation is None:
            raise SendRefused("not_found")
        origin, expires_at = conversation.origin, self._clock() + EDIT_LIFETIME
        message = line.to_outbound(place=origin.place, contact_id=origin.contact_id, expires_at=expires_at)
        sending = await self._build_sending(change.event, message, account)
        before = await self._render(message, sending)
        external_ids = await self._find_external_ids(change, len(before))
        after = before
        if change.text is not None:
            after = await self._render(message.model_copy(update={"text": change.text}), sending)
        if len(after) != len(before):
            raise SendRefused("cannot_be_changed")
        calls = [
            self._build_call(change, new, external_id, reviser)
            for old, new, external_id in zip(before, after, external_ids, strict=True)
            if change.text is None or new != old
        ]
        markers = [ids.part_id(change.event.id, number, len(calls)) for number in range(len(calls))]
        return [
            MessagePart(marker, replace(call, repeats=True), message, change.event, account, delivery_log, hurry)
            for marker, call in zip(markers, calls, strict=True)
        ]

    async def _render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        return await render_within_deadline(
            lambda: self._channel.render(message, sending), list_texts(message), surface=self._channel.name
        )

    def _build_call(self, change: _Change, call: VendorCall, shown: str, reviser: EditRenderer) -> VendorCall:
        """Raises SendRefused."""
        if change.text is None:
            return reviser.render_deletion(call, shown)
        edited = reviser.render_edit(call, shown)
        if edited is None:
            raise SendRefused("cannot_be_changed")
        return edited

    async def _find_external_ids(self, change: _Change, count: int) -> list[str]:
        """Return the vendor's ids of the message's parts. Raises SendRefused if it was not sent in so many parts."""
        outcome, conversation = self._state.deliveries.outcome, change.event.conversation
        markers = [ids.part_id(change.message_id, number, count) for number in range(count)]
        outcomes = [await outcome(conversation, marker) for marker in markers]
        next_part = await outcome(conversation, ids.part_id(change.message_id, count - 1, count + 1))
        if next_part is not None or any(each is None or each.state != "sent" for each in outcomes):
            raise SendRefused("cannot_be_changed")
        return [each.external_id for each in outcomes if each is not None]
