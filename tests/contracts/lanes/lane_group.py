"""Members that run lanes over a real log and a real store, and write down what their handlers see."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from infra.bus.lanes import ConsumerLimits, Lanes
from schemas.envelope import Envelope
from schemas.ports import Batch, Bus, Parking, Record
from tests.contracts.bus.engines import WEB
from tests.contracts.bus.recording_consumer import EVERYTHING, message, wait_until

QUICK = ConsumerLimits(drain=8.0, commit_every=0.05, poll=0.05)
Handler = Callable[[Batch], Awaitable[None]]
Spot = tuple[int, int]


async def at_once(batch: Batch) -> None:
    """The handler that has nothing to do."""


class Member:
    def __init__(self, name: str, lanes: Lanes, handler: Handler) -> None:
        self.name = name
        self.lanes = lanes
        self.started: list[Record] = []
        self.done: list[Record] = []
        self.cancelled: list[Record] = []
        self.given_up: list[Record] = []
        self.most_running = 0
        self.overlaps: list[str] = []
        self._busy: set[str] = set()
        self._handler = handler
        self.task: asyncio.Task[None] | None = None

    async def handle(self, batch: Batch) -> None:
        self._begin(batch)
        try:
            await self._handler(batch)
            self.done += batch.records
        except asyncio.CancelledError:
            self.cancelled += batch.records
            raise
        finally:
            self._busy.discard(batch.conversation)

    def _begin(self, batch: Batch) -> None:
        if batch.conversation in self._busy:
            self.overlaps.append(batch.conversation)
        self._busy.add(batch.conversation)
        self.started += batch.records
        self.most_running = max(self.most_running, self.lanes.running_count)

    async def give_up(self, key: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
        self.given_up += records

    async def stop(self) -> None:
        """Drain, commit, leave."""
        if self.task is not None:
            self.lanes.stop()
            await self.task

    async def kill(self) -> None:
        """End at once, as a process that dies; nothing is drained or committed."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])


class LaneGroup:
    def __init__(self, bus: Bus, parking: Parking) -> None:
        self.bus = bus
        self.parking = parking
        self.passed = timedelta()
        self.suspended = False
        self.members: list[Member] = []

    def now(self) -> datetime:
        return datetime.now(UTC) + self.passed

    def member(
        self,
        handler: Handler = at_once,
        *,
        limits: ConsumerLimits = QUICK,
        group: str = "group",
        can_suspend: bool = False,
        tenant_limit: Callable[[str], int] | None = None,
    ) -> Member:
        suspended = (lambda: self.suspended) if can_suspend else (lambda: False)
        lanes = Lanes(
            self.bus, self.parking, limits=limits, clock=self.now, suspended=suspended, tenant_limit=tenant_limit
        )
        member = Member(str(len(self.members)), lanes, handler)
        member.task = asyncio.create_task(lanes.run([WEB], group, member.handle, member.give_up))
        self.members.append(member)
        return member

    async def append(self, *envelopes: Envelope) -> None:
        await self.bus.append(envelopes)

    async def caught_up(self, group: str = "group", *, left: int = 0) -> None:
        """Everything but ``left`` records is committed."""
        async with asyncio.timeout(30):
            while (await self.bus.lag(group, [WEB]))[WEB] != left:  # noqa: ASYNC110  # the log tells nobody
                await asyncio.sleep(0.02)

    async def shared(self, first: Member, second: Member) -> None:
        """Both have partitions, together all of them, and know what is parked there."""

        def split() -> bool:
            held = [member.lanes.partitions for member in (first, second)]
            return all(held) and sum(map(len, held)) == len(EVERYTHING)

        await wait_until(split, "the two members share the partitions")

    async def close(self) -> None:
        for member in self.members:
            if member.task is not None and not member.task.done():
                await member.kill()


def positions_of(records: Sequence[Record]) -> list[Spot]:
    return [(record.partition, record.offset) for record in records]


def numbers_of(records: Sequence[Record], key: str) -> list[int]:
    return [int(record.value or b"") for record in records if record.key == key]


def make_burst(keys: Sequence[str], each: int) -> list[Envelope]:
    """``each`` messages for every key, interleaved."""
    return [message(key, number) for number in range(each) for key in keys]
