"""Limits on what lanes hold, read and run at once; nobody waits behind a stuck handler."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from datetime import timedelta

import pytest

from infra.bus.lane import Lane
from infra.bus.lanes import PRESSED, ConsumerLimits
from schemas.ports import Batch, Record
from tests.harness.sizes import size
from tests.unit.lanes.lane_member import member, wait_until
from tests.unit.lanes.lane_simulation import TOPIC, source
from tests.unit.lanes.virtual_time import now, run

PARKED = size(10_000, full=100_000)


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

        async with member(
            handle, limits=ConsumerLimits(span=100, poll_records=20, commit_every=0.05, poll=0.02)
        ) as one:
            one.world.append("stuck")
            for number in range(1000):
                one.world.append(f"other-{number % 50}")
            await wait_until(lambda: count["handled"] == 1000 and one.world.committed.get(0) == 1001)
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
            if batch.conversation == "hot" and "cool" not in handled and len(handled) < 20:
                await asyncio.sleep(0.005)
                one.world.append("hot")
                await batch.arrived.wait()
            handled.append(batch.conversation)

        async with member(handle, limits=ConsumerLimits(running=1, commit_every=0.05)) as one:
            one.world.append("hot")
            await wait_until(lambda: one.lanes.running_count == 1)
            one.world.append("cool")
            await wait_until(lambda: "cool" in handled)
            assert handled.count("hot") <= 3

    run(scene())


def test_a_process_with_too_much_to_do_leaves_most_on_the_log() -> None:
    """It holds a twentieth of what it may, and goes on with that; then it takes the rest."""

    async def scene() -> None:
        pressed, handled, most = True, 0, 0

        async def handle(batch: Batch) -> None:
            nonlocal handled, most
            most = max(most, one.lanes.held_count)
            await asyncio.sleep(1.0)
            one.world.seen |= {(r.partition, r.offset) for r in batch.records}
            handled += len(batch.records)

        limits = ConsumerLimits(held=400, poll_records=5, poll=0.02)
        async with member(handle, limits=limits, low_on_memory=lambda: pressed) as one:
            for number in range(1000):
                one.world.append(f"one-{number}")
            await wait_until(lambda: handled > 100)
            assert most <= 400 // PRESSED + 5
            pressed = False
            await one.settled()
            assert handled == 1000
            assert most > 400 // PRESSED + 5

    run(scene())


async def _stuck(batch: Batch) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("limit", [{"held_per_tenant": 20}, {"bytes_per_tenant": 20 * 11}])
def test_a_tenant_that_floods_with_many_conversations_is_set_aside(limit: dict[str, int]) -> None:
    """It has more conversations than may run and be held; the rest waits in the store, and others find room."""

    async def scene() -> None:
        handled: list[str] = []

        async def handle(batch: Batch) -> None:
            if batch.records[0].headers["ce_tenant"] == "a":
                await _stuck(batch)
            handled.append(batch.conversation)

        some = ConsumerLimits(held=100, running=10, running_per_tenant=5, drain=1.0, commit_every=0.05)
        limits = replace(some, **limit)
        async with member(handle, limits=limits) as one:
            for number in range(500):
                one.world.append(f"a{number}", tenant="a")
            for number in range(5):
                one.world.append(f"b{number}", tenant="b")
            await wait_until(lambda: len(handled) == 5)
            await wait_until(lambda: sum(map(bool, one.world.parked.values())) == 480)
            assert one.lanes.held_count == 20

    run(scene())


def test_records_brought_back_from_the_store_are_bounded_too() -> None:
    """Forty conversations wait there with thirty records each: what they bring back at once stays within the bound, but
    for the few that each may have in any case."""

    async def scene() -> None:
        first, second = asyncio.Event(), asyncio.Event()
        sizes: list[int] = []

        async def handle(batch: Batch) -> None:
            if not first.is_set():
                await first.wait()
                return
            sizes.append(len(batch.records))
            await second.wait()
            one.world.handled(batch.records)

        limits = ConsumerLimits(held=200, held_per_tenant=100, held_per_lane=10, min_page=2, commit_every=0.05)
        async with member(handle, limits=limits) as one:
            for number in range(30 * 40):
                one.world.append(f"k{number % 40}")
            await wait_until(lambda: sum(map(len, one.world.parked.values())) >= 30 * 40)
            first.set()
            await wait_until(lambda: len(sizes) == 40)
            assert min(sizes) == 2
            assert one.lanes.held_count <= limits.held_per_tenant + 40 * limits.min_page
            second.set()

    run(scene())


def test_no_more_is_taken_in_than_may_be_held() -> None:
    """All handlers are stuck: reading stops at the bound and not one record later."""

    async def scene() -> None:
        async with member(_stuck, limits=ConsumerLimits(held=30, running=3, drain=1.0)) as one:
            for number in range(200):
                one.world.append(f"k{number}")
            await wait_until(lambda: one.lanes.held_count >= 30)
            await asyncio.sleep(10)
            assert one.lanes.held_count == 30
            assert one.subscription.positions[0] == 30

    run(scene())


def test_no_more_is_read_past_an_unfinished_record_than_the_span_allows() -> None:
    """The store is away, so that the stuck conversation cannot be set aside."""

    async def scene() -> None:
        async def handle(batch: Batch) -> None:
            if batch.conversation == "stuck":
                await _stuck(batch)
            one.world.handled(batch.records)

        async with member(
            handle, limits=ConsumerLimits(span=100, poll_records=10, drain=1.0, commit_every=0.05)
        ) as one:
            one.world.append("first")
            await one.settled()
            one.parking.dead = True
            one.world.append("stuck")
            for number in range(500):
                one.world.append(f"k{number}")
            await wait_until(lambda: one.subscription.positions[0] >= 100)
            await asyncio.sleep(10)
            assert one.subscription.positions[0] <= 111

    run(scene())


def test_many_parked_conversations_cost_no_timers_and_little_memory() -> None:
    """They wait in one list, and are forgotten with the partition."""

    async def scene() -> None:
        async def handle(batch: Batch) -> None: ...

        gc.collect()
        state, others = {"suspended": True}, count_lanes()
        async with member(handle, suspended=lambda: state["suspended"]) as one:
            before = len(asyncio.all_tasks())
            for number in range(PARKED):
                record = Record(TOPIC, 0, number, f"k{number}", 0, {"ce_tenant": "a"}, b"x")
                one.world.parked[record.key][number] = record
                one.world.until[record.key] = now() + timedelta(hours=1)
            state["suspended"] = False
            await wait_until(lambda: count_lanes() == others + PARKED)
            assert len(asyncio.all_tasks()) <= before
            await one.lanes.on_revoked(frozenset([source(0)]))
            gc.collect()
            assert count_lanes() == others

    run(scene())


def count_lanes() -> int:
    """The lanes in memory, whoever holds them."""
    return sum(isinstance(each, Lane) for each in gc.get_objects())
