"""A Kafka log with a short temper, and members of its groups that note what happens to them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher

from infra.bus.kafka import KafkaBus, KafkaProfile
from schemas import topics
from schemas.envelope import Envelope
from schemas.errors import BusUnavailable
from schemas.ports import Record, Subscription, TopicPartition
from schemas.topics import TopicSpec

PATIENCE = 30.0
INBOUND = topics.inbound("web")
GROUP = topics.worker_group("web")
SLACK = 15.0
"""Seconds by which a loaded machine may be late; far less than what the client would wait by itself."""
PROFILE = KafkaProfile(
    session_timeout_ms=6_000,
    heartbeat_ms=200,
    rebalance_timeout_ms=10_000,
    metadata_max_age_ms=500,
    retry_backoff_ms=50,
    fetch_max_wait_ms=50,
    request_timeout_ms=40_000,
    append_deadline=1.0,
    commit_deadline=1.0,
    admin_deadline=3.0,
    ready_deadline=1.0,
    close_deadline=2.0,
    start_deadline=2.0,
)


def build_envelope(conversation: str, *, data: bytes = b"{}", id: str = "") -> Envelope:
    return Envelope(
        id=id or str(uuid.uuid4()),
        type=topics.MESSAGE_RECEIVED,
        source="/test",
        tenant="acme",
        data=data,
        time=datetime(2026, 1, 1, tzinfo=UTC),
        channel="web",
        conversation=conversation,
    )


def make_numbered(conversation: str, number: int) -> Envelope:
    return build_envelope(conversation, id=f"{conversation}/{number}")


@asynccontextmanager
async def open_bus(
    bootstrap: str, prefix: str, profile: KafkaProfile = PROFILE, *, partitions: int = 3
) -> AsyncIterator[KafkaBus]:
    bus = KafkaBus(bootstrap, prefix=prefix, profile=profile)
    await bus.start()
    try:
        await bus.create_topics([TopicSpec(INBOUND, partitions, topics.DAY_MS)])
        yield bus
    finally:
        await bus.close()


async def wait_until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not in {patience:.0f} s: {what}")
        await asyncio.sleep(0.02)


async def append_until_confirmed(bus: KafkaBus, envelope: Envelope) -> None:
    """Append as the edge's callers do: again and again, until it is confirmed."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            await bus.append([envelope])
            return
        except BusUnavailable:
            assert time.monotonic() < deadline, "appending did not heal"
            await asyncio.sleep(0.1)


async def read_all(bus: KafkaBus) -> list[Record]:
    return [record async for record in await bus.read(INBOUND)]


async def collect_records(records: AsyncIterator[Record], into: list[Record]) -> None:
    async for record in records:
        into.append(record)  # noqa: PERF401  one by one, so that others see each as it comes


@dataclass
class Watch:
    """A listener that notes what it is told."""

    owned: frozenset[TopicPartition] = frozenset()
    revocations: int = 0
    assignments: int = 0

    async def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        self.owned -= partitions
        self.revocations += 1

    async def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        self.owned = partitions
        self.assignments += 1


@dataclass
class Member:
    """A group member that polls all the time, and keeps what it reads."""

    bus: KafkaBus
    name: str = ""
    watch: Watch = field(default_factory=Watch)
    records: list[Record] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Member]:
        self.subscription: Subscription = await self.bus.subscribe([INBOUND], GROUP, self.watch, member=self.name)
        stop = asyncio.Event()
        polling = asyncio.create_task(self._poll(stop))
        try:
            yield self
        finally:
            stop.set()
            await polling
            await self.subscription.close()

    async def _poll(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                self.records += await self.subscription.poll(max_records=100, timeout=0.1)
            except BusUnavailable:
                await asyncio.sleep(0.1)

    def ids(self) -> set[str]:
        return {record.headers["ce_id"] for record in self.records}

    def next_offsets(self) -> dict[TopicPartition, int]:
        ends: dict[TopicPartition, int] = {}
        for record in self.records:
            ends[record.source] = max(record.offset + 1, ends.get(record.source, 0))
        return ends


def break_fetcher(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Returns a function that kills the task in which a client fetches. Only one client may be reading."""
    plan_fetches, defects = Fetcher._get_actions_per_node, list[Exception]()

    def plan_or_die(self: Fetcher, *given: Any) -> Any:
        if defects:
            raise defects.pop()
        return plan_fetches(self, *given)

    monkeypatch.setattr(Fetcher, "_get_actions_per_node", plan_or_die)
    return lambda: defects.append(RuntimeError("a defect of the client"))
