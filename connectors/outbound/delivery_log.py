"""Outcomes of outbound messages: recorded in the state store first, then appended to ``parley.events`` once per
batch."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal, get_args

import structlog
from pydantic import BaseModel

from connectors import conversation_signals
from connectors.outbound import receipt_events
from schemas import ids, topics
from schemas.conversation import DeliveryOutcome
from schemas.envelope import Envelope
from schemas.handoff.requests import request_by_unknown_delivery
from schemas.messages import MessageState, OutboundMessage, TranscriptMessage
from schemas.ports import Account, Bus, Clock, Metrics, State, VendorCall, VendorMessage
from schemas.runtime import tracing
from schemas.runtime.crash_points import reach

log = structlog.get_logger("parley.outbound")

Outcome = Literal["sent", "failed", "unknown", "expired", "stale_owner"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
TRANSCRIPT_STATES: dict[Outcome, MessageState] = {
    "sent": "sent",
    "failed": "failed",
    "unknown": "unknown",
    "expired": "dropped",
    "stale_owner": "dropped",
}
"""Outcome → state of the transcript line."""


def build_delivery_event(sent: Envelope, delivered: DeliveryOutcome) -> Envelope:
    """Build the event of an outcome; the same outcome always gets the same id. ``sent`` is the message's envelope."""
    event_id = ids.derived_id(delivered.message_id, f"delivery:{delivered.state}")
    return _build_event(sent, delivered, topics.DELIVERY_RECORDED, delivered, event_id)


def _build_event(sent: Envelope, delivered: DeliveryOutcome, kind: str, payload: BaseModel, event_id: str) -> Envelope:
    """Build an event that follows from the outcome of a message."""
    traceparent = delivered.traceparent or sent.traceparent
    return receipt_events.build_following_event(sent, kind, payload, event_id, delivered.at, traceparent=traceparent)


