"""Records for the bus tests, and a consumer that keeps a journal of everything that happens to it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from schemas.envelope import Envelope
from schemas.errors import Fenced
from schemas.ports import Bus, Record, Subscription, TopicPartition
from schemas.topics import CONVERSATION_SNAPSHOT, MESSAGE_RECEIVED
from tests.contracts.bus.engines import PARTITIONS, WEB

PATIENCE_S = 30.0
EVERYTHING = frozenset(TopicPartition(WEB, number) for number in range(PARTITIONS))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

Hook = Callable[[frozenset[TopicPartition]], Awaitable[None]]
Journal = list[tuple[str, str, frozenset[TopicPartition]]]


def message(key: str, number: int, *, data: bytes | None = None, channel: str = "web") -> Envelope:
    return Envelope(
        id=f"{key}/{number}",
        type=MESSAGE_RECEIVED,
        source="tests",
        tenant="plantstore",
        channel=channel,
        conversation=key,
        data=str(number).encode() if data is None else data,
        time=NOON,
    )


def snapshot(key: str, data: bytes | None) -> Envelope:
    return Envelope(
        id=f"snapshot/{key}",
        type=CONVERSATION_SNAPSHOT,
        source="tests",
        tenant="plantstore",
        conversation=key,
        data=data,
        time=NOON,
    )


def by_key(records: Iterable[Record]) -> dict[str, list[int]]:
    """The numbers of ``message``, in the order they came."""
    found: dict[str, list[int]] = defaultdict(list)
    for record in records:
        found[record.key].append(int(record.value or b""))
    return dict(found)


async def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:.0f} s: {what}"
        await asyncio.sleep(0.005)


async def do_nothing(partitions: frozenset[TopicPartition]) -> None:
    """The hook that does nothing."""


class Consumer:
    """A member of a group that polls all the time. ``journal`` may be shared, to see the order of calls."""

    def __init__(self, name: str, journal: Journal) -> None:
        self.name = name
        self.journal = journal
        self.records: list[Record] = []
        self.owned: frozenset[TopicPartition] = frozenset()
        self.joined = asyncio.Event()
        self.when_revoked: Hook = do_nothing
        self.when_assigned: Hook = do_nothing
        self.subscription: Subscription | None = None
        self._pump: asyncio.Task[None] | None = None

    @property
    def sub(self) -> Subscription:
        assert self.subscription is not None
        return self.subscription

    async def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        await self.when_revoked(partitions)
        self.owned -= partitions
        self.journal.append((self.name, "revoked", partitions))

    async def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        self.owned = partitions
        self.journal.append((self.name, "assigned", partitions))
        await self.when_assigned(partitions)
        self.joined.set()

    async def join(self, bus: Bus, group: str, topics: list[str], member: str) -> None:
        self.subscription = await bus.subscribe(topics, group, self, member=member)
        self._pump = asyncio.create_task(self._poll())

    async def leave(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
            await self.sub.close()
            self._pump = None

    def positions(self) -> dict[TopicPartition, int]:
        """What to commit for everything received so far."""
        return {record.source: record.offset + 1 for record in self.records}

    async def commit_what_is_ours(self) -> None:
        await self.sub.commit({name: next_ for name, next_ in self.positions().items() if name in self.owned})

    async def _poll(self) -> None:
        while True:
            try:
                self.records += await self.sub.poll(max_records=50, timeout=0.1)
            except Fenced:
                return


@asynccontextmanager
async def open_consumer(
    bus: Bus,
    group: str,
    *,
    name: str = "a",
    journal: Journal | None = None,
    topics: list[str] | None = None,
    member: str = "",
    when_revoked: Hook = do_nothing,
    when_assigned: Hook = do_nothing,
) -> AsyncIterator[Consumer]:
    """A consumer that has got its first partitions; it leaves at the end, if it has not before."""
    consumer = Consumer(name, [] if journal is None else journal)
    consumer.when_revoked, consumer.when_assigned = when_revoked, when_assigned
    try:
        await consumer.join(bus, group, topics or [WEB], member)
        async with asyncio.timeout(PATIENCE_S):
            await consumer.joined.wait()
        yield consumer
    finally:
        await consumer.leave()
