"""The outbound pipeline, the same for every channel: policy, pace, intent, send, record.

Strictly in order within a conversation: a lane handles one batch at a time, and a message begins only after the
previous one has an outcome. The parts of a message follow one another too, and stop at the first failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from connectors.live_replies import LiveReply, LiveReplyContext, LiveReplyStart, build_live_reply
from connectors.outbound.connections import AccountConnections
from connectors.outbound.delivery_log import DeliveryLog, MessagePart, Outcome
from connectors.outbound.delivery_reports import DeliveryReports
from connectors.outbound.edits import EDIT_TYPES, EditSender
from connectors.outbound.policy import SendDecision, decide_send, get_policy_lookup
from connectors.outbound.rendering import list_texts, render_within_deadline
from connectors.outbound.sender import PartSender
from schemas import ids, topics
from schemas.conversation import Contact
from schemas.envelope import Envelope
from schemas.errors import SendRefused, UnknownEventType
from schemas.messages import OutboundMessage, ReplyBegun
from schemas.ports import (
    Account,
    Batch,
    Bus,
    Channel,
    Clock,
    LiveReplyRenderer,
    Metrics,
    RenderContext,
    State,
    VendorCall,
)
from schemas.runtime import tracing

SEARCHED_LINES = 200
"""Lines of the transcript that are searched for the contact's last message."""


