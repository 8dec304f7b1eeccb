"""Nobody holds up another: hot conversations, flooding tenants, stuck handlers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from infra.bus.lanes import ConsumerLimits
from schemas.ports import Batch
from tests.contracts.bus.recording_consumer import message, wait_until
from tests.contracts.lanes.lane_group import QUICK, LaneGroup, make_burst, numbers_of

embedded = pytest.mark.parametrize("lane_group", ["sqlite"], indirect=True)


async def test_a_conversation_that_floods_is_set_aside_and_others_go_on(lane_group: LaneGroup) -> None:
    """Its handler is stuck and 300 of its messages wait; the offset moves on without them, and later all come, in
    order and once."""
    release = asyncio.Event()

    async def handle(batch: Batch) -> None:
        if batch.conversation == "hot":
            await release.wait()

    member = lane_group.member(handle)
    await lane_group.append(message("hot", 0))
    await wait_until(lambda: len(member.started) == 1, "the hot one is being handled")
    await lane_group.append(*[message("hot", number) for number in range(1, 301)])
    await lane_group.append(*make_burst(["cool"], 10))
    await lane_group.caught_up()
    assert numbers_of(member.done, "cool") == list(range(10))
    assert numbers_of(member.done, "hot") == []
    assert member.lanes.held_count <= QUICK.held_per_lane
    release.set()
    await wait_until(lambda: len(numbers_of(member.done, "hot")) == 301, "the hot one is done")
    assert numbers_of(member.done, "hot") == list(range(301))
    await wait_until(lambda: member.lanes.held_count == 0, "nothing is held")


@embedded
async def test_parked_records_are_not_lost_when_their_owner_dies(lane_group: LaneGroup) -> None:
    """The offset has moved past it, past the message in the stuck handler too; the next owner has them from the
    store, and handles them in order."""

    async def endless(batch: Batch) -> None:
        await asyncio.Event().wait()

    first = lane_group.member(endless)
    await lane_group.append(*make_burst(["hot"], 100))
    await lane_group.caught_up()
    await first.kill()
    second = lane_group.member()
    await wait_until(lambda: len(second.done) == 100, "the next owner has handled all")
    assert numbers_of(second.done, "hot") == list(range(100))
    assert first.done == []


@embedded
async def test_a_tenant_that_floods_waits_for_itself(lane_group: LaneGroup) -> None:
    """5,000 messages of one tenant are before ten of another, and four turns run at once; the ten are done long
    before."""

    async def handle(batch: Batch) -> None:
        await asyncio.sleep(0)

    member = lane_group.member(handle, limits=replace(QUICK, running=4, held=20_000, held_per_tenant=2_000))
    flood = make_burst([f"a{number}" for number in range(500)], 10)
    few = [replace(message(f"b{number}", 0), tenant="small") for number in range(10)]
    for start in range(0, 5_000, 500):
        await lane_group.append(*flood[start : start + 500])
    await lane_group.append(*few)
    await lane_group.caught_up()
    await wait_until(lambda: len(member.done) == 5_010, "everything is done")
    order = [record.headers["ce_tenant"] for record in member.done]
    last = max(place for place, tenant in enumerate(order) if tenant == "small")
    assert last < 4_500, f"the last of the ten was number {last}"
    for key in (f"a{number}" for number in range(500)):
        assert numbers_of(member.done, key) == list(range(10))
    assert member.most_running <= 4


@embedded
async def test_a_stuck_handler_holds_up_neither_its_partition_nor_the_commit(lane_group: LaneGroup) -> None:
    """Even when far more comes after it than may lie between the oldest unfinished record and the newest one."""
    release = asyncio.Event()

    async def handle(batch: Batch) -> None:
        if batch.conversation == "stuck":
            await release.wait()

    member = lane_group.member(handle, limits=replace(QUICK, span=200, poll_records=50))
    await lane_group.append(message("stuck", 0))
    for number in range(10):
        await lane_group.append(*[message(f"k{key}", number) for key in range(200)])
    await lane_group.caught_up()
    assert len(member.done) == 2_000
    assert numbers_of(member.done, "stuck") == []
    release.set()
    await wait_until(lambda: numbers_of(member.done, "stuck") == [0], "the stuck one ends")


@embedded
async def test_six_thousand_lanes_wait_at_once(lane_group: LaneGroup, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing polls on their behalf: while all of them wait, the process is all but idle."""
    release = asyncio.Event()

    async def handle(batch: Batch) -> None:
        await release.wait()

    member = lane_group.member(handle, limits=ConsumerLimits(running_per_tenant=6_000))
    for start in range(0, 6_000, 1_000):
        await lane_group.append(*[message(f"k{number}", 0) for number in range(start, start + 1_000)])
    await wait_until(lambda: member.lanes.running_count == 6_000, "all run")
    assert member.lanes.load == 1.0
    processor, wall = time.process_time(), time.monotonic()
    await asyncio.sleep(1.0)  # a measurement, not a wait
    share = (time.process_time() - processor) / (time.monotonic() - wall)
    with capsys.disabled():
        print(f"\nprocessor share while 6,000 lanes wait: {share:.1%}")
    release.set()
    await lane_group.caught_up()
    assert len(member.done) == 6_000
    assert share < 0.5


@embedded
async def test_the_cost_of_a_record_is_printed(lane_group: LaneGroup, capsys: pytest.CaptureFixture[str]) -> None:
    """Processor time from the log to a handler that does nothing, with and without reading SQLite."""
    records = 20_000
    keys = [f"k{number}" for number in range(2_000)]
    for number in range(records // len(keys)):
        await lane_group.append(*[message(key, number) for key in keys])

    reading = await _cost(lane_group, "bare")
    before = time.process_time()
    member = lane_group.member(limits=ConsumerLimits(poll=0.05))
    await lane_group.caught_up()
    whole = time.process_time() - before
    assert len(member.done) == records
    with capsys.disabled():
        print(f"\nprocessor time a record: {1e6 * whole / records:.0f} µs, of it {1e6 * reading / records:.0f} µs read")


async def _cost(lane_group: LaneGroup, group: str) -> float:
    class NullRebalanceListener:
        async def on_revoked(self, partitions: object) -> None: ...
        async def on_assigned(self, partitions: object) -> None: ...

    before = time.process_time()
    subscription = await lane_group.bus.subscribe(["parley.inbound.web"], group, NullRebalanceListener())
    count = 0
    while count < 20_000:
        count += len(await subscription.poll(max_records=500, timeout=0.1))
    await subscription.close()
    return time.process_time() - before
