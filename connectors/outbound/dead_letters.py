"""Dead letters of outbound records, which an operator can inspect and replay."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from connectors.outbound.delivery_log import DeliveryLog
from schemas import ids, topics
from schemas.conversation import DeadLetter
from schemas.envelope import Envelope, envelope
from schemas.errors import HandlerFailed, ParleyError, RecordError
from schemas.messages import OutboundMessage
from schemas.ports import Bus, Clock, Metrics, Record, State
from schemas.privacy.records import mask_record

log = structlog.get_logger("parley.outbound")
UNKNOWN_TENANT = "unknown"


class DeadLetterWriter:
    """Stores the records that a sender lane gave up on. ``desk_tenants``: tenants that have a desk."""

    def __init__(
        self, *, bus: Bus, state: State, metrics: Metrics, clock: Clock, desk_tenants: frozenset[str] = frozenset()
    ) -> None:
        self._desk_tenants = desk_tenants
        self._bus = bus
        self._state = state
        self._metrics = metrics
        self._clock = clock

    async def give_up(self, conversation: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
        """Store the records and mark their messages as failed. Raises only Unavailable; the caller may repeat it."""
        for record in records:
            letter = self._build_letter(conversation, record, error, attempts)
            await self._bus.append([_build_event(letter, record)])
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

    def _build_letter(self, conversation: str, record: Record, error: Exception, attempts: int) -> DeadLetter:
        origin = record.headers.get("ce_id") or f"{record.topic}/{record.partition}/{record.offset}"
        return DeadLetter(
            id=ids.derived_id(origin, "deadletter"),
            code=error.code if isinstance(error, ParleyError) else HandlerFailed.code,
            # The text of an unexpected error may quote a contact; its class name does not.
            reason=error.message if isinstance(error, ParleyError) else type(error).__name__,
            attempts=attempts,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            tenant=record.headers.get("ce_tenant", ""),
            channel=record.headers.get("ce_channel", "") or record.topic.rpartition(".")[2],
            conversation_id=conversation,
            headers=dict(record.headers),
            value=base64.b64encode(mask_record(record.value or b"")).decode(),
            first_at=datetime.fromtimestamp(record.timestamp_ms / 1000, UTC),
            last_at=self._clock(),
        )

    async def _mark_failed(self, record: Record, code: str) -> None:
        try:
            event = Envelope.from_wire(record.headers, record.value)
            message = event.payload(OutboundMessage)
        except RecordError:
            return  # it holds no message to mark
        delivery_log = DeliveryLog(
            bus=self._bus, state=self._state, metrics=self._metrics, clock=self._clock, desk_tenants=self._desk_tenants
        )
        await delivery_log.record_outcome(event, message.id, "failed", reason=code)
        await delivery_log.flush()


def _build_event(letter: DeadLetter, record: Record) -> Envelope:
    return envelope(
        topics.DEADLETTER_RECORDED,
        letter,
        id=letter.id,
        time=letter.last_at,
        source=f"/connectors/{letter.channel}",
        tenant=letter.tenant or UNKNOWN_TENANT,
        channel=letter.channel,
        account=record.headers.get("ce_account", ""),
        conversation=letter.conversation_id,
        correlation_id=record.headers.get("ce_correlationid", ""),
        causation_id=record.headers.get("ce_id", ""),
    )
