"""Single histories that a random one meets too seldom."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from infra.bus.lanes import ConsumerLimits, Lanes
from schemas.errors import Parked
from schemas.ports import Batch, Record, TopicPartition
from tests.unit.lanes.lane_member import member, wait_until
from tests.unit.lanes.lane_simulation import TOPIC, Group, LaneSimulation, SimulatedParking, source
from tests.unit.lanes.virtual_time import now, run


def test_a_gate_that_closes_and_opens_between_two_looks_forgets_nobody() -> None:
    """The loop never saw it closed; the lane that did goes on all the same."""

    async def scene() -> None:
        state = {"suspended": False}
        handled: list[int] = []
        handling = asyncio.Event()

        async def handle(batch: Batch) -> None:
            handled.extend(one.offset for one in batch.records)
            if not handling.is_set():
                handling.set()
                one.world.append("k")
                await batch.arrived.wait()
                await asyncio.sleep(0.002)  # the loop waits for more records
                state["suspended"] = True
                asyncio.get_running_loop().call_later(0.0001, state.update, {"suspended": False})

        async with member(handle, suspended=lambda: state["suspended"]) as one:
            one.world.append("k")
            await wait_until(lambda: len(handled) == 2)

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

        async with member(handle, limits=ConsumerLimits(drain=1.0)) as one:
            one.world.append("k")
            await wait_until(lambda: one.lanes.running_count == 1)
            await one.lanes.on_revoked(frozenset([source(0)]))
            assert asyncio.get_running_loop().time() < 10
            one.subscription.positions[0] = 0
            one.subscription.paused.clear()
            one.subscription.readable = False
            await one.lanes.on_assigned(frozenset([source(0)]))
            await ended.wait()
            await wait_until(lambda: one.lanes.running_count == 0)
            assert one.world.committed == {}
            assert one.lanes.held_count == 0

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
            await wait_until(lambda: one.lanes.running_count == 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await one.lanes.on_revoked(frozenset([source(0)]))
            slow["slow"] = False
            one.subscription.positions[0] = 0
            await one.lanes.on_assigned(frozenset([source(0)]))
            await wait_until(lambda: handled == [0])

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
            await wait_until(lambda: one.lanes.running_count == 1)
            await one.lanes.on_assigned(frozenset())
            assert (one.lanes.running_count, one.lanes.held_count) == (0, 0)
            hold.set()
            one.subscription.positions[0] = 0
            await one.lanes.on_assigned(frozenset([source(0)]))
            await wait_until(lambda: handled == [0])

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
    """The task of a lane ends with an exception that is not the handler's failure."""

    async def scene() -> None:
        world = LaneSimulation(random.Random(1), partitions=1)
        group = Group(world)
        lanes = Lanes(group.bus, SimulatedParking(world), clock=now)

        class Defect(BaseException):
            """No failure that lanes handle."""

        async def handle(batch: Batch) -> None:
            raise Defect

        async def give_up(key: str, records: Sequence[Record], error: Exception, attempts: int) -> None: ...

        task = asyncio.create_task(lanes.run([TOPIC], "group", handle, give_up))
        await wait_until(lambda: bool(group.members))
        await group.rebalance()
        world.append("k")
        with pytest.raises(Defect):
            await task

    run(scene())


def test_records_are_handled_while_a_commit_is_pending() -> None:
    """The broker takes its time for the offset of the first; the second does not wait for that. Nor does a second
    commit begin meanwhile, and before the end the last offset is committed."""

    async def scene() -> None:
        answered, commits, handled = asyncio.Event(), 0, list[int]()

        async def handle(batch: Batch) -> None:
            handled.extend(one.offset for one in batch.records)

        async with member(handle, limits=ConsumerLimits(commit_every=0.05, poll=0.02)) as one:
            commit = one.subscription.commit

            async def slowly(offsets: Mapping[TopicPartition, int]) -> None:
                nonlocal commits
                commits += 1
                await answered.wait()
                await commit(offsets)

            one.subscription.commit = slowly  # type: ignore[method-assign]
            one.world.append("k")
            await wait_until(lambda: commits == 1)
            one.world.append("k")
            await wait_until(lambda: handled == [0, 1])
            await asyncio.sleep(1)
            assert commits == 1
            answered.set()
        assert one.world.committed == {0: 2}

    run(scene())


def test_while_thousands_of_records_come_in_the_loop_is_left_to_those_under_way() -> None:
    """Ten at a time, and half a second in between."""

    async def scene() -> None:
        handled = list[float]()

        async def handle(batch: Batch) -> None:
            handled.append(asyncio.get_running_loop().time())

        async with member(handle, limits=ConsumerLimits(poll_records=10, rest=0.5)) as one:
            for number in range(40):
                one.world.append(f"{number}")
            await wait_until(lambda: len(handled) == 40)
        assert handled[-1] - handled[0] >= 3 * 0.5

    run(scene())
