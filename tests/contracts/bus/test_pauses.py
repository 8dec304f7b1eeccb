"""Pausing holds back and loses nothing."""

from __future__ import annotations

import asyncio

from schemas.ports import Bus, TopicPartition
from tests.contracts.bus.recording_consumer import EVERYTHING, Consumer, by_key, message, open_consumer, wait_until

KEYS = [f"conversation-{n}" for n in range(30)]


async def test_a_paused_partition_gives_nothing_while_the_others_go_on(bus: Bus) -> None:
    """Records of the others arrive; of the paused one none does until it is resumed, then all, in order."""
    async with open_consumer(bus, "workers") as a:
        held = TopicPartition("parley.inbound.web", 0)
        a.sub.pause([held])
        positions = [await bus.append([message(key, number) for key in KEYS]) for number in range(5)]
        others = sum(position.partition != 0 for some in positions for position in some)
        await wait_until(lambda: len(a.records) >= others, "the records of the other partitions")
        assert len(a.records) == others
        assert all(record.source != held for record in a.records)
        a.sub.resume([held])
        await wait_until(lambda: len(a.records) >= 150, "all 150 records")
        assert by_key(a.records) == {key: list(range(5)) for key in KEYS}


async def test_pausing_again_and_again_neither_loses_nor_repeats_nor_reorders(bus: Bus) -> None:
    """Pauses at any moment of a running stream, also between fetching and handing out."""
    async with open_consumer(bus, "workers") as a:

        async def write() -> None:
            for number in range(40):
                await bus.append([message(key, number) for key in KEYS])

        writing = asyncio.create_task(write())
        turn = 0
        while not writing.done() or len(a.records) < 1200:
            some = [TopicPartition("parley.inbound.web", turn % 3)]
            a.sub.pause(some)
            await asyncio.sleep(0.003 * (turn % 4))  # a moment that differs each time
            a.sub.resume(some)
            await asyncio.sleep(0.003)
            turn += 1
            assert turn < 5_000, f"only {len(a.records)} of 1200 records came"
        assert by_key(a.records) == {key: list(range(40)) for key in KEYS}


async def test_partitions_paused_again_in_assigned_stay_paused(bus: Bus) -> None:
    """A rebalance does not let a single record of such a partition slip through."""
    seen: list[int] = []
    a = Consumer("a", [])

    async def hold_back(partitions: frozenset[TopicPartition]) -> None:
        if a.subscription is not None:
            a.sub.pause(partitions)
            seen.append(len(a.records))

    await a.join(bus, "workers", ["parley.inbound.web"], "")
    try:
        await wait_until(lambda: a.owned == EVERYTHING, "everything for a")
        a.when_assigned = hold_back
        a.sub.pause(EVERYTHING)
        await bus.append([message(key, 0) for key in KEYS])
        async with open_consumer(bus, "workers", name="b") as b:
            await wait_until(lambda: bool(b.owned) and a.owned | b.owned == EVERYTHING, "a split")
            mine = a.owned
            await wait_until(lambda: len(b.records) > 0, "records for b")
            await bus.append([message(key, 1) for key in KEYS])
            await wait_until(lambda: all(len(n) == 2 for n in by_key(b.records).values()), "b's share")
            assert a.records == []
            assert seen
            a.sub.resume(mine)
            await wait_until(lambda: len(a.records) + len(b.records) >= 60, "all 60 records")
            assert by_key(a.records) | by_key(b.records) == {key: [0, 1] for key in KEYS}
    finally:
        await a.leave()
