"""Giving up on outbound records: visibly, and so that an operator can replay them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from connectors.outbound.delivery_log import Ledger
from schemas import ids, topics
from schemas.conversation import DeadLetter
from schemas.envelope import Envelope, envelope
from schemas.errors import HandlerGaveUp, ParleyError, RecordError
from schemas.messages import OutboundMessage
from schemas.ports import Bus, Clock, Metrics, Record, State
from schemas.privacy.records import without_cards

log = structlog.get_logger("parley.outbound")
NOBODY = "unknown"


class DeadLetterDesk:
    """Receives what a sender lane gave up. ``watched``: tenants that have a desk."""

    def __init__(
        self, *, bus: Bus, state: State, metrics: Metrics, clock: Clock, watched: frozenset[str] = frozenset()
    ) -> None:
        self._watched = watched
        self._bus = bus
        self._state = state
        self._metrics = metrics
        self._clock = clock

    async def give_up(self, conversation: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
        """Set the records aside and mark their messages as failed. Raises only Unavailable: then ask again."""
        for record in records:
            letter = self._letter(conversation, record, error, attempts)
            await self._bus.append([_event(letter, record)])
            await self._state.dead_letters.add(letter)
            await self._mark_failed(record, letter.code)
            self._metrics.count("parley_deadletters_total", code=letter.code)
            log.error(
                "dead_letter",
                code=letter.code,
                tenant=letter.tenant,
                channel=letter.channel,
                conversation_id=conversation,
                deadletter_id=letter.id,
                attempts=attempts,
            )

    def _letter(self, conversation: str, record: Record, error: Exception, attempts: int) -> DeadLetter:
        origin = record.headers.get("ce_id") or f"{record.topic}/{record.partition}/{record.offset}"
        return DeadLetter(
            id=ids.derived_id(origin, "deadletter"),
            code=error.code if isinstance(error, ParleyError) else HandlerGaveUp.code,
            # The text of an unexpected error may hold a contact's words; its name does not.
            reason=error.message if isinstance(error, ParleyError) else type(error).__name__,
            attempts=attempts,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            tenant=record.headers.get("ce_tenant", ""),
            channel=record.headers.get("ce_channel", "") or record.topic.rpartition(".")[2],
            conversation_id=conversation,
            headers=dict(record.headers),
            value=base64.b64encode(without_cards(record.value or b"")).decode(),
            first_at=datetime.fromtimestamp(record.timestamp_ms / 1000, UTC),
            last_at=self._clock(),
        )

    async def _mark_failed(self, record: Record, code: str) -> None:
        try:
            event = Envelope.from_wire(record.headers, record.value)
            message = event.payload(OutboundMessage)
        except RecordError:
            return  # nothing in it can be shown to anybody
        ledger = Ledger(
            bus=self._bus, state=self._state, metrics=self._metrics, clock=self._clock, watched=self._watched
        )
        await ledger.settle(event, message.id, "failed", reason=code)
        await ledger.flush()


def _event(letter: DeadLetter, record: Record) -> Envelope:
    return envelope(
        topics.DEADLETTER_RECORDED,
        letter,
        id=letter.id,
        time=letter.last_at,
        source=f"/connectors/{letter.channel}",
        tenant=letter.tenant or NOBODY,
        channel=letter.channel,
        account=record.headers.get("ce_account", ""),
        conversation=letter.conversation_id,
        correlation_id=record.headers.get("ce_correlationid", ""),
        causation_id=record.headers.get("ce_id", ""),
    )
