"""Detect records that stalled or killed a process: recorded while they are handled, handled alone after the first
strike, given up on at the second."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import structlog

from infra.bus.lane import LaneBatch
from infra.flight_recorder import FlightRecorder, Incident, RecordedSteps, load_incidents
from schemas.errors import (
    MemoryExhausted,
    ParleyError,
    ProcessCrashed,
    ProcessStalled,
    SuspectRecords,
    Unavailable,
)
from schemas.ports import Batch, Clock, GiveUp, LaneHandler, Record, Strike, StrikeCode, Strikes, TopicPartition

log = structlog.get_logger("parley.watchdog")

ENOUGH = 2
"""Strikes after which a record is given up on. One may be a coincidence: a machine that was short of memory for other
reasons."""
_ERRORS: dict[StrikeCode, type[ParleyError]] = {
    "process_stalled": ProcessStalled,
    "process_crashed": ProcessCrashed,
    "memory_exhausted": MemoryExhausted,
}
_MESSAGES: dict[StrikeCode, str] = {
    "process_stalled": "handling this record stalled the process",
    "process_crashed": "handling this record ended the process with a fatal signal",
    "memory_exhausted": "handling this record used up the memory",
}
Position = tuple[str, int, int]


class PoisonWatch:
    """Handles suspect records for the lanes of one consumer group. ``folder``: where dead processes have left their
    incidents."""

    def __init__(self, group: str, recorder: FlightRecorder, strikes: Strikes, folder: Path, clock: Clock) -> None:
        self._group = group
        self._recorder = recorder
        self._strikes = strikes
        self._folder = folder
        self._clock = clock
        self._known: dict[Position, dict[str, Strike]] = {}
        """By record, then by incident."""

    async def load(self, source: TopicPartition) -> None:
        """Load the strikes of a partition, before anything of it is started. Raises Unavailable."""
        for path, incident in load_incidents(self._folder):
            await self._strikes.add(incident.strikes())
            path.unlink(missing_ok=True)
        for strike in await self._strikes.of(self._group, source):
            self._remember(strike)

    def watch_handler(self, handler: LaneHandler) -> LaneHandler:
        """Wrap a handler so that each of its steps is recorded."""

        async def handle(batch: Batch) -> None:
            await self._handle(handler, cast(LaneBatch, batch))

        return handle

    def watch_give_up(self, give_up: GiveUp) -> GiveUp:
        """Wrap a give-up callback so that records that were given up on lose their strikes."""

        async def surrender(conversation: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
            await give_up(conversation, records, error, attempts)
            await self._clear(records)

        return surrender

    async def _handle(self, handler: LaneHandler, batch: LaneBatch) -> None:
        """Raises SuspectRecords for a batch in which one record may be at fault, and the error of a record that is."""
        if self._known and any(position_of(record) in self._known for record in batch.records):
            batch = self._isolate_suspect(batch)
        steps = RecordedSteps(handler(batch), self._recorder, self._group, batch.records)
        try:
            await steps
        except BaseException:
            if steps.stalled:
                await self._strike(batch.records)
            raise
        if steps.stalled:
            # It is done and is not handled again: there is nothing to remember.
            log.error("record_stalled", conversation_id=batch.conversation, records=len(batch.records))
        if self._known:
            await self._clear(batch.records)

    def _isolate_suspect(self, batch: LaneBatch) -> LaneBatch:
        if len(batch.records) > 1:
            raise SuspectRecords("one of these may have stalled or killed a process: they are handled one by one")
        strikes = list(self._known.get(position_of(batch.records[0]), {}).values())
        if len(strikes) >= ENOUGH:
            batch.attempt = len(strikes)
            code = strikes[-1].code
            raise _ERRORS[code](f"{_MESSAGES[code]} {len(strikes)} times")
        return batch.isolate()

    async def _strike(self, records: Sequence[Record]) -> None:
        """The lane tries these records again, so it has to know, and so has the next process."""
        positions = [position_of(record) for record in records]
        incident = Incident(
            id=uuid.uuid4().hex, code="process_stalled", at=self._clock(), group=self._group, records=positions
        )
        strikes = incident.strikes()
        for strike in strikes:
            self._remember(strike)
        log.error("record_stalled", group=self._group, records=positions)
        try:
            await self._strikes.add(strikes)
        except Unavailable as error:
            log.warning("strike_not_stored", code=error.code)

    def _remember(self, strike: Strike) -> None:
        position = (strike.topic, strike.partition, strike.offset)
        self._known.setdefault(position, {})[strike.incident] = strike

    async def _clear(self, records: Sequence[Record]) -> None:
        positions = [position_of(record) for record in records]
        cleared = [strike for each in positions for strike in self._known.get(each, {}).values()]
        if not cleared:
            return
        try:
            await self._strikes.clear(cleared)
        except Unavailable as error:
            log.warning("strike_not_cleared", code=error.code)
        for position in positions:
            self._known.pop(position, None)


def position_of(record: Record) -> Position:
    return record.topic, record.partition, record.offset
