"""What became of outbound messages: written to state first, then told on ``parley.events`` once a batch."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal, get_args

import structlog
from pydantic import BaseModel

from connectors import live
from schemas import ids, topics, tracing
from schemas.conversation import Delivered
from schemas.crash_points import reach
from schemas.envelope import Envelope, envelope
from schemas.handoff.requests import request_by_unknown_delivery
from schemas.messages import MessageState, OutboundMessage, TranscriptMessage
from schemas.ports import Account, Bus, Call, Clock, Metrics, State

log = structlog.get_logger("parley.outbound")

Outcome = Literal["sent", "failed", "unknown", "expired", "stale_owner"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
SHOWN: dict[Outcome, MessageState] = {
    "sent": "sent",
    "failed": "failed",
    "unknown": "unknown",
    "expired": "dropped",
    "stale_owner": "dropped",
}
"""The transcript's word for an outcome."""


def fact(sent: Envelope, outcome: Delivered) -> Envelope:
    """The event of an outcome; the same outcome always has the same id. ``sent`` is the message's own envelope."""
    event_id = ids.derived_id(outcome.message_id, f"delivery:{outcome.state}")
    return _about(sent, outcome, topics.DELIVERY_RECORDED, outcome, event_id)


def _about(sent: Envelope, outcome: Delivered, kind: str, payload: BaseModel, event_id: str) -> Envelope:
    """An event that follows from the outcome of a message."""
    return envelope(
        kind,
        payload,
        id=event_id,
        time=outcome.at,
        source=f"/connectors/{sent.channel}/{sent.tenant}/{sent.account}",
        tenant=sent.tenant,
        channel=sent.channel,
        account=sent.account,
        conversation=sent.conversation,
        correlation_id=sent.correlation_id or sent.id,
        causation_id=sent.id,
        traceparent=outcome.traceparent or sent.traceparent,
    )