class OutboundPipeline:
    """Sends the messages of ``parley.outbound.<channel>``. ``account_of``: ``(tenant, channel, name) → Account |
    None``. ``desk_tenants``: tenants that have a desk. ``reports``: shared with the channel's receipt handler."""

    def __init__(
        self,
        channel: Channel,
        *,
        bus: Bus,
        state: State,
        metrics: Metrics,
        clock: Clock,
        account_of: Callable[[str, str, str], Account | None],
        desk_tenants: frozenset[str] = frozenset(),
        reports: DeliveryReports | None = None,
    ) -> None:
        self._desk_tenants = desk_tenants
        self._channel = channel
        self._policy_of = get_policy_lookup(channel)
        self._bus = bus
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self._account_of = account_of
        self.accounts = AccountConnections(channel, clock)
        reports = reports or DeliveryReports(bus, state)
        self._sender = PartSender(channel, self.accounts, state=state, metrics=metrics, clock=clock, reports=reports)
        self._live_context = self._build_live_context()
        self._edits = EditSender(channel, self._sender, state=state, clock=clock, sending_of=self._build_sending)

    async def close(self) -> None:
        """Close the connections, after the last batch."""
        await self.accounts.close()

    async def handle(self, batch: Batch) -> None:
        """Handle a batch of the group ``parley.sender.<channel>``. Raises RecordError (a record for ``give_up``),
        Parked, Unavailable; may be repeated, because sends are on record."""
        delivery_log = DeliveryLog(
            bus=self._bus, state=self._state, metrics=self._metrics, clock=self._clock, desk_tenants=self._desk_tenants
        )
        try:
            await self._handle_records(batch, delivery_log)
        finally:
            # Append the outcomes so far, also when a later message has to wait.
            await delivery_log.flush()

    async def _handle_records(self, batch: Batch, delivery_log: DeliveryLog) -> None:
        live_reply: LiveReply | None = None
        done = 0
        while done < len(batch.records):
            record = batch.records[done]
            done += 1
            event = Envelope.from_wire(record.headers, record.value)
            if event.type == topics.REPLY_BEGUN:
                live_reply = await self._begin(event, live_reply, delivery_log, batch)
                if live_reply is not None and done < len(batch.records):
                    await live_reply.resume()
                elif live_reply is not None:
                    await live_reply.follow(batch)
                    batch.take_more()
            elif event.type == topics.MESSAGE_SEND:
                message = event.payload(OutboundMessage)
                if live_reply is not None and live_reply.begun.id != message.id:
                    await live_reply.remove()
                    live_reply = None
                await self._send_traced(event, message, delivery_log, batch.revoking, live_reply)
                live_reply = None
            elif event.type in EDIT_TYPES:
                account = self._account_of(event.tenant, event.channel, event.account)
                await self._edits.apply(event, account, delivery_log, batch.revoking)
            elif event.type not in topics.DESK_TYPES:
                raise UnknownEventType(f"{event.type} on an outbound topic")
        if live_reply is not None:
            await live_reply.remove()

    async def _begin(
        self, event: Envelope, current: LiveReply | None, delivery_log: DeliveryLog, batch: Batch
    ) -> LiveReply | None:
        """Begin a live reply; None where the channel cannot show one. Raises Parked."""
        if current is not None:
            if current.begun.id == event.payload(ReplyBegun).id:
                current.restart()
                return current
            await current.remove()
        account = self._account_of(event.tenant, event.channel, event.account)
        restored_at = await self._sender.restore_time.load()
        is_older = restored_at is not None and event.time <= restored_at
        if self._live_context is None or account is None or is_older:
            return None
        return build_live_reply(event, account, delivery_log, batch.revoking, self._live_context)

    async def _send_traced(
        self,
        event: Envelope,
        message: OutboundMessage,
        delivery_log: DeliveryLog,
        hurry: asyncio.Event,
        live_reply: LiveReply | None,
    ) -> None:
        attributes = {
            "parley.channel": event.channel,
            "parley.conversation_id": event.conversation,
            "parley.correlation_id": event.correlation_id,
            "parley.message_id": message.id,
        }
        with tracing.span("send", parent=event.traceparent, kind="consumer", attributes=attributes):
            is_sent = await self._deliver(event, message, delivery_log, hurry, live_reply)
        if live_reply is not None and not is_sent:
            await live_reply.remove()

    async def _deliver(
        self,
        event: Envelope,
        message: OutboundMessage,
        delivery_log: DeliveryLog,
        hurry: asyncio.Event,
        live_reply: LiveReply | None,
    ) -> bool:
        """Send one message; return whether the contact has received it."""
        account = self._account_of(event.tenant, event.channel, event.account)
        if account is None:
            await delivery_log.record_outcome(event, message.id, "failed", reason="account_unknown")
            return False
        try:
            sending = await self._build_sending(event, message, account)
            calls = await render_within_deadline(
                lambda: self._channel.render(message, sending), list_texts(message), surface=event.channel
            )
        except SendRefused as error:
            await delivery_log.record_outcome(event, message.id, "failed", reason=error.message)
            return False
        parts = self._build_parts(calls, event, message, account, delivery_log, hurry)
        if live_reply is not None:
            parts[0] = await _complete_live_reply(parts[0], live_reply)
        for part in parts:
            outcome = await self._sender.send(part)
            if outcome != "sent":
                await self._stop_at(part, outcome)
                return False
        return True

    def _build_parts(
        self,
        calls: list[VendorCall],
        event: Envelope,
        message: OutboundMessage,
        account: Account,
        delivery_log: DeliveryLog,
        hurry: asyncio.Event,
    ) -> list[MessagePart]:
        markers = [ids.part_id(message.id, index, len(calls)) for index in range(len(calls))]
        all_markers = {ids.live_part_id(message.id), *markers}
        return [
            MessagePart(marker, call, message, event, account, delivery_log, hurry, tuple(all_markers - {marker}))
            for marker, call in zip(markers, calls, strict=True)
        ]

    async def _stop_at(self, part: MessagePart, outcome: Outcome) -> None:
        """Record the failed part's outcome for the whole message: the remaining parts are not sent."""
        if part.marker != part.message.id:
            await part.delivery_log.record_outcome(part.envelope, part.message.id, outcome, reason="part_not_sent")

    def _build_live_context(self) -> LiveReplyContext | None:
        """Return what live replies need, None where the channel cannot show them."""
        if not isinstance(self._channel, LiveReplyRenderer):
            return None
        opener = LiveReplyStart(self._channel, self.accounts, self._sender, state=self._state, clock=self._clock)
        return LiveReplyContext(
            self._channel, self._channel, self.accounts, self._sender, opener, state=self._state, clock=self._clock
        )

    # ── policy ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _build_sending(self, event: Envelope, message: OutboundMessage, account: Account) -> RenderContext:
        """Raises SendRefused with the reason."""
        policy = self._policy_of(account)
        needs_contact = policy.renders_contact or policy.window is not None or message.purpose == "notice"
        contact = await self._state.contacts.get(event.tenant, message.contact_id) if needs_contact else None
        decision = decide_send(
            policy,
            message,
            contact,
            wrote_at=await self._find_last_contact_message(event.conversation) if policy.window is not None else None,
            now=self._clock(),
            reopens=bool(getattr(account.settings, "template", None)),
        )
        if decision.refused:
            raise SendRefused(decision.refused)
        return _build_sending(event, message, account, contact, decision)

    async def _find_last_contact_message(self, conversation: str) -> datetime | None:
        """Return when the contact wrote last, within ``SEARCHED_LINES``."""
        lines = await self._state.transcript.read_recent(conversation, limit=SEARCHED_LINES)
        return max((line.created_at for line in lines if line.author.kind == "contact"), default=None)


async def _complete_live_reply(part: MessagePart, live_reply: LiveReply) -> MessagePart:
    """Return the first part so that it replaces the live reply. Raises Parked."""
    call = live_reply.build_final_call(part.call)
    if call is None:
        await live_reply.remove()
        return part
    return replace(part, call=call, fallback_call=part.call)


def _build_sending(
    event: Envelope, message: OutboundMessage, account: Account, contact: Contact | None, decision: SendDecision
) -> RenderContext:
    return RenderContext(
        conversation=event.conversation,
        account=account,
        contact=contact,
        answers=message.answers,
        window_open=decision.window_open,
        as_person=decision.as_person,
    )
