"""The parked records of a conversation: moving them to the store and back, always in the order of the log.

Two rules keep the order through crashes and rebalances:

- A record is never parked while an older unfinished one of its conversation is only in memory: the records being
handled and those waiting are parked in the same call. So a reader of parked records finds all older unfinished ones
there too, and may begin with them without having read the log. - While any record of a conversation is parked, later
ones join it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from infra.bus.assignment import Assignment
from infra.bus.lane import Lane, LaneBatch
from infra.bus.retrying import retry_until_success
from schemas.ports import Clock, Parking, Record
from schemas.privacy.sealed_events import is_erased

log = structlog.get_logger("parley.lanes")


_AT_ONCE = 500
"""Records parked in one call: in order, so that a part of them keeps the first rule too."""


class Overflow:
    """One consumer group's view of Parking."""

    def __init__(self, parking: Parking, group: str, clock: Clock) -> None:
        self._parking = parking
        self._group = group
        self._clock = clock

    def is_due(self, lane: Lane) -> bool:
        """Return whether parked records may be handled, and none is on its way to the store."""
        return lane.overflow and not lane.spilling and (lane.until is None or lane.until <= self._clock())

    async def next_batch(self, lane: Lane, page: int) -> LaneBatch | None:
        """The oldest parked records, at most ``page``; None when there are none or they may not be handled yet."""
        if not self.is_due(lane):
            return None
        async with lane.store:
            parked = await self._read(lane, page)
            while parked and (erased := [record for record in parked if is_erased(record)]):
                # Their contact was erased while they waited: nothing can be read from them, and nothing is to be done.
                left = await self._remove(lane, erased)
                parked = await self._read(lane, page) if left is not None else None
            if not parked and parked is not None and not lane.spilling:
                lane.leave_overflow()
        return LaneBatch(lane, list(parked), len(parked)) if parked else None

    async def _read(self, lane: Lane, page: int) -> list[Record] | None:
        return await retry_until_success(
            lane.assignment.revoking,
            lambda: self._parking.read(self._group, lane.conversation, limit=page),
            "parked_unreadable",
            conversation_id=lane.conversation,
        )

    async def flush(self, lane: Lane) -> list[Record] | None:
        """Park spilled records, together with those being handled; returns the records that left memory, None if
        interrupted."""
        async with lane.store:
            batch, spilled = lane.batch, lane.spilling[:_AT_ONCE]
            handled = batch.unparked_records if batch is not None else []
            if not await self._park(lane, [*handled, *spilled], lane.until or self._clock()):
                return None
            if lane.assignment.gone:
                return None
            if batch is not None:
                batch.parked += len(handled)
            del lane.spilling[: len(spilled)]
            lane.assignment.offsets.finish([*handled, *spilled])
        return spilled

    async def finish(self, lane: Lane, batch: LaneBatch, until: datetime | None) -> bool:
        """The batch is over: remove its finished records from the store, and park the others ``until``, together with
        those that wait behind them. False when the partition was taken away meanwhile."""
        if until is not None:
            batch.take_more()
            lane.overflow, lane.until = True, until
        async with lane.store:
            stored = await self._set_aside(lane, batch, until) if until is not None else True
            return stored and await self._unpark(lane, batch) and not lane.assignment.gone

    async def _set_aside(self, lane: Lane, batch: LaneBatch, until: datetime) -> bool:
        rest = batch.records[batch.finished :]
        if not await self._park(lane, rest, until):
            return False
        if lane.woken:
            lane.until = None
        log.info("parked", conversation_id=lane.conversation, records=len(rest), until=until.isoformat())
        return True

    async def _unpark(self, lane: Lane, batch: LaneBatch) -> bool:
        handled = batch.records[: min(batch.finished, batch.parked)]
        if not handled:
            return True
        left = await self._remove(lane, handled)
        if left == 0 and not lane.spilling:
            lane.leave_overflow()
        return left is not None

    async def _remove(self, lane: Lane, records: Sequence[Record]) -> int | None:
        """Remove parked records; returns how many are left, None if interrupted."""
        return await retry_until_success(
            lane.assignment.revoking,
            lambda: self._parking.unpark(self._group, lane.conversation, records),
            "unpark_failed",
            conversation_id=lane.conversation,
        )

    async def _park(self, lane: Lane, records: Sequence[Record], until: datetime) -> bool:
        if not records:
            return True

        async def park() -> bool:
            await self._parking.park(self._group, lane.conversation, records, until=until)
            return True

        hurry = lane.assignment.revoking
        return bool(await retry_until_success(hurry, park, "parking_failed", conversation_id=lane.conversation))

    async def adopt(self, assignment: Assignment) -> dict[str, datetime] | None:
        """The partition's conversations with parked records. Retries until the store answers, or the partition goes."""
        source = assignment.source
        waiting = await retry_until_success(
            assignment.revoking,
            lambda: self._parking.list_conversations(self._group, [source]),
            "parked_unknown",
            topic=source.topic,
            partition=source.partition,
        )
        return None if waiting is None else {conversation: until for conversation, (_, until) in waiting.items()}
