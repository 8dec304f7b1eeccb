"""Consumer groups on Kafka alone: outages, static and stalled members, a client that breaks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator

from infra.bus.kafka import KafkaProfile
from schemas.errors import Fenced
from schemas.ports import Record, Subscription, TopicPartition
from tests.contracts.bus.kafka_members import (
    GROUP,
    INBOUND,
    PATIENCE,
    PROFILE,
    Member,
    Watch,
    break_fetcher,
    build_envelope,
    open_bus,
    wait_until,
)

pytestmark = pytest.mark.scaled


async def test_a_static_member_restarts_without_disturbing_the_others(kafka_bootstrap: str, topic_prefix: str) -> None:
    async with (
        open_bus(kafka_bootstrap, topic_prefix) as bus,
        open_bus(kafka_bootstrap, topic_prefix) as another,
        Member(bus, "worker-0").running() as stays,
    ):
        async with Member(another, "worker-1").running() as leaves:
            await wait_until(lambda: len(stays.watch.owned) + len(leaves.watch.owned) == 3, "both own their share")
            await wait_until(lambda: leaves.watch.owned, "the second one too")
            before = leaves.watch.owned
        told = (stays.watch.revocations, stays.watch.assignments)
        async with Member(another, "worker-1").running() as back:
            await wait_until(lambda: back.watch.owned == before, "it has the same partitions again")
            assert (stays.watch.revocations, stays.watch.assignments) == told


async def test_a_dynamic_member_that_closes_leaves_at_once(kafka_bootstrap: str, topic_prefix: str) -> None:
    """Long before its session would have ended."""
    profile = replace(PROFILE, session_timeout_ms=120_000)
    async with open_bus(kafka_bootstrap, topic_prefix, profile) as bus, Member(bus).running() as stays:
        async with Member(bus).running() as leaves:
            await wait_until(lambda: stays.watch.owned and leaves.watch.owned, "both own their share")
        await wait_until(lambda: len(stays.watch.owned) == 3, "the other one takes over")


class ThreadMember(threading.Thread):
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
class LateCommitter(Watch):
    """Tries to commit while it is losing its partitions, as a draining worker does."""

    subscription: Subscription | None = None
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    refusals: int = 0

    async def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        assert self.subscription is not None
        try:
            await self.subscription.commit(self.offsets)
        except Fenced:
            self.refusals += 1
        await super().on_revoked(partitions)


async def test_a_member_that_stood_still_is_fenced(kafka_bootstrap: str, topic_prefix: str) -> None:
    """Its whole process froze for longer than its session. Meanwhile another member came, took over and went again,
    and the broker takes commits for an empty group from anybody."""
    profile = replace(PROFILE, session_timeout_ms=1_500, rebalance_timeout_ms=2_000)
    other = ThreadMember(kafka_bootstrap, topic_prefix, profile)
    async with open_bus(kafka_bootstrap, topic_prefix, profile) as bus:
        watch = LateCommitter()
        watch.subscription = subscription = await bus.subscribe([INBOUND], GROUP, watch)
        await wait_until(lambda: len(watch.owned) == 3, "the first member owns everything")
        await bus.append([build_envelope("c")])
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
        await wait_until(lambda: watch.revocations, "it is told")
        assert watch.refusals == 1
        assert await bus.lag(GROUP, [INBOUND]) == {INBOUND: 1}, "nothing was committed"
        await subscription.close()


async def test_records_are_not_handed_out_before_the_listener_has_answered(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    answer = asyncio.Event()

    class Slow(Watch):
        async def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
            await super().on_assigned(partitions)
            await answer.wait()

    async with open_bus(kafka_bootstrap, topic_prefix) as bus:
        await bus.append([build_envelope("c")])
        watch = Slow()
        subscription = await bus.subscribe([INBOUND], GROUP, watch)
        await wait_until(lambda: watch.assignments, "partitions are assigned")
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


@pytest.mark.parametrize("part", ["coordinator", "fetcher"])
async def test_a_member_outlives_the_death_of_its_clients_own_tasks(
    kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """The client reports a dead coordinator with every poll, and a dead fetcher never."""
    defect = break_coordinator(monkeypatch) if part == "coordinator" else break_fetcher(monkeypatch)
    async with open_bus(kafka_bootstrap, topic_prefix) as bus, Member(bus).running() as member:
        await wait_until(lambda: member.watch.owned, "partitions are assigned")
        defect()
        await bus.append([build_envelope("c")])
        await wait_until(lambda: member.watch.assignments == 2, "it has joined anew")
        await bus.append([build_envelope("c", id="after")])
        await wait_until(lambda: "after" in member.ids(), "and reads")
        assert member.watch.revocations == 1, "its listener was told that the first assignment had gone"
        await member.subscription.commit(member.next_offsets())


def break_coordinator(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Returns a function that kills the coordinator of the client that has joined last."""
    join, joined, broken = GroupCoordinator.ensure_active_group, list[GroupCoordinator](), list[GroupCoordinator]()

    async def join_or_die(self: GroupCoordinator, *given: Any, **more: Any) -> Any:
        if self in broken:
            raise RuntimeError("a defect of the client")
        joined.append(self)
        return await join(self, *given, **more)

    def defect() -> None:
        broken.append(joined[-1])
        joined[-1].request_rejoin()

    monkeypatch.setattr(GroupCoordinator, "ensure_active_group", join_or_die)
    return defect
