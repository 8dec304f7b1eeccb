"""Receipts: the vendor's reports on sent messages, applied to the transcript. Also turns reactions to our messages into
feedback.

A consumer of its own, so that receipts are applied while a worker is busy or down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from connectors import conversation_signals
from connectors.outbound import receipt_events
from connectors.outbound.delivery_log import build_delivery_event
from connectors.outbound.delivery_reports import DeliveryReports
from schemas import ids, topics
from schemas.conversation import DeliveryOutcome
from schemas.conversation_activity import ReactionChanged, feedback_value
from schemas.envelope import Envelope
from schemas.errors import Parked, RecordError
from schemas.messages import MessageState, Receipt, TranscriptMessage
from schemas.ports import Batch, Bus, Clock, Metrics, Record, State, VendorMessage
from schemas.runtime import tracing

log = structlog.get_logger("parley.receipts")

PAGE_SIZE = 100
MAX_WAIT = timedelta(minutes=10)
"""Time for which a receipt may wait for its message: a vendor can report before it answers our request."""
RETRY_UNKNOWN = timedelta(seconds=20)
RETRY_LINE = timedelta(seconds=2)
"""The sender writes a missing line soon, and other receipts wait behind this one."""
RANK: dict[MessageState, int] = {"accepted": 1, "unknown": 1, "sent": 2, "delivered": 3, "read": 4, "failed": 5}


class ReceiptHandler:
    """Applies ``parley.receipt.recorded.v1`` and ``parley.reaction.changed.v1`` of one channel. ``desk_tenants``:
    tenants whose desk shows how far messages have come."""

    def __init__(
        self,
        *,
        bus: Bus,
        state: State,
        clock: Clock,
        desk_tenants: frozenset[str] = frozenset(),
        reports: DeliveryReports | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics
        self._reports = reports or DeliveryReports(bus, state)
        self._bus = bus
        self._state = state
        self._clock = clock
        self._desk_tenants = desk_tenants

    async def handle(self, batch: Batch) -> None:
        """Handle a batch of the group ``parley.receipts.<channel>``. May be repeated."""
        receipts = [_parse_receipt(record) for record in batch.records]
        # Receipts with a marker come first: their sender waits for them, and other receipts may be parked.
        for receipt in receipts:
            if receipt is not None and receipt[1].marker:
                await self._resolve_doubt(*receipt)
        for record in batch.records:
            self._reports.observe(record)
        for record, receipt in zip(batch.records, receipts, strict=True):
            if receipt is not None:
                await self._apply_receipt(*receipt)
            elif record.headers.get("ce_type") == topics.REACTION_CHANGED:
                await self._handle_reaction(record)

    async def give_up(self, conversation: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
        """Drop the records: the worker's group writes the dead letters of this topic."""
        log.warning("receipts_dropped", conversation_id=conversation, count=len(records), error=type(error).__name__)

    async def _handle_reaction(self, record: Record) -> None:
        """Turn a thumb on one of the agent's messages into feedback; other reactions have no effect here."""
        try:
            event = Envelope.from_wire(record.headers, record.value)
            reaction = event.payload(ReactionChanged)
        except RecordError as error:
            log.warning("reaction_undecodable", topic=record.topic, offset=record.offset, code=error.code)
            return
        value = feedback_value(reaction)
        if value is None:
            return
        deliveries = self._state.deliveries
        sent = await deliveries.by_external_id(event.tenant, event.channel, event.account, reaction.external_id)
        if sent is None or sent[0] != event.conversation:
            return
        await self._await_line(*sent, event.time)
        line = await self._state.transcript.find(*sent)
        if line is not None and line.author.kind == "agent":
            await self._bus.append([receipt_events.build_feedback(event, reaction, sent[1], value)])

    async def _apply_receipt(self, event: Envelope, receipt: Receipt) -> None:
        if receipt.up_to_seq:
            await self._mark_up_to(event, receipt)
        elif receipt.marker:
            await self._apply_by_marker(event, receipt)
        elif receipt.message_id:
            await self._mark(event, event.conversation, [receipt.message_id], receipt.state)
        else:
            await self._apply_by_external_id(event, receipt)

    async def _apply_by_external_id(self, event: Envelope, receipt: Receipt) -> None:
        deliveries = self._state.deliveries
        sent = await deliveries.by_external_id(event.tenant, event.channel, event.account, receipt.external_id)
        if sent is not None:
            if (line := await self._await_line(*sent, receipt.at)) is not None:
                await self._mark_line(event, sent[0], line, receipt.state)
        elif self._clock() < receipt.at + MAX_WAIT:
            raise Parked("the message of a receipt is not known yet", until=self._clock() + RETRY_UNKNOWN)
        else:
            self._report_unmatched(event, receipt)

    def _report_unmatched(self, event: Envelope, receipt: Receipt) -> None:
        """Count a receipt for a message that was not sent by us: the account may be used by other programs too."""
        if self._metrics is not None:
            self._metrics.count("parley_receipts_unmatched_total", channel=event.channel, state=receipt.state)
        log.info("receipt_of_unknown_message", tenant=event.tenant, channel=event.channel, receipt_id=event.id)

    async def _resolve_doubt(self, event: Envelope, receipt: Receipt) -> None:
        """Record the outcome: the vendor returned our marker, so the part is no longer in doubt."""
        whole = ids.message_of_part(receipt.marker)
        deliveries, conversation = self._state.deliveries, event.conversation
        before = await deliveries.outcome(conversation, receipt.marker)
        if before is not None and before.state != "unknown" and before.external_id == receipt.external_id:
            return  # its sender has recorded and bound it
        delivered = DeliveryOutcome(
            message_id=receipt.marker,
            part_of="" if whole == receipt.marker else whole,
            state="failed" if receipt.state == "failed" else "sent",
            external_id=receipt.external_id,
            reason=receipt.reason,
            at=receipt.at,
        )
        bound = None
        if receipt.external_id:
            bound = VendorMessage(event.tenant, event.channel, event.account, receipt.external_id, whole)
        await deliveries.record(conversation, delivered, bound=bound)
        if before is not None and before.state == "unknown":
            await self._report_late_outcome(event, delivered)

    async def _report_late_outcome(self, event: Envelope, delivered: DeliveryOutcome) -> None:
        """Report an outcome that people were told was unknown."""
        events = [build_delivery_event(event, delivered)]
        if event.tenant in self._desk_tenants and not delivered.part_of:
            events.append(receipt_events.build_line_changed(event, delivered.message_id, delivered.state, delivered.at))
        await self._bus.append(events)
        log.info("delivery_known_late", conversation_id=event.conversation, message_id=delivered.message_id)

    async def _apply_by_marker(self, event: Envelope, receipt: Receipt) -> None:
        """Mark the message. A part before the last counts only if it failed."""
        message_id = ids.message_of_part(receipt.marker)
        if receipt.state == "failed" or message_id == receipt.marker:
            line = await self._await_line(event.conversation, message_id, receipt.at)
            if line is None:
                return self._report_unmatched(event, receipt)
            await self._mark_line(event, event.conversation, line, receipt.state)

    async def _await_line(self, conversation: str, message_id: str, at: datetime) -> TranscriptMessage | None:
        """Return the line of the transcript, None if it has none. Raises Parked while its sender may still write it.
        ``at``: when the receipt came."""
        line = await self._state.transcript.find(conversation, message_id)
        if line is None and self._clock() < at + MAX_WAIT:
            raise Parked("the line is not written yet", until=self._clock() + RETRY_LINE)
        return line

    async def _mark_up_to(self, event: Envelope, receipt: Receipt) -> None:
        """Mark all lines up to a number, page by page from the newest, until a page has nothing to mark."""
        conversation = event.conversation
        upper = min(receipt.up_to_seq, await self._state.transcript.head(conversation))
        while upper > 0:
            lower = max(0, upper - PAGE_SIZE)
            page = await self._state.transcript.read(conversation, after=lower, limit=PAGE_SIZE)
            unread = [line.id for line in page if line.seq <= upper and _is_below(line, receipt.state)]
            if not unread:
                return
            await self._mark(event, conversation, unread, receipt.state)
            upper = lower

    async def _mark_line(
        self, event: Envelope, conversation: str, line: TranscriptMessage, state: MessageState
    ) -> None:
        if line.state != state:
            await self._apply(conversation, [line.id], state)
        await self._report(event, conversation, [line.id], state)

    async def _mark(self, event: Envelope, conversation: str, message_ids: list[str], state: MessageState) -> None:
        await self._apply(conversation, message_ids, state)
        await self._report(event, conversation, message_ids, state)

    async def _report(self, event: Envelope, conversation: str, message_ids: list[str], state: MessageState) -> None:
        if event.tenant in self._desk_tenants:
            await self._notify_desk(event, conversation, message_ids)
        if tracing.is_active():
            await self._trace(conversation, message_ids, state)

    async def _notify_desk(self, event: Envelope, conversation: str, message_ids: list[str]) -> None:
        """Tell the desk how far messages of people have come; of the agent's, it shows only that one was refused."""
        lines = [await self._state.transcript.find(conversation, message_id) for message_id in message_ids]
        origin = replace(event, conversation=conversation)
        shown = [line for line in lines if line is not None and _is_shown_at_desk(line)]
        if shown:
            await self._bus.append(
                [receipt_events.build_line_changed(origin, line.id, line.state, event.time) for line in shown]
            )

    async def _trace(self, conversation: str, message_ids: list[str], state: MessageState) -> None:
        """Close each message's trace, whose context is on record with its outcome."""
        for message_id in message_ids:
            sent = await self._state.deliveries.outcome(conversation, message_id)
            if sent is not None and sent.traceparent:
                attributes = {
                    "parley.message_id": message_id,
                    "parley.conversation_id": conversation,
                    "parley.state": state,
                }
                with tracing.span(f"receipt {state}", parent=sent.traceparent, kind="consumer", attributes=attributes):
                    pass

    async def _apply(self, conversation: str, message_ids: list[str], state: MessageState) -> None:
        await self._state.transcript.mark(conversation, message_ids, state)
        await conversation_signals.publish_receipts(self._state.signals, conversation, message_ids, state)


def _parse_receipt(record: Record) -> tuple[Envelope, Receipt] | None:
    """Return envelope and receipt; None for other or unreadable records."""
    if record.headers.get("ce_type") != topics.RECEIPT_RECORDED:
        return None
    try:
        event = Envelope.from_wire(record.headers, record.value)
        return event, event.payload(Receipt)
    except RecordError as error:
        log.warning("receipt_undecodable", topic=record.topic, offset=record.offset, code=error.code)
        return None


def _is_shown_at_desk(line: TranscriptMessage) -> bool:
    return line.author.kind == "person" or (line.author.kind == "agent" and line.state == "failed")


def _is_below(line: TranscriptMessage, state: MessageState) -> bool:
    """Return whether a receipt changes this line: only messages to the contact, and only to a later state."""
    if line.author.kind == "contact" or line.state in ("pending", "failed", "dropped", "deleted"):
        return False
    return RANK.get(line.state, 0) < RANK.get(state, 0)
