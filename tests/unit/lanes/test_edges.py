"""Single histories that a random one meets too seldom."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import structlog

from infra.bus.lanes import Bounds, Lanes
from schemas.errors import Parked
from schemas.ports import Batch, LaneHandler, Record
from tests.unit.lanes.virtual import now, run
from tests.unit.lanes.world import TOPIC, Group, World, WorldParking, WorldSubscription, source


class Member:
    """One member that owns the only partition."""

    def __init__(self, handler: LaneHandler, bounds: Bounds, closed: Callable[[], bool]) -> None:
        self.world = World(random.Random(1), partitions=1)
        self.group = Group(self.world)
        self.parking = WorldParking(self.world)
        self.lanes = Lanes(self.group.bus, self.parking, bounds=bounds, clock=now, closed=closed)
        self.handler = handler

    @property
    def subscription(self) -> WorldSubscription:
        return self.group.members[0]

    async def give_up(self, key: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
        raise AssertionError(f"gave up {key}") from error

    async def settled(self) -> None:
        await until(lambda: self.world.all_done() and self.lanes.held == 0)


@asynccontextmanager
async def member(
    handler: LaneHandler, *, bounds: Bounds | None = None, closed: Callable[[], bool] = lambda: False
) -> AsyncIterator[Member]:
    with structlog.testing.capture_logs():
        one = Member(handler, bounds or Bounds(), closed)
        task = asyncio.create_task(one.lanes.run([TOPIC], "group", handler, one.give_up))
        await until(lambda: bool(one.group.members))
        await one.group.rebalance()
        try:
            yield one
        finally:
            one.lanes.stop()
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(600):
        while not condition():  # noqa: ASYNC110  # the time is virtual
            await asyncio.sleep(0.01)


def test_a_gate_that_closes_and_opens_between_two_looks_forgets_nobody() -> None:
    """The loop never saw it closed; the lane that did goes on all the same."""

    async def scene() -> None:
        gate = {"shut": False}
        handled: list[int] = []
        handling = asyncio.Event()

        async def handle(batch: Batch) -> None:
            handled.extend(one.offset for one in batch.records)
            if not handling.is_set():
                handling.set()
                await asyncio.sleep(0.002)
                one.world.append("k")
                subscription = one.subscription
                lanes = one.lanes._dispatch
                assert lanes is not None
                (record,) = subscription._next(1)
                lanes.take(one.lanes._assignments[source(0)], record)
                gate["shut"] = True
                asyncio.get_running_loop().call_later(0.0001, gate.update, {"shut": False})

        async with member(handle, closed=lambda: gate["shut"]) as one:
            one.world.append("k")
            await until(lambda: len(handled) == 2)

    run(scene())


def test_a_handler_that_never_ends_holds_up_nobody() -> None:
    """Its record is set aside, so that the offset moves on, however much comes after it; ended at last, it is done."""

    async def scene() -> None:
        stuck = asyncio.Event()
        count = {"handled": 0}

        async def handle(batch: Batch) -> None:
            if batch.conversation == "stuck":
                await stuck.wait()
            one.world.seen |= {(r.partition, r.offset) for r in batch.records}
            count["handled"] += len(batch.records)

        async with member(handle, bounds=Bounds(span=100, polled=20, commit_every=0.05, poll=0.02)) as one:
            one.world.append("stuck")
            for number in range(1000):
                one.world.append(f"other-{number % 50}")
            await until(lambda: count["handled"] == 1000 and one.world.committed.get(0) == 1001)
            assert not one.world.violations
            assert [*one.world.parked["stuck"]] == [0]
            stuck.set()
            await one.settled()
            assert count["handled"] == 1001

    run(scene())


def test_a_conversation_with_an_endless_backlog_gives_its_slot_up_to_others() -> None:
    """There is one slot, and whenever the hot one's batch ends, more waits for it."""

    async def scene() -> None:
        handled: list[str] = []

        async def handle(batch: Batch) -> None:
            if batch.conversation == "hot" and "cool" not in handled:
                one.world.append("hot")
                await batch.arrived.wait()
            handled.append(batch.conversation)

        async with member(handle, bounds=Bounds(running=1, commit_every=0.05)) as one:
            one.world.append("hot")
            await until(lambda: one.lanes.running == 1)
            one.world.append("cool")
            await until(lambda: "cool" in handled)
            assert handled.count("hot") <= 3

    run(scene())


async def _stuck(batch: Batch) -> None:
    await asyncio.Event().wait()


def test_a_tenant_that_floods_with_many_conversations_is_set_aside() -> None:
    """It has more conversations than may run and be held; the rest waits in the store, and others find room."""

    async def scene() -> None:
        handled: list[str] = []

        async def handle(batch: Batch) -> None:
            if batch.records[0].headers["ce_tenant"] == "a":
                await _stuck(batch)
            handled.append(batch.conversation)

        bounds = Bounds(held=100, held_per_tenant=20, running=10, running_per_tenant=5, drain=1.0, commit_every=0.05)
        async with member(handle, bounds=bounds) as one:
            for number in range(500):
                one.world.append(f"a{number}", tenant="a")
            for number in range(5):
                one.world.append(f"b{number}", tenant="b")
            await until(lambda: len(handled) == 5)
            await until(lambda: sum(map(bool, one.world.parked.values())) == 480)
            assert one.lanes.held == 20

    run(scene())


def test_no_more_is_taken_in_than_may_be_held() -> None:
    """All handlers are stuck: reading stops at the bound and not one record later."""

    async def scene() -> None:
        async with member(_stuck, bounds=Bounds(held=30, running=3, drain=1.0)) as one:
            for number in range(200):
                one.world.append(f"k{number}")
            await until(lambda: one.lanes.held >= 30)
            await asyncio.sleep(10)
            assert one.lanes.held == 30
            assert one.subscription.positions[0] == 30

    run(scene())


