"""One member of a group, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

from infra.bus.lanes import ConsumerLimits, Lanes
from schemas.ports import LaneHandler, Record
from tests.unit.lanes.lane_simulation import TOPIC, Group, LaneSimulation, SimulatedParking, SimulatedSubscription
from tests.unit.lanes.virtual_time import now


class Member:
    """One member that owns the only partition."""

    def __init__(
        self,
        handler: LaneHandler,
        limits: ConsumerLimits,
        suspended: Callable[[], bool],
        low_on_memory: Callable[[], bool],
    ) -> None:
        self.world = LaneSimulation(random.Random(1), partitions=1)
        self.group = Group(self.world)
        self.parking = SimulatedParking(self.world)
        self.lanes = Lanes(
            self.group.bus, self.parking, limits=limits, clock=now, suspended=suspended, low_on_memory=low_on_memory
        )
        self.handler = handler

    @property
    def subscription(self) -> SimulatedSubscription:
        return self.group.members[0]

    async def give_up(self, key: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
        raise AssertionError(f"gave up {key}") from error

    async def settled(self) -> None:
        await wait_until(lambda: self.world.all_done() and self.lanes.held_count == 0)


@asynccontextmanager
async def member(
    handler: LaneHandler,
    *,
    limits: ConsumerLimits | None = None,
    suspended: Callable[[], bool] = lambda: False,
    low_on_memory: Callable[[], bool] = lambda: False,
) -> AsyncIterator[Member]:
    with structlog.testing.capture_logs():
        one = Member(handler, limits or ConsumerLimits(), suspended, low_on_memory)
        task = asyncio.create_task(one.lanes.run([TOPIC], "group", handler, one.give_up))
        await wait_until(lambda: bool(one.group.members))
        await one.group.rebalance()
        try:
            yield one
        finally:
            one.lanes.stop()
            await task


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(600):
        while not condition():  # noqa: ASYNC110  # the time is virtual
            await asyncio.sleep(0.01)
