"""Order, commit and what a crash reads again."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

import pytest

from infra.bus.lanes import ConsumerLimits
from schemas.errors import StateUnavailable
from schemas.ports import Batch
from tests.contracts.bus.recording_consumer import EVERYTHING, message, wait_until
from tests.contracts.lanes.lane_group import LaneGroup, make_burst, numbers_of, positions_of

embedded = pytest.mark.parametrize("lane_group", ["sqlite"], indirect=True)


async def test_order_holds_in_each_of_a_thousand_lanes(lane_group: LaneGroup) -> None:
    """Handlers take random times; no conversation has two at once, and each sees its messages in order, once."""
    dice = random.Random(7)
    keys = [f"k{number}" for number in range(1000)]

    async def handle(batch: Batch) -> None:
        await asyncio.sleep(dice.random() * 0.2)

    member = lane_group.member(handle)
    for number in range(4):
        await lane_group.append(*[message(key, number) for key in keys])
    await lane_group.caught_up()
    assert {key: numbers_of(member.done, key) for key in keys} == {key: [0, 1, 2, 3] for key in keys}
    assert member.overlaps == []
    assert member.most_running > 200
    await member.stop()
    assert (member.lanes.held_count, member.lanes.running_count) == (0, 0)


async def test_a_crash_reads_again_from_the_first_unfinished_record_of_each_partition(lane_group: LaneGroup) -> None:
    """Records end in random order and some never; what lies before the first of those is not seen again."""
    dice = random.Random(3)
    keys = [f"k{number}" for number in range(90)]
    endless = set(dice.sample(keys[30:], 5))

    async def handle(batch: Batch) -> None:
        if batch.conversation in endless:
            await asyncio.Event().wait()
        await asyncio.sleep(dice.random() * 0.1)

    first = lane_group.member(handle)
    await lane_group.append(*make_burst(keys, 1))
    await wait_until(lambda: len(first.done) == 85 and len(first.started) == 90, "all but the endless ones end")
    unfinished: dict[int, int] = {}
    for record in first.started:
        if record.key in endless:
            unfinished[record.partition] = min(record.offset, unfinished.get(record.partition, 1 << 60))
    again = sorted(spot for spot in positions_of(first.started) if spot[1] >= unfinished.get(spot[0], 1 << 60))
    assert len(again) < 90
    await lane_group.caught_up(left=len(again))
    await first.kill()
    second = lane_group.member()
    await lane_group.caught_up()
    assert sorted(positions_of(second.done)) == again


async def test_stop_finishes_what_runs_commits_and_starts_nothing_new(lane_group: LaneGroup) -> None:
    """Messages that waited behind the running ones are left for the next owner, who gets exactly those."""

    async def until_hurried(batch: Batch) -> None:
        await batch.revoking.wait()

    first = lane_group.member(until_hurried)
    await lane_group.append(message("k", 0))
    await wait_until(lambda: len(first.started) == 1, "the first message is being handled")
    await lane_group.append(message("k", 1))
    await wait_until(lambda: first.lanes.held_count == 2, "the second waits behind it")
    await first.stop()
    assert numbers_of(first.done, "k") == [0]
    second = lane_group.member()
    await lane_group.caught_up()
    assert numbers_of(second.done, "k") == [1]


@embedded
async def test_a_poison_record_is_the_only_one_given_up(lane_group: LaneGroup) -> None:
    """Though it was folded into one batch with good ones; and those behind it follow."""
    gate = asyncio.Event()

    async def handle(batch: Batch) -> None:
        await gate.wait()
        if any(record.value == b"2" for record in batch.records):
            raise ValueError("cannot be handled")

    member = lane_group.member(handle)
    await lane_group.append(*make_burst(["k"], 5), *make_burst(["other"], 5))
    await wait_until(lambda: member.lanes.held_count == 10, "all are there")
    gate.set()
    await lane_group.caught_up()
    assert numbers_of(member.given_up, "k") == [2]
    assert numbers_of(member.done, "k") == [0, 1, 3, 4]


@embedded
async def test_a_store_that_is_away_gives_nothing_up(lane_group: LaneGroup) -> None:
    """More failures than any other kind of error is allowed; then it heals by itself."""
    failures = iter([True] * 4)

    async def handle(batch: Batch) -> None:
        if next(failures, False):
            raise StateUnavailable("away", retry_after_ms=0)

    member = lane_group.member(handle, limits=ConsumerLimits(attempts=2, commit_every=0.05, poll=0.05))
    await lane_group.append(message("k", 0))
    await lane_group.caught_up()
    assert (numbers_of(member.done, "k"), member.given_up) == ([0], [])


@embedded
async def test_a_handler_takes_what_arrives_into_its_batch(lane_group: LaneGroup) -> None:
    """``arrived`` tells that more waits, ``take_more`` hands it over, and one return answers for all."""
    taken: list[list[int]] = []

    async def handle(batch: Batch) -> None:
        while len(batch.records) < 3:
            await batch.arrived.wait()
            taken.append(numbers_of(batch.take_more(), "k"))
            assert not batch.arrived.is_set()

    member = lane_group.member(handle)
    await lane_group.append(message("k", 0))
    await wait_until(lambda: len(member.started) == 1, "the first is being handled")
    await lane_group.append(message("k", 1))
    await wait_until(lambda: len(taken) == 1, "the second is taken")
    await lane_group.append(message("k", 2))
    await lane_group.caught_up()
    assert taken == [[1], [2]]
    assert numbers_of(member.done, "k") == [0, 1, 2]
    assert len(member.started) == 1


@embedded
async def test_conversations_held_back_by_a_gate_start_when_it_opens(lane_group: LaneGroup) -> None:
    """While it is closed nothing starts, what runs may end, and no signal is needed for going on."""
    release = asyncio.Event()

    async def handle(batch: Batch) -> None:
        await release.wait()

    member = lane_group.member(handle, can_suspend=True)
    await lane_group.append(message("k", 0))
    await wait_until(lambda: len(member.started) == 1, "one runs")
    await lane_group.append(message("k", 1))
    await wait_until(lambda: member.lanes.held_count == 2, "one waits behind it")
    lane_group.suspended = True
    release.set()
    await wait_until(lambda: len(member.done) == 1, "what ran has ended")
    await lane_group.append(*make_burst([f"k{number}" for number in range(20)], 1))
    control = lane_group.member(group="control")
    await wait_until(lambda: len(control.done) == 22, "an open member of another group has read everything")
    assert len(member.started) == 1
    lane_group.suspended = False
    await lane_group.caught_up()
    assert len(member.done) == 22
    by_key = defaultdict(list)
    for record in member.done:
        by_key[record.key].append(record.offset)
    assert all(offsets == sorted(offsets) for offsets in by_key.values())


async def test_records_parked_behind_a_closed_gate_come_first_when_it_opens(lane_group: LaneGroup) -> None:
    """A rebuilt store has records that no lane knows; those in memory and those on the log are newer, and wait."""
    release = asyncio.Event()

    async def handle(batch: Batch) -> None:
        if any(record.value == b"2" for record in batch.records):
            await release.wait()

    member = lane_group.member(handle, can_suspend=True)
    await lane_group.append(*make_burst(["k", "idle"], 2))
    await lane_group.caught_up()
    lost = {key: [record for record in member.done if record.key == key] for key in ("k", "idle")}
    await lane_group.append(message("k", 2))
    await wait_until(lambda: len(member.started) == 5, "one runs")
    await lane_group.append(message("k", 3))
    await wait_until(lambda: member.lanes.held_count == 2, "one waits behind it")
    lane_group.suspended = True
    release.set()
    await wait_until(lambda: len(member.done) == 5, "what ran has ended")
    await lane_group.append(message("k", 4))
    for key, records in lost.items():
        await lane_group.parking.park("group", key, records, until=lane_group.now())
    lane_group.suspended = False
    await wait_until(lambda: len(member.done) == 11, "all are handled")
    assert numbers_of(member.done, "k") == [0, 1, 2, 0, 1, 3, 4]
    assert numbers_of(member.done, "idle") == [0, 1, 0, 1]
    await lane_group.caught_up()
    await member.stop()
    assert await lane_group.parking.list_conversations("group", EVERYTHING) == {}
    assert (member.lanes.held_count, member.overlaps) == (0, [])