class Ledger:
    """Outcomes of one batch. ``flush`` appends their events and may be repeated. ``watched``: tenants whose people see
    what became of what they and the system said. ``of_desk``: it is of posts at the desk, which are no lines of a
    conversation."""

    def __init__(
        self,
        *,
        bus: Bus,
        state: State,
        metrics: Metrics,
        clock: Clock,
        watched: frozenset[str] = frozenset(),
        of_desk: bool = False,
    ) -> None:
        self._bus = bus
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self._watched = watched
        self._of_desk = of_desk
        self._facts: list[Envelope] = []

    async def settle(
        self,
        sent: Envelope,
        message_id: str,
        outcome: Outcome,
        *,
        external_id: str = "",
        reason: str = "",
        whole: str = "",
    ) -> Outcome:
        """Record one outcome, show it in the transcript, and keep its event for ``flush``. ``whole``: the message of
        which ``message_id`` is a piece; receipts of any piece are the whole message's. What is on record then."""
        told = Delivered(
            message_id=message_id,
            part_of=whole if whole != message_id else "",
            state=outcome,
            external_id=external_id,
            reason=reason,
            at=self._clock(),
            traceparent=tracing.traceparent(sent.traceparent),
        )
        # First: the vendor's echo of it may be here already, and who neither is sending nor has sent it is a person.
        await self._bind(sent, told, whole or message_id)
        await self._state.deliveries.record(sent.conversation, told)
        if outcome == "unknown":
            # The vendor's word may have come in this moment; nobody else would tell of it, or write the line.
            told = await self._state.deliveries.outcome(sent.conversation, message_id) or told
        numbered = await self._numbered(sent, told)
        reach("connector.after_record")
        self._tell(sent, numbered)
        if told.state == "unknown":
            await self._ask_people(sent, told)
        if not told.part_of:
            self._metrics.count("parley_outbound_total", channel=sent.channel, result=told.state)
        _log(sent, told)
        return told.state

    async def repeat(self, sent: Envelope, message_id: str, *, whole: str = "") -> Outcome:
        """A message that has its outcome already, from before a crash: finish what may have been left undone."""
        told = await self._state.deliveries.outcome(sent.conversation, message_id)
        self._metrics.count("parley_duplicates_total", where="sender")
        if told is None:
            return "sent"  # forgotten meanwhile, after days
        await self._bind(sent, told, whole or message_id)
        self._tell(sent, await self._numbered(sent, told))
        return told.state

    def _tell(self, sent: Envelope, told: Delivered) -> None:
        self._facts.append(fact(sent, told))
        if told.part_of or sent.tenant not in self._watched or self._of_desk:
            return
        if told.state == "unknown" or _is_of_people(sent):
            self._facts.append(live.of_line(sent, told.message_id, told.state, told.at))

    async def _ask_people(self, sent: Envelope, told: Delivered) -> None:
        if told.part_of or self._of_desk:
            return
        message, found = sent.payload(OutboundMessage), await self._state.conversations.get(sent.conversation)
        request = request_by_unknown_delivery(found, message, told.at) if found is not None else None
        if request is not None:
            self._facts.append(_about(sent, told, topics.OWNER_REQUESTED, request, request.id))

    async def _bind(self, sent: Envelope, told: Delivered, message_id: str) -> None:
        if told.external_id:
            await self._state.deliveries.bind(
                sent.tenant, sent.channel, sent.account, told.external_id, sent.conversation, message_id
            )

    async def flush(self) -> None:
        """Append the events. Raises BusUnavailable; the records stay kept for another try."""
        if self._facts:
            await self._bus.append(self._facts)
            self._facts = []

    async def _numbered(self, sent: Envelope, told: Delivered) -> Delivered:
        """Show the outcome in the transcript. The event tells the line's number, so that a rebuild gives it again."""
        conversation, state = sent.conversation, SHOWN.get(told.state)
        if state is None or told.part_of or self._of_desk:
            return told
        await self._state.transcript.mark(conversation, [told.message_id], state)
        await live.receipts(self._state.signals, conversation, [told.message_id], state)
        line = await self._state.transcript.find(conversation, told.message_id)
        seq = line.seq if line is not None else await self._add(sent, told, state)
        return told.model_copy(update={"seq": seq}) if seq else told

    async def _add(self, sent: Envelope, told: Delivered, state: MessageState) -> int:
        """A vendor's channel shows messages elsewhere, so their lines are written here. 0: the message is not shown,
        or no longer on record (a repeat after days)."""
        message = sent.payload(OutboundMessage)
        if state == "dropped" or message.id != told.message_id:
            return 0
        seq = await self._state.transcript.add(sent.conversation, TranscriptMessage.of_outbound(message, state))
        await live.message(self._state.signals, sent.conversation)
        return seq


@dataclass(frozen=True, slots=True)
class Piece:
    """``marker`` is our id of it, ``whole`` the message it belongs to; the last piece has the message's own id.
    ``others``: the markers of the message's other pieces. ``instead`` is carried out when ``call`` is refused."""

    marker: str
    call: Call
    whole: OutboundMessage
    envelope: Envelope
    account: Account
    ledger: Ledger
    hurry: asyncio.Event
    others: tuple[str, ...] = ()
    instead: Call | None = None

    @property
    def conversation(self) -> str:
        return self.envelope.conversation

    @property
    def message(self) -> OutboundMessage:
        """What the owner rule and the expiry look at."""
        return self.whole if self.marker == self.whole.id else self.whole.model_copy(update={"id": self.marker})

    async def settle(self, outcome: Outcome, *, external_id: str = "", reason: str = "") -> Outcome:
        return await self.ledger.settle(
            self.envelope, self.marker, outcome, external_id=external_id, reason=reason, whole=self.whole.id
        )


def _is_of_people(sent: Envelope) -> bool:
    """Whether people want to know what became of it: of their own words, and of what the system said for them."""
    message = sent.payload(OutboundMessage)
    return message.purpose != "desk" and message.author.kind in ("person", "system")


def _log(sent: Envelope, told: Delivered) -> None:
    tell = log.warning if told.state == "unknown" else log.info
    tell(
        "delivery_recorded",
        tenant=sent.tenant,
        channel=sent.channel,
        conversation_id=sent.conversation,
        correlation_id=sent.correlation_id,
        message_id=told.message_id,
        outcome=told.state,
        reason=told.reason,
    )
