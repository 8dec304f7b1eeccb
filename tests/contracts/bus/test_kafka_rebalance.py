"""Partitions that change hands: nothing is left out and, between members that leave in peace, nothing repeated."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from infra.bus.kafka import KafkaBus
from schemas.ports import Record, Subscription, TopicPartition
from tests.contracts.bus.kafka_members import (
    GROUP,
    INBOUND,
    PATIENCE,
    Member,
    Watch,
    build_envelope,
    open_bus,
    wait_until,
)

pytestmark = pytest.mark.scaled


@dataclass
class Worker(Watch):
    """Handles each record the moment it is handed out, and commits now and then and when it loses its partitions."""

    handled: list[tuple[TopicPartition, int]] = field(default_factory=list)
    due: dict[TopicPartition, int] = field(default_factory=dict)
    subscription: Subscription | None = None

    async def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        await self.commit()
        await super().on_revoked(partitions)

    async def commit(self) -> None:
        due, self.due = self.due, {}
        if due and self.subscription is not None:
            await self.subscription.commit(due)

    async def work(self, bus: KafkaBus, stop: asyncio.Event) -> None:
        self.subscription = await bus.subscribe([INBOUND], GROUP, self)
        while not stop.is_set():
            for record in await self.subscription.poll(max_records=7, timeout=0.05):
                assert record.source in self.owned, "a record of a partition the listener does not have"
                self.handled.append((record.source, record.offset))
                self.due[record.source] = record.offset + 1
        await self.subscription.close()


async def _progress(handled: list[tuple[TopicPartition, int]]) -> None:
    goal = len(handled) + 40
    await wait_until(lambda: len(handled) >= goal, "the group gets on")


async def test_members_that_come_and_go_hand_over_without_a_gap_or_a_repeat(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    async with open_bus(kafka_bootstrap, topic_prefix, partitions=6) as bus:
        handled: list[tuple[TopicPartition, int]] = []
        written: set[tuple[TopicPartition, int]] = set()
        done = asyncio.Event()

        async def write() -> None:
            number = 0
            while not done.is_set():
                positions = await bus.append([build_envelope(f"c{number + one}") for one in range(5)])
                written.update((TopicPartition(p.topic, p.partition), p.offset) for p in positions)
                number += 5
                await asyncio.sleep(0.005)

        writing = asyncio.create_task(write())
        stops = [asyncio.Event() for _ in range(8)]
        workers = [asyncio.create_task(Worker(handled=handled).work(bus, stop)) for stop in stops[:2]]
        for number in range(2, 8):
            await _progress(handled)
            workers.append(asyncio.create_task(Worker(handled=handled).work(bus, stops[number])))
            await _progress(handled)
            stops[number - 2].set()
        done.set()
        await writing
        await wait_until(lambda: len(set(handled)) == len(written), "everything is handled")
        for stop in stops:
            stop.set()
        await asyncio.gather(*workers)
        assert await bus.lag(GROUP, [INBOUND]) == {INBOUND: 0}
    assert set(handled) == written
    assert len(handled) == len(written), "nothing twice"


async def test_records_fetched_before_a_rebalance_are_not_handed_out_twice(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    async with open_bus(kafka_bootstrap, topic_prefix) as bus:
        watch = Watch()
        subscription = await bus.subscribe([INBOUND], GROUP, watch)
        await wait_until(lambda: len(watch.owned) == 3, "the only member owns everything")
        with pytest.raises(TimeoutError):  # the poll ends, its fetch goes on and nobody takes the result
            await asyncio.wait_for(subscription.poll(max_records=100, timeout=PATIENCE), 0.2)
        await bus.append([build_envelope("c", id=str(number)) for number in range(10)])
        await wait_until(
            lambda: "kafka poll" not in {task.get_name() for task in asyncio.all_tasks()}, "it has records"
        )
        async with Member(bus).running() as other:
            await wait_until(lambda: other.watch.owned, "another member joins")
        await wait_until(lambda: watch.assignments >= 3 and len(watch.owned) == 3, "and leaves")
        records: list[Record] = []
        deadline = time.monotonic() + PATIENCE
        while not records or records[-1].headers["ce_id"] != "9":
            assert time.monotonic() < deadline
            records += await subscription.poll(max_records=100, timeout=0.1)
        assert [record.headers["ce_id"] for record in records] == [str(number) for number in range(10)]
        await subscription.close()
