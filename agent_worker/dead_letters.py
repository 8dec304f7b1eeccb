"""Dead-lettering of records: kept for a replay, counted, and announced to the contact."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import structlog

from agent_worker.settings import WorkerSettings
from agent_worker.turn.envelopes import SOURCE, TurnEnvelopes, build_outbound
from agent_worker.turn.inbound_events import InboundEvent, decode
from agent_worker.voice import translate_voice
from schemas.conversation import DeadLetter
from schemas.envelope import Envelope, envelope
from schemas.errors import HandlerFailed, ParleyError, RecordError
from schemas.ids import derived_id
from schemas.messages import Author
from schemas.ports import Bus, Clock, Metrics, Record, State
from schemas.privacy.records import mask_record
from schemas.topics import DEADLETTER_RECORDED, MESSAGE_RECEIVED

log = structlog.get_logger("parley.worker")


class DeadLetterRecorder:
    """Raises only Unavailable errors. A repeated call changes nothing, because every id is derived from the record."""

    def __init__(self, *, bus: Bus, state: State, settings: WorkerSettings, metrics: Metrics, clock: Clock) -> None:
        self._bus = bus
        self._state = state
        self._settings = settings
        self._metrics = metrics
        self._clock = clock

    async def give_up(self, conversation: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
        """Store the records as dead letters and tell the contact once that something went wrong."""
        if not records:
            return
        now = self._clock()
        letters = [build_dead_letter(conversation, record, error, attempts, now) for record in records]
        notices = await self._notice(conversation, records, now)
        await self._bus.append([*(wrap_dead_letter(letter) for letter in letters), *notices])
        for letter in letters:
            await self._state.dead_letters.add(letter)
            self._metrics.count("parley_deadletters_total", code=letter.code)
            log.error("dead_letter", letter_id=letter.id, code=letter.code, attempts=attempts, offset=letter.offset)

    async def set_aside(self, conversation: str, record: Record, error: RecordError) -> None:
        await self.give_up(conversation, [record], error, 1)

    async def _notice(self, conversation: str, records: Sequence[Record], now: datetime) -> list[Envelope]:
        """The fallback reply, if a contact's message is among the records and its conversation is known."""
        messages = [record for record in records if _is_message(record)]
        if not messages:
            return []
        stored = await self._state.conversations.get(conversation)
        if stored is None:
            return []
        voice = self._settings.of(stored.origin.tenant).voice
        text = translate_voice(voice, stored.facts.locale or voice.locale).processing_failed
        notice_id = derived_id(_event_id(messages[0]), "fallback")
        message = build_outbound(stored, id=notice_id, author=Author(kind="system"), text=text, now=now)
        message = message.model_copy(update={"purpose": "notice"})
        cause = _event_id(messages[0])
        chain = TurnEnvelopes(stored, messages[0].headers.get("ce_correlationid") or notice_id, cause)
        return [chain.wrap_message(message, now)]


def _is_message(record: Record) -> bool:
    if record.headers.get("ce_type") != MESSAGE_RECEIVED:
        return False
    event = _try_decode(record)
    return event is None or event.is_from_contact


def _try_decode(record: Record) -> InboundEvent | None:
    try:
        return decode(record)
    except RecordError:
        return None


def _event_id(record: Record) -> str:
    return record.headers.get("ce_id") or f"{record.topic}/{record.partition}/{record.offset}"


def build_dead_letter(conversation: str, record: Record, error: Exception, attempts: int, now: datetime) -> DeadLetter:
    headers: Mapping[str, str] = record.headers
    parley_error = error if isinstance(error, ParleyError) else HandlerFailed(type(error).__name__)
    return DeadLetter(
        id=derived_id(f"{record.topic}/{record.partition}/{record.offset}", "deadletter"),
        code=parley_error.code,
        reason=parley_error.message,
        attempts=attempts,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        tenant=headers.get("ce_tenant", ""),
        channel=headers.get("ce_channel", "") or record.topic.rpartition(".")[2],
        conversation_id=conversation,
        headers=dict(headers),
        value=base64.b64encode(mask_record(record.value or b"")).decode(),
        first_at=datetime.fromtimestamp(record.timestamp_ms / 1000, UTC),
        last_at=now,
    )


def wrap_dead_letter(letter: DeadLetter) -> Envelope:
    return envelope(
        DEADLETTER_RECORDED,
        letter,
        id=letter.id,
        time=letter.last_at,
        source=SOURCE,
        tenant=letter.tenant,
        channel=letter.channel,
        conversation=letter.conversation_id,
        correlation_id=letter.headers.get("ce_correlationid", ""),
        causation_id=letter.headers.get("ce_id", ""),
    )
