"""What only the Kafka engine can get wrong in groups and in reading: static and stalled members, markers in the log."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from aiokafka import AIOKafkaProducer

from infra.bus.kafka import KafkaBus, KafkaProfile
from infra.deploy.local_kafka import LocalKafka
from schemas.errors import BusUnavailable, Fenced
from schemas.ports import Record, Subscription, TopicPartition
from tests.contracts.bus.kafka_members import (
    GROUP,
    INBOUND,
    PATIENCE,
    PROFILE,
    Member,
    Watch,
    appended,
    event,
    open_bus,
    read_all,
    until,
)

pytestmark = pytest.mark.scaled


async def test_a_commit_during_an_outage_fails_in_time(stoppable_kafka: LocalKafka, topic_prefix: str) -> None:
    async with open_bus(stoppable_kafka.bootstrap, topic_prefix) as bus, Member(bus).running() as member:
        await bus.append([event("c")])
        await until(lambda: member.records, "the record is read")
        await asyncio.to_thread(stoppable_kafka.stop)
        began = time.monotonic()
        with pytest.raises(BusUnavailable):
            await member.subscription.commit(member.next_offsets())
        assert time.monotonic() - began < PROFILE.commit_deadline + 0.5
        began = time.monotonic()
        await member.subscription.poll(max_records=1, timeout=0.1)
        assert time.monotonic() - began < 1.0, "a poll keeps its time after an abandoned commit"


async def test_a_consumer_goes_on_after_its_broker_was_killed(stoppable_kafka: LocalKafka, topic_prefix: str) -> None:
    async with open_bus(stoppable_kafka.bootstrap, topic_prefix) as bus, Member(bus).running() as member:
        follower = await bus.follow(INBOUND)
        followed: list[Record] = []
        following = asyncio.create_task(_drain(follower.records(), followed))
        await bus.append([event("c", id="before")])
        await until(lambda: "before" in member.ids(), "the record before is read")
        await member.subscription.commit(member.next_offsets())
        await asyncio.to_thread(stoppable_kafka.kill)
        await asyncio.to_thread(stoppable_kafka.start)
        await appended(bus, event("c", id="after"))
        await until(lambda: "after" in member.ids(), "the record after is read")
        await until(lambda: followed and followed[-1].headers["ce_id"] == "after", "the follower sees it too")
        deadline = time.monotonic() + PATIENCE
        while await bus.lag(GROUP, [INBOUND]) != {INBOUND: 0}:
            assert time.monotonic() < deadline, "commits work again"
            try:
                await member.subscription.commit(member.next_offsets())
            except (BusUnavailable, Fenced):
                await asyncio.sleep(0.1)
        await follower.close()
        await following


async def test_a_static_member_restarts_without_disturbing_the_others(kafka_bootstrap: str, topic_prefix: str) -> None:
    async with (
        open_bus(kafka_bootstrap, topic_prefix) as bus,
        open_bus(kafka_bootstrap, topic_prefix) as another,
        Member(bus, "worker-0").running() as stays,
    ):
        async with Member(another, "worker-1").running() as leaves:
            await until(lambda: len(stays.watch.owned) + len(leaves.watch.owned) == 3, "both own their share")
            await until(lambda: leaves.watch.owned, "the second one too")
            before = leaves.watch.owned
        told = (stays.watch.revocations, stays.watch.assignments)
        began = time.monotonic()
        async with Member(another, "worker-1").running() as back:
            await until(lambda: back.watch.owned == before, "it has the same partitions again", 3.0)
            assert time.monotonic() - began < PROFILE.session_timeout_ms / 2000
            assert (stays.watch.revocations, stays.watch.assignments) == told


async def test_a_dynamic_member_that_closes_leaves_at_once(kafka_bootstrap: str, topic_prefix: str) -> None:
    async with open_bus(kafka_bootstrap, topic_prefix) as bus, Member(bus).running() as stays:
        async with Member(bus).running() as leaves:
            await until(lambda: stays.watch.owned and leaves.watch.owned, "both own their share")
        await until(lambda: len(stays.watch.owned) == 3, "the other one takes over", 4.0)


class Elsewhere(threading.Thread):
    """A member in another thread's event loop: it goes on while this thread stands still."""

    def __init__(self, bootstrap: str, prefix: str, profile: KafkaProfile) -> None:
        super().__init__(daemon=True)
        self._settings = (bootstrap, prefix, profile)
        self.owns_all = threading.Event()
        self.done = threading.Event()

    def run(self) -> None:
        asyncio.run(self._consume())

    async def _consume(self) -> None:
        async with open_bus(*self._settings) as bus, Member(bus).running() as member:
            while not self.done.is_set():
                if len(member.watch.owned) == 3:
                    self.owns_all.set()
                await asyncio.sleep(0.02)