def test_no_more_is_read_past_an_unfinished_record_than_the_span_allows() -> None:
    """The store is away, so that the stuck conversation cannot be set aside."""

    async def scene() -> None:
        async def handle(batch: Batch) -> None:
            if batch.conversation == "stuck":
                await _stuck(batch)

        async with member(handle, bounds=Bounds(span=100, polled=10, drain=1.0, commit_every=0.05)) as one:
            one.parking.dead = True
            one.world.append("stuck")
            for number in range(500):
                one.world.append(f"k{number}")
            await until(lambda: one.subscription.positions[0] >= 100)
            await asyncio.sleep(10)
            assert one.subscription.positions[0] <= 110

    run(scene())


def test_a_handler_deaf_to_cancellation_does_not_block_the_group() -> None:
    """The partition goes on its way, and what the deaf one finishes later changes nothing."""

    async def scene() -> None:
        ended = asyncio.Event()

        async def handle(batch: Batch) -> None:
            end = asyncio.get_running_loop().time() + 60
            while (left := end - asyncio.get_running_loop().time()) > 0:
                try:
                    await asyncio.sleep(left)
                except asyncio.CancelledError:
                    continue
            ended.set()

        async with member(handle, bounds=Bounds(drain=1.0)) as one:
            one.world.append("k")
            await until(lambda: one.lanes.running == 1)
            await one.lanes.revoked(frozenset([source(0)]))
            assert asyncio.get_running_loop().time() < 10
            one.subscription.positions[0] = 0
            one.subscription.paused.clear()
            one.subscription.readable = False
            await one.lanes.assigned(frozenset([source(0)]))
            await ended.wait()
            await until(lambda: one.lanes.running == 0)
            assert one.world.committed == {}
            assert one.lanes.held == 0

    run(scene())


def test_a_partition_comes_back_alive_after_a_revocation_that_was_cut_short() -> None:
    """A group that lost patience with the draining may give the partition to the same member again."""

    async def scene() -> None:
        slow = {"slow": True}
        handled: list[int] = []

        async def handle(batch: Batch) -> None:
            if slow["slow"]:
                await asyncio.sleep(1000)
            handled.extend(one.offset for one in batch.records)

        async with member(handle) as one:
            one.world.append("k")
            await until(lambda: one.lanes.running == 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await one.lanes.revoked(frozenset([source(0)]))
            slow["slow"] = False
            one.subscription.positions[0] = 0
            await one.lanes.assigned(frozenset([source(0)]))
            await until(lambda: handled == [0])

    run(scene())


def test_a_partition_lost_without_a_word_comes_back_alive() -> None:
    """``assigned`` names all that is ours: what it leaves out is gone, and is read again when it returns."""

    async def scene() -> None:
        handled: list[int] = []
        hold = asyncio.Event()

        async def handle(batch: Batch) -> None:
            await hold.wait()
            handled.extend(one.offset for one in batch.records)

        async with member(handle) as one:
            one.world.append("k")
            await until(lambda: one.lanes.running == 1)
            await one.lanes.assigned(frozenset())
            assert (one.lanes.running, one.lanes.held) == (0, 0)
            hold.set()
            one.subscription.positions[0] = 0
            await one.lanes.assigned(frozenset([source(0)]))
            await until(lambda: handled == [0])

    run(scene())


def test_waking_a_conversation_while_it_asks_to_be_parked_is_not_forgotten() -> None:
    """What it waits for came between its asking and its being parked."""

    async def scene() -> None:
        tries: list[float] = []

        async def handle(batch: Batch) -> None:
            tries.append(asyncio.get_running_loop().time())
            if len(tries) == 1:
                one.lanes.wake("k")
                raise Parked("revoked", until=now() + timedelta(hours=1))
            one.world.handled(batch.records)

        async with member(handle) as one:
            one.world.append("k")
            await one.settled()
            assert tries[1] < 5

    run(scene())


def test_a_defect_ends_the_run_instead_of_leaving_a_lane_dead() -> None:
    """Here: a tenant limit that raises, inside a lane's task."""

    async def scene() -> None:
        world = World(random.Random(1), partitions=1)
        group = Group(world)
        lanes = Lanes(group.bus, WorldParking(world), clock=now)

        async def handle(batch: Batch) -> None: ...
        async def give_up(key: str, records: Sequence[Record], error: Exception, attempts: int) -> None: ...

        task = asyncio.create_task(lanes.run([TOPIC], "group", handle, give_up))
        await until(lambda: bool(group.members))
        await group.rebalance()
        assert lanes._dispatch is not None

        async def broken() -> None:
            raise KeyError("a defect")

        lanes._dispatch.spawn(broken())
        with pytest.raises(KeyError):
            await task

    run(scene())


def test_a_hundred_thousand_parked_conversations_cost_no_timers_and_little_memory() -> None:
    """They wait in one list, and are forgotten with the partition."""

    async def scene() -> None:
        async def handle(batch: Batch) -> None: ...

        async with member(handle) as one:
            dispatch, assignment = one.lanes._dispatch, one.lanes._assignments[source(0)]
            assert dispatch is not None
            before = len(asyncio.all_tasks())
            for number in range(100_000):
                dispatch.adopt(assignment, f"k{number}", now() + timedelta(hours=1))
            assert len(asyncio.all_tasks()) == before
            await one.lanes.revoked(frozenset([source(0)]))
            assert dispatch._agenda == []

    run(scene())