class DeliveryLog:
    """The outcomes of one batch. ``flush`` appends their events and may be repeated. ``desk_tenants``: tenants that
    have a desk, which is notified about messages of people and of the system. ``of_desk``: the messages are posts at
    the desk, which are no lines of a conversation."""

    def __init__(
        self,
        *,
        bus: Bus,
        state: State,
        metrics: Metrics,
        clock: Clock,
        desk_tenants: frozenset[str] = frozenset(),
        of_desk: bool = False,
    ) -> None:
        self._bus = bus
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self._desk_tenants = desk_tenants
        self._of_desk = of_desk
        self._events: list[Envelope] = []

    async def record_outcome(
        self,
        sent: Envelope,
        message_id: str,
        outcome: Outcome,
        *,
        external_id: str = "",
        reason: str = "",
        whole: str = "",
    ) -> Outcome:
        """Record one outcome, show it in the transcript, and queue its event for ``flush``. ``whole``: id of the
        message of which ``message_id`` is a part; receipts of any part belong to the whole message. Returns the outcome
        on record, which may be a better known one."""
        delivered = DeliveryOutcome(
            message_id=message_id,
            part_of=whole if whole != message_id else "",
            state=outcome,
            external_id=external_id,
            reason=reason,
            at=self._clock(),
            traceparent=tracing.traceparent(sent.traceparent),
        )
        if outcome == "unknown":
            await self._record(sent, delivered, whole)
            # A receipt may have decided it in the meantime, and nothing else would report that.
            delivered = await self._state.deliveries.outcome(sent.conversation, message_id) or delivered
        numbered = await self._record(sent, delivered, whole, self._build_line(sent, delivered))
        reach("connector.after_record")
        self._queue_events(sent, numbered)
        if delivered.state == "unknown":
            await self._request_person(sent, delivered)
        if not delivered.part_of:
            self._metrics.count("parley_outbound_total", channel=sent.channel, result=delivered.state)
        _log_outcome(sent, delivered)
        return delivered.state

    async def repeat_outcome(self, sent: Envelope, message_id: str, *, whole: str = "") -> Outcome:
        """Complete the steps after an outcome that was recorded before a crash; return that outcome."""
        delivered = await self._state.deliveries.outcome(sent.conversation, message_id)
        self._metrics.count("parley_duplicates_total", where="sender")
        if delivered is None:
            return "sent"  # expired from the record, days later
        self._queue_events(sent, await self._record(sent, delivered, whole, self._build_line(sent, delivered)))
        return delivered.state

    def _queue_events(self, sent: Envelope, delivered: DeliveryOutcome) -> None:
        self._events.append(build_delivery_event(sent, delivered))
        if delivered.part_of or sent.tenant not in self._desk_tenants or self._of_desk:
            return
        if delivered.state in ("unknown", "failed") or _is_by_person_or_system(sent):
            self._events.append(
                receipt_events.build_line_changed(sent, delivered.message_id, delivered.state, delivered.at)
            )

    async def _request_person(self, sent: Envelope, delivered: DeliveryOutcome) -> None:
        """Hand the conversation to people when an answer of the agent may be lost: only a person can find out and
        decide to repeat it."""
        if delivered.part_of or self._of_desk:
            return
        message, conversation = sent.payload(OutboundMessage), await self._state.conversations.get(sent.conversation)
        request = request_by_unknown_delivery(conversation, message, delivered.at) if conversation is not None else None
        if request is not None:
            self._events.append(_build_event(sent, delivered, topics.OWNER_REQUESTED, request, request.id))

    async def _record(
        self, sent: Envelope, delivered: DeliveryOutcome, whole: str, line: TranscriptMessage | None = None
    ) -> DeliveryOutcome:
        """Record the outcome and show ``line``; return the outcome with the line's number, so that a rebuild numbers
        the line the same."""
        conversation, bound = sent.conversation, None
        if delivered.external_id:
            whole = whole or delivered.message_id
            bound = VendorMessage(sent.tenant, sent.channel, sent.account, delivered.external_id, whole)
        shown = await self._state.deliveries.record(conversation, delivered, bound=bound, line=line)
        if line is not None:
            await conversation_signals.publish_receipts(self._state.signals, conversation, [line.id], line.state)
        if shown.is_new:
            await conversation_signals.publish_message(self._state.signals, conversation)
        return delivered.model_copy(update={"seq": shown.seq}) if shown.seq else delivered

    def _build_line(self, sent: Envelope, delivered: DeliveryOutcome) -> TranscriptMessage | None:
        """Build the line that shows the outcome. It is there already, except on a vendor's channel, where nothing else
        writes it. None for parts, and for posts at the desk."""
        state = TRANSCRIPT_STATES.get(delivered.state)
        if state is None or delivered.part_of or self._of_desk:
            return None
        message = sent.payload(OutboundMessage)
        return TranscriptMessage.of_outbound(message, state) if message.id == delivered.message_id else None

    async def flush(self) -> None:
        """Append the events. Raises BusUnavailable and then keeps them for another try."""
        if self._events:
            await self._bus.append(self._events)
            self._events = []


@dataclass(frozen=True, slots=True)
class MessagePart:
    """One part of a message, sent by one call. ``marker`` is our id for the part; the last part has the id of
    ``message``. ``sibling_markers``: markers of the other parts. ``fallback_call`` is made when ``call`` is refused."""

    marker: str
    call: VendorCall
    message: OutboundMessage
    envelope: Envelope
    account: Account
    delivery_log: DeliveryLog
    hurry: asyncio.Event
    sibling_markers: tuple[str, ...] = ()
    fallback_call: VendorCall | None = None

    @property
    def conversation(self) -> str:
        return self.envelope.conversation

    @property
    def own_message(self) -> OutboundMessage:
        """The message under the part's id, for the owner rule and the expiry."""
        return self.message if self.marker == self.message.id else self.message.model_copy(update={"id": self.marker})

    async def record_outcome(self, outcome: Outcome, *, external_id: str = "", reason: str = "") -> Outcome:
        return await self.delivery_log.record_outcome(
            self.envelope, self.marker, outcome, external_id=external_id, reason=reason, whole=self.message.id
        )


def _is_by_person_or_system(envelope_: Envelope) -> bool:
    """Return whether the desk shows this message's outcome: it was written by a person, or by the system."""
    message = envelope_.payload(OutboundMessage)
    return message.purpose != "desk" and message.author.kind in ("person", "system")


def _log_outcome(sent: Envelope, delivered: DeliveryOutcome) -> None:
    write = log.warning if delivered.state in ("unknown", "failed") else log.info
    write(
        "delivery_recorded",
        tenant=sent.tenant,
        channel=sent.channel,
        conversation_id=sent.conversation,
        correlation_id=sent.correlation_id,
        message_id=delivered.message_id,
        outcome=delivered.state,
        reason=delivered.reason,
    )