@dataclass
class Stubborn(Watch):
    """Tries to commit while it is losing its partitions, as a draining worker does."""

    subscription: Subscription | None = None
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    refusals: int = 0

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        assert self.subscription is not None
        try:
            await self.subscription.commit(self.offsets)
        except Fenced:
            self.refusals += 1
        await super().revoked(partitions)


async def test_a_member_that_stood_still_is_fenced(kafka_bootstrap: str, topic_prefix: str) -> None:
    """Its whole process froze for longer than its session. Meanwhile another member came, took over and went again,
    and the broker takes commits for an empty group from anybody."""
    profile = replace(PROFILE, session_timeout_ms=1_500, rebalance_timeout_ms=2_000)
    other = Elsewhere(kafka_bootstrap, topic_prefix, profile)
    async with open_bus(kafka_bootstrap, topic_prefix, profile) as bus:
        watch = Stubborn()
        watch.subscription = subscription = await bus.subscribe([INBOUND], GROUP, watch)
        await until(lambda: len(watch.owned) == 3, "the first member owns everything")
        await bus.append([event("c")])
        records: list[Record] = []
        await asyncio.wait_for(_until_read(subscription, records), PATIENCE)
        watch.offsets = {records[0].source: records[0].offset + 1}
        other.start()
        # Blocks this loop on purpose: no heartbeat and no poll until the group has given everything away.
        taken_over = other.owns_all.wait(PATIENCE)
        other.done.set()
        other.join(PATIENCE)
        assert taken_over, "the other member took over"
        with pytest.raises(Fenced):
            await subscription.commit(watch.offsets)
        await until(lambda: watch.revocations, "it is told")
        assert watch.refusals == 1
        assert await bus.lag(GROUP, [INBOUND]) == {INBOUND: 1}, "nothing was committed"
        await subscription.close()


async def test_records_are_not_handed_out_before_the_listener_has_answered(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    answer = asyncio.Event()

    class Slow(Watch):
        async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
            await super().assigned(partitions)
            await answer.wait()

    async with open_bus(kafka_bootstrap, topic_prefix) as bus:
        await bus.append([event("c")])
        watch = Slow()
        subscription = await bus.subscribe([INBOUND], GROUP, watch)
        await until(lambda: watch.assignments, "partitions are assigned")
        for _ in range(5):
            assert await subscription.poll(max_records=10, timeout=0.1) == []
        answer.set()
        records: list[Record] = []
        await asyncio.wait_for(_until_read(subscription, records), PATIENCE)
        assert len(records) == 1
        await subscription.close()


async def _until_read(subscription: Subscription, records: list[Record]) -> None:
    while not records:
        records += await subscription.poll(max_records=10, timeout=0.1)


@dataclass
class Worker(Watch):
    """Handles each record the moment it is handed out, and commits now and then and when it loses its partitions."""

    handled: list[tuple[TopicPartition, int]] = field(default_factory=list)
    due: dict[TopicPartition, int] = field(default_factory=dict)
    subscription: Subscription | None = None

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        await self.commit()
        await super().revoked(partitions)

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
    await until(lambda: len(handled) >= goal, "the group gets on")


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
                positions = await bus.append([event(f"c{number + one}") for one in range(5)])
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
        await until(lambda: len(set(handled)) == len(written), "everything is handled")
        for stop in stops:
            stop.set()
        await asyncio.gather(*workers)
        assert await bus.lag(GROUP, [INBOUND]) == {INBOUND: 0}
    assert set(handled) == written
    assert len(handled) == len(written), "nothing twice"


async def test_a_read_ends_where_the_last_offset_holds_no_record(kafka_bootstrap: str, topic_prefix: str) -> None:
    """A transaction's marker takes an offset and is never handed out, so counting records would wait for ever."""
    async with open_bus(kafka_bootstrap, topic_prefix, partitions=1) as bus:
        producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=topic_prefix + "marker")
        await producer.start()
        async with producer.transaction():
            await producer.send_and_wait(topic_prefix + INBOUND, b"value", key=b"key")
        await producer.stop()
        records = await asyncio.wait_for(read_all(bus), 5.0)
        assert [record.value for record in records] == [b"value"]
        follower = await bus.follow(INBOUND)
        following = asyncio.create_task(_drain(follower.records(), []))
        await asyncio.wait_for(follower.caught_up.wait(), 5.0)
        await follower.close()
        await following


async def _drain(records: AsyncIterator[Record], into: list[Record]) -> None:
    async for record in records:
        into.append(record)  # noqa: PERF401  one by one, so that others see each as it comes
