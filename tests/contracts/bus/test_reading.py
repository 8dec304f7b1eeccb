"""Reading without a group: following a compacted topic, and reading once to the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from schemas.errors import TopicMismatch
from schemas.ports import Bus, Follower, Record
from schemas.topics import DEADLETTER, STATE
from tests.contracts.bus.engines import WEB
from tests.contracts.bus.recording_consumer import PATIENCE_S, by_key, message, snapshot, wait_until


@asynccontextmanager
async def follow_topic(bus: Bus, topic: str) -> AsyncIterator[tuple[Follower, list[Record]]]:
    follower = await bus.follow(topic)
    seen: list[Record] = []

    async def collect() -> None:
        async for record in follower.records():
            seen.append(record)  # noqa: PERF401 - the test looks at it while it grows

    reading = asyncio.create_task(collect())
    try:
        yield follower, seen
    finally:
        await follower.close()
        async with asyncio.timeout(PATIENCE_S):
            await reading


def keep_newest(records: Sequence[Record]) -> dict[str, bytes | None]:
    return {record.key: record.value for record in records}


async def test_a_follower_sees_what_was_and_what_comes(bus: Bus) -> None:
    """``caught_up`` is set once it has been handed everything that was there when it began."""
    await bus.append([snapshot(f"c{n}", b"old") for n in range(40)])
    await bus.append([snapshot(f"c{n}", b"new") for n in range(20)])
    async with follow_topic(bus, STATE) as (follower, seen):
        async with asyncio.timeout(PATIENCE_S):
            await follower.caught_up.wait()
        assert keep_newest(seen) == {f"c{n}": b"new" if n < 20 else b"old" for n in range(40)}
        await bus.append([snapshot("c0", b"newer")])
        await wait_until(lambda: keep_newest(seen)["c0"] == b"newer", "the live record")


async def test_a_follower_of_an_empty_topic_is_caught_up_at_once(bus: Bus) -> None:
    """There is nothing to wait for."""
    async with follow_topic(bus, STATE) as (follower, seen):
        async with asyncio.timeout(PATIENCE_S):
            await follower.caught_up.wait()
        assert seen == []


async def test_a_follower_sees_tombstones(bus: Bus) -> None:
    """A deletion is a record without a value."""
    await bus.append([snapshot("gone", b"{}"), snapshot("kept", b"{}")])
    await bus.append([snapshot("gone", None)])
    async with follow_topic(bus, STATE) as (follower, seen):
        async with asyncio.timeout(PATIENCE_S):
            await follower.caught_up.wait()
        assert keep_newest(seen) == {"gone": None, "kept": b"{}"}


async def test_every_follower_sees_everything(bus: Bus) -> None:
    """Followers are broadcast to: they share nothing."""
    async with follow_topic(bus, STATE) as (_, one), follow_topic(bus, STATE) as (_, two):
        await bus.append([snapshot(f"c{n}", b"{}") for n in range(25)])
        await wait_until(lambda: len(one) == len(two) == 25, "25 records each")


async def test_following_a_topic_that_nobody_created_is_a_clear_error(bus: Bus) -> None:
    """TopicMismatch, at once."""
    with pytest.raises(TopicMismatch):
        await bus.follow(DEADLETTER)


async def test_reading_ends_where_the_topic_ended_when_it_began(bus: Bus) -> None:
    """What is appended while reading is not waited for, and every key is in order."""
    for number in range(20):
        await bus.append([message(f"key-{n}", number) for n in range(40)])
    found: list[Record] = []
    async for record in await bus.read(WEB):
        if not found:
            await bus.append([message(f"key-{n}", 99) for n in range(40)])
        found.append(record)
    assert by_key(found) == {f"key-{n}": list(range(20)) for n in range(40)}


async def test_reading_starts_at_the_given_offsets(bus: Bus) -> None:
    """A partition that is not named is read from its beginning; one that is, from its offset."""
    positions = await bus.append([message(f"key-{n}", n) for n in range(60)])
    found = [record async for record in await bus.read(WEB, since={0: 5, 1: 10_000})]
    expected = {(p.partition, p.offset) for p in positions if p.partition == 2 or (p.partition == 0 and p.offset >= 5)}
    assert {(record.partition, record.offset) for record in found} == expected
    assert len(found) == len(expected)


async def test_reading_may_be_limited_to_some_keys(bus: Bus) -> None:
    """Only records whose key passes are returned, and all of them."""
    await bus.append([message(f"key-{n % 9}", n) for n in range(90)])
    found = [record async for record in await bus.read(WEB, keys=lambda key: key in {"key-1", "key-4"})]
    assert by_key(found) == {"key-1": list(range(1, 90, 9)), "key-4": list(range(4, 90, 9))}


async def test_reading_an_empty_topic_ends_at_once(bus: Bus) -> None:
    """No records, no waiting."""
    async with asyncio.timeout(PATIENCE_S):
        assert [record async for record in await bus.read(WEB)] == []


async def test_what_is_appended_from_now_on_is_read_from_the_end_offsets(bus: Bus) -> None:
    await bus.append([message(f"conversation-{n % 5}", n) for n in range(20)])
    await bus.append([snapshot("before", b"{}")])
    ends = await bus.end_offsets([WEB, STATE])
    assert sum(ends[WEB].values()) == 20
    assert sum(ends[STATE].values()) == 1
    assert [record async for record in await bus.read(WEB, since=ends[WEB])] == []
    await bus.append([message("conversation-1", 20)])
    (record,) = [record async for record in await bus.read(WEB, since=ends[WEB])]
    assert (record.key, record.offset) == ("conversation-1", ends[WEB][record.partition])
    with pytest.raises(TopicMismatch):
        await bus.end_offsets(["parley.unheard"])
