"""Partitions change hands: drain first, fence second, and parked conversations go along."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from infra.bus.lanes import ConsumerLimits
from schemas.errors import Parked
from schemas.ports import Batch
from tests.contracts.bus.recording_consumer import message, wait_until
from tests.contracts.lanes.lane_group import LaneGroup, make_burst, numbers_of, positions_of

KEYS = [f"k{number}" for number in range(30)]


async def test_a_running_handler_may_finish_and_the_next_owner_does_not_see_its_records(lane_group: LaneGroup) -> None:
    """Handlers are told to hurry, end within the budget, and are committed before the partitions go."""

    async def until_hurried(batch: Batch) -> None:
        await batch.revoking.wait()

    first = lane_group.member(until_hurried)
    await lane_group.append(*make_burst(KEYS, 1))
    await wait_until(lambda: len(first.started) == len(KEYS), "everything is being handled")
    second = lane_group.member()
    await lane_group.shared(first, second)
    assert first.cancelled == []
    moved = set(positions_of(first.done))
    assert moved, "at least one partition changed hands"
    await lane_group.append(*[message(key, 1) for key in KEYS])
    await wait_until(lambda: len(second.done) > 0, "the next owner reads on")
    await first.stop()
    await lane_group.caught_up()
    assert not moved & set(positions_of(second.started)), "what the first finished is handled again"
    assert all(numbers_of([*first.done, *second.done], key) == [0, 1] for key in KEYS)


async def test_a_handler_beyond_the_budget_is_cancelled_and_its_records_go_to_the_next_owner(
    lane_group: LaneGroup,
) -> None:
    async def endless(batch: Batch) -> None:
        await asyncio.Event().wait()

    first = lane_group.member(endless, limits=ConsumerLimits(drain=0.3, commit_every=0.05, poll=0.05))
    await lane_group.append(*make_burst(KEYS, 1))
    await wait_until(lambda: len(first.started) == len(KEYS), "everything is being handled")
    second = lane_group.member()
    await lane_group.shared(first, second)
    await wait_until(lambda: len(second.done) > 0, "the next owner has handled something")
    assert first.done == []
    await first.stop()
    await lane_group.caught_up()
    assert sorted(positions_of(second.done)) == sorted(set(positions_of(first.started)))
    assert (first.lanes.held_count, first.lanes.running_count) == (0, 0)


async def test_paused_partitions_stay_paused_after_a_rebalance(lane_group: LaneGroup) -> None:
    """The gate is closed before a second member joins and the first leaves; nobody takes a record in until it opens."""
    first = lane_group.member(can_suspend=True)
    await lane_group.append(message("before", 0))
    await lane_group.caught_up()
    lane_group.suspended = True
    second = lane_group.member(can_suspend=True)
    await lane_group.shared(first, second)
    await lane_group.append(*make_burst(KEYS, 2))
    control = lane_group.member(group="control")
    await wait_until(lambda: len(control.done) == 61, "an open member of another group has read everything")
    assert (first.lanes.held_count, second.lanes.held_count, len(first.started), len(second.started)) == (0, 0, 1, 0)
    await first.stop()
    await wait_until(lambda: len(second.lanes.partitions) == 3, "the one that stays has all partitions")
    another = lane_group.member(group="another")
    await wait_until(lambda: len(another.done) == 61, "a member of a third group has read everything")
    assert (second.lanes.held_count, len(second.started)) == (0, 0)
    lane_group.suspended = False
    await lane_group.caught_up()
    assert all(numbers_of([*first.done, *second.done], key) == [0, 1] for key in KEYS)


async def test_parked_records_survive_a_restart_and_a_rebalance_and_come_before_newer_ones(
    lane_group: LaneGroup,
) -> None:
    """The offset moves on at once; newer messages of these conversations join them; others are not touched."""
    parked = KEYS[:10]
    until = lane_group.now() + timedelta(hours=1)

    async def handle(batch: Batch) -> None:
        if batch.conversation in parked and lane_group.now() < until:
            raise Parked("token revoked", until=until)

    first = lane_group.member(handle)
    await lane_group.append(*[message(key, 0) for key in KEYS])
    await lane_group.caught_up()
    await first.stop()
    assert {record.key for record in first.done} == set(KEYS[10:])

    second = lane_group.member(handle)
    await lane_group.append(*[message(key, 1) for key in KEYS])
    await lane_group.caught_up()
    third = lane_group.member(handle)
    await lane_group.shared(second, third)
    await lane_group.append(*[message(key, 2) for key in KEYS])
    await lane_group.caught_up()
    seen = {record.key for record in [*second.started, *third.started]}
    assert not seen & set(parked), "a parked conversation was handled before its time"

    lane_group.passed = timedelta(hours=2)
    await wait_until(lambda: sum(m.lanes.running_count + len(m.done) for m in (second, third)) >= 70, "they go on")
    done = [*second.done, *third.done]
    assert all(numbers_of(done, key) == [0, 1, 2] for key in parked)
    assert all(numbers_of(done, key) == [1, 2] for key in KEYS[10:])
    await lane_group.append(message(parked[0], 3))
    await lane_group.caught_up()
    assert numbers_of([*second.done, *third.done], parked[0]) == [0, 1, 2, 3]
