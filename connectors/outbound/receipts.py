"""Receipts: the vendor's word on what we sent, applied to the transcript; and thumbs on it, told as feedback.

A consumer of its own, so that they are applied while a worker is busy or away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from connectors import live
from connectors.outbound.delivery_log import fact
from connectors.outbound.delivery_reports import DeliveryReports
from schemas import ids, topics, tracing
from schemas.changes import ReactionChanged
from schemas.conversation import Delivered
from schemas.envelope import Envelope
from schemas.errors import Parked, RecordError
from schemas.messages import MessageState, Receipt, TranscriptMessage
from schemas.ports import Batch, Bus, Clock, Metrics, Record, State

log = structlog.get_logger("parley.receipts")

PAGE = 100
PATIENCE = timedelta(minutes=10)
"""How long a receipt may wait for its message: a vendor can be faster than the answer to our own request."""
LOOK_AGAIN = timedelta(seconds=20)
LINE_AGAIN = timedelta(seconds=2)
"""A line that is not written yet is its sender's, who waits for nothing but this report; other reports wait behind."""
RANK: dict[MessageState, int] = {"accepted": 1, "unknown": 1, "sent": 2, "delivered": 3, "read": 4, "failed": 5}


class Receipts:
    """Applies ``parley.receipt.recorded.v1`` and ``parley.reaction.changed.v1`` of one channel. ``watched``: tenants
    whose people see how far their replies have come."""

    def __init__(
        self,
        *,
        bus: Bus,
        state: State,
        clock: Clock,
        watched: frozenset[str] = frozenset(),
        reports: DeliveryReports | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics
        self._reports = reports or DeliveryReports(bus, state)
        self._bus = bus
        self._state = state
        self._clock = clock
        self._watched = watched

    async def handle(self, batch: Batch) -> None:
        """Lane handler of the group ``parley.receipts.<channel>``. Repeating it changes nothing."""
        told = [_receipt_of(record) for record in batch.records]
        # What ends a doubt must not wait behind what has to wait: its sender does not, for ever.
        for found in told:
            if found is not None and found[1].marker:
                await self._decide(*found)
        for record in batch.records:
            self._reports.note(record)
        for record, found in zip(batch.records, told, strict=True):
            if found is not None:
                await self._apply_receipt(*found)
            elif record.headers.get("ce_type") == topics.REACTION_CHANGED:
                await self._react(record)

    async def give_up(self, conversation: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
        """A receipt is no message: the worker's group dead-letters what is broken, here it is only left out."""
        log.warning("receipts_dropped", conversation_id=conversation, count=len(records), error=type(error).__name__)

    async def _react(self, record: Record) -> None:
        """A thumb on what we said is feedback. Any other reaction is on the log, and means nothing more."""
        try:
            event = Envelope.from_wire(record.headers, record.value)
            reaction = event.payload(ReactionChanged)
        except RecordError as error:
            log.warning("reaction_undecodable", topic=record.topic, offset=record.offset, code=error.code)
            return
        value = live.value_of(reaction)
        if value is None:
            return
        deliveries = self._state.deliveries
        found = await deliveries.by_external_id(event.tenant, event.channel, event.account, reaction.external_id)
        if found is None or found[0] != event.conversation:
            return
        await self._await_line(*found, event.time)
        line = await self._state.transcript.find(*found)
        if line is not None and line.author.kind == "agent":
            await self._bus.append([live.fact(event, reaction, found[1], value)])

    async def _apply_receipt(self, event: Envelope, receipt: Receipt) -> None:
        if receipt.up_to_seq:
            await self._up_to(event, receipt)
        elif receipt.marker:
            await self._by_marker(event, receipt)
        elif receipt.message_id:
            await self._mark(event, event.conversation, [receipt.message_id], receipt.state)
        else:
            await self._by_external_id(event, receipt)

    async def _by_external_id(self, event: Envelope, receipt: Receipt) -> None:
        deliveries = self._state.deliveries
        found = await deliveries.by_external_id(event.tenant, event.channel, event.account, receipt.external_id)
        if found is not None:
            await self._await_line(*found, receipt.at)
            await self._mark(event, found[0], [found[1]], receipt.state)
        elif self._clock() < receipt.at + PATIENCE:
            raise Parked("the message of a receipt is not known yet", until=self._clock() + LOOK_AGAIN)
        else:
            self._left_over(event, receipt)

    def _left_over(self, event: Envelope, receipt: Receipt) -> None:
        """The account sends in other ways too: a campaign, another program."""
        if self._metrics is not None:
            self._metrics.count("parley_receipts_unmatched_total", channel=event.channel, state=receipt.state)
        log.info("receipt_of_unknown_message", tenant=event.tenant, channel=event.channel, receipt_id=event.id)

    async def _decide(self, event: Envelope, receipt: Receipt) -> None:
        """The vendor gives our own id of the piece back, so nothing about it is in doubt any more."""
        whole = ids.whole_of(receipt.marker)
        deliveries, conversation = self._state.deliveries, event.conversation
        before = await deliveries.outcome(conversation, receipt.marker)
        told = Delivered(
            message_id=receipt.marker,
            part_of="" if whole == receipt.marker else whole,
            state="failed" if receipt.state == "failed" else "sent",
            external_id=receipt.external_id,
            reason=receipt.reason,
            at=receipt.at,
        )
        await deliveries.record(conversation, told)
        if receipt.external_id:
            await deliveries.bind(event.tenant, event.channel, event.account, receipt.external_id, conversation, whole)
        if before is not None and before.state == "unknown":
            await self._told_late(event, told)

    async def _told_late(self, event: Envelope, told: Delivered) -> None:
        """People were told that nobody knows: now somebody does."""
        news = [fact(event, told)]
        if event.tenant in self._watched and not told.part_of:
            news.append(live.of_line(event, told.message_id, told.state, told.at))
        await self._bus.append(news)
        log.info("delivery_known_late", conversation_id=event.conversation, message_id=told.message_id)

    async def _by_marker(self, event: Envelope, receipt: Receipt) -> None:
        """A piece before the last says nothing of the whole yet, unless it failed."""
        whole = ids.whole_of(receipt.marker)
        if receipt.state == "failed" or whole == receipt.marker:
            if not await self._await_line(event.conversation, whole, receipt.at):
                return self._left_over(event, receipt)
            await self._mark(event, event.conversation, [whole], receipt.state)

    async def _await_line(self, conversation: str, message_id: str, at: datetime) -> bool:
        """Whether there is such a line. Raises Parked while the sender, which writes it, has not heard what we know
        already. ``at``: since when we know it."""
        if await self._state.transcript.find(conversation, message_id) is not None:
            return True
        if self._clock() < at + PATIENCE:
            raise Parked("the line is not written yet", until=self._clock() + LINE_AGAIN)
        return False

    async def _up_to(self, event: Envelope, receipt: Receipt) -> None:
        """Downwards page by page, until a page has nothing left to mark: what is older was marked before."""
        conversation = event.conversation
        upper = min(receipt.up_to_seq, await self._state.transcript.head(conversation))
        while upper > 0:
            lower = max(0, upper - PAGE)
            page = await self._state.transcript.read(conversation, after=lower, limit=PAGE)
            unread = [line.id for line in page if line.seq <= upper and _below(line, receipt.state)]
            if not unread:
                return
            await self._mark(event, conversation, unread, receipt.state)
            upper = lower

    async def _mark(self, event: Envelope, conversation: str, message_ids: list[str], state: MessageState) -> None:
        await self._apply(conversation, message_ids, state)
        if event.tenant in self._watched:
            await self._touch(event, conversation, message_ids)
        if tracing.active():
            await self._tell(conversation, message_ids, state)

    async def _touch(self, event: Envelope, conversation: str, message_ids: list[str]) -> None:
        """People are shown how far their own words have come; of the agent's nobody has to hear."""
        found = [await self._state.transcript.find(conversation, message_id) for message_id in message_ids]
        where = replace(event, conversation=conversation)
        told = [line for line in found if line is not None and line.author.kind == "person"]
        if told:
            await self._bus.append([live.of_line(where, line.id, line.state, event.time) for line in told])

    async def _tell(self, conversation: str, message_ids: list[str], state: MessageState) -> None:
        """The end of each message's trace, which only its sender knew."""
        for message_id in message_ids:
            sent = await self._state.deliveries.outcome(conversation, message_id)
            if sent is not None and sent.traceparent:
                about = {"parley.message_id": message_id, "parley.conversation_id": conversation, "parley.state": state}
                with tracing.span(f"receipt {state}", parent=sent.traceparent, kind="consumer", attributes=about):
                    pass

    async def _apply(self, conversation: str, message_ids: list[str], state: MessageState) -> None:
        await self._state.transcript.mark(conversation, message_ids, state)
        await live.receipts(self._state.signals, conversation, message_ids, state)


def _receipt_of(record: Record) -> tuple[Envelope, Receipt] | None:
    """None for what is none, or cannot be read."""
    if record.headers.get("ce_type") != topics.RECEIPT_RECORDED:
        return None
    try:
        event = Envelope.from_wire(record.headers, record.value)
        return event, event.payload(Receipt)
    except RecordError as error:
        log.warning("receipt_undecodable", topic=record.topic, offset=record.offset, code=error.code)
        return None


def _below(line: TranscriptMessage, state: MessageState) -> bool:
    """Whether a receipt changes this line: only what was sent to the contact, and only upwards."""
    if line.author.kind == "contact" or line.state in ("pending", "failed", "dropped", "deleted"):
        return False
    return RANK.get(line.state, 0) < RANK.get(state, 0)
