"""A lane's parked records: what moves there, what comes back, always in the order of the log.

While any record of a conversation is parked, later ones join it. All writes of one lane are serialized by its lock, so
that "nothing is left" is never said while another write is on its way.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from infra.bus.lane import Lane, LaneBatch
from schemas.errors import ParleyError
from schemas.ports import Clock, Parking, Record, TopicPartition

log = structlog.get_logger("parley.lanes")


class Overflow:
    """One consumer group's view of Parking. ``page`` is how many parked records come back at once."""

    def __init__(self, parking: Parking, group: str, clock: Clock, page: int) -> None:
        self._parking = parking
        self._group = group
        self._clock = clock
        self._page = page

    def due(self, lane: Lane) -> bool:
        return lane.overflow and (lane.until is None or lane.until <= self._clock())

    def delay(self, until: datetime) -> float:
        return max(0.0, (until - self._clock()).total_seconds())

    async def next_batch(self, lane: Lane) -> LaneBatch | None:
        """The oldest parked records; None when there are none, or when their time has not come."""
        if not self.due(lane):
            return None
        async with lane.parking:
            parked = await self._parking.parked(self._group, lane.conversation, limit=self._page)
            if not parked and not lane.spilling:
                lane.overflow = False
        return LaneBatch(lane, list(parked), parked) if parked else None

    async def park(self, lane: Lane, batch: LaneBatch, until: datetime) -> None:
        """Set the whole batch aside, with what waits behind it: nothing may overtake."""
        batch.take_more()
        lane.overflow, lane.until = True, until
        async with lane.parking:
            await self._parking.park(self._group, lane.conversation, batch.records, until=until)
        log.info("parked", conversation_id=lane.conversation, records=len(batch.records), until=until.isoformat())

    async def unpark(self, lane: Lane, batch: LaneBatch) -> None:
        async with lane.parking:
            left = await self._parking.unpark(self._group, lane.conversation, batch.parked)
            lane.overflow = bool(left or lane.spilling)

    async def flush(self, lane: Lane, finish: Callable[[Sequence[Record]], bool]) -> None:
        """Write what spilled; ``finish`` marks it done and is False when the partition is no longer ours."""
        while lane.spilling:
            records = list(lane.spilling)
            try:
                async with lane.parking:
                    until = lane.until or self._clock()
                    await self._parking.park(self._group, lane.conversation, records, until=until)
            except ParleyError as error:
                log.warning("parking_failed", conversation_id=lane.conversation, code=error.code)
                await asyncio.sleep(random.uniform(0.2, 1.0))
                continue
            if not finish(records):
                return
            for _ in records:
                lane.spilling.popleft()

    async def adopt(self, source: TopicPartition) -> dict[str, datetime]:
        """The partition's conversations with parked records; asks until the store answers."""
        while True:
            try:
                waiting = await self._parking.waiting(self._group, [source])
            except ParleyError as error:
                log.warning("parked_unknown", topic=source.topic, partition=source.partition, code=error.code)
                await asyncio.sleep(random.uniform(0.2, 1.0))
                continue
            return {conversation: until for conversation, (_, until) in waiting.items()}
