"""Reading and groups of the embedded log beyond the shared contract."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schemas.errors import Fenced
from schemas.ports import Bus, Record, TopicPartition
from schemas.topics import STATE
from tests.contracts.bus.embedded_bus import open_log
from tests.contracts.bus.engines import SLACK, WEB
from tests.contracts.bus.recording_consumer import (
    EVERYTHING,
    PATIENCE_S,
    Consumer,
    by_key,
    do_nothing,
    message,
    open_consumer,
    snapshot,
    wait_until,
)

# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_poll_holds_a_bounded_number_of_bytes(tmp_path: Path) -> None:
    """Sixty records of 0.9 MB come in several polls, none of them over 3 MB, in order."""
    async with open_log(tmp_path / "parley.db") as (bus, _):
        for number in range(60):
            await bus.append([message("one", number, data=b"%d" % number + b" " * 900_000)])
        a = SilentListener()
        subscription = await bus.subscribe([WEB], "workers", a)
        found: list[Record] = []
        while len(found) < 60:
            some = await subscription.poll(max_records=500, timeout=PATIENCE_S)
            assert some
            assert sum(record.size for record in some) < 3_000_000
            found += some
        assert by_key(found) == {"one": list(range(60))}
        await subscription.close()


async def test_a_waiting_poll_wakes_up_for_an_append(tmp_path: Path) -> None:
    """It does not wait for its timeout, nor for another look at the file."""
    async with open_log(tmp_path / "parley.db") as (bus, _):
        subscription = await bus.subscribe([WEB], "workers", SilentListener())
        waiting = asyncio.create_task(subscription.poll(max_records=10, timeout=60))
        assert await subscription.poll(max_records=10, timeout=0.05) == []
        await bus.append([message("one", 1)])
        async with asyncio.timeout(30):
            assert by_key(await waiting) == {"one": [1]}
        await subscription.close()


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class SilentListener:
    """A listener that has nothing to say."""

    async def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        await do_nothing(partitions)

    async def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        await do_nothing(partitions)


async def test_a_name_belongs_to_its_newest_member(tmp_path: Path) -> None:
    """A second member of the same name takes over at once; the first is fenced in all it does."""
    async with open_log(tmp_path / "parley.db") as (bus, _), open_consumer(bus, "workers", member="one") as a:
        owned = a.owned
        async with open_consumer(bus, "workers", name="b", member="one") as b:
            assert b.owned == owned
            with pytest.raises(Fenced):
                await a.sub.commit(dict.fromkeys(owned, 1))
            with pytest.raises(Fenced):
                await a.sub.poll(max_records=1, timeout=1)


async def test_a_listener_that_hangs_or_fails_does_not_hold_up_the_group(tmp_path: Path) -> None:
    """After the drain budget its partitions go on, and its commits are fenced."""

    async def hang(_: frozenset[TopicPartition]) -> None:
        await asyncio.Event().wait()

    async def fail(_: frozenset[TopicPartition]) -> None:
        raise RuntimeError("a fault of the listener")

    async with (
        open_log(tmp_path / "parley.db", drain_budget=0.1) as (bus, _),
        open_consumer(bus, "workers", when_revoked=hang) as a,
        open_consumer(bus, "workers", name="b", when_revoked=fail) as b,
    ):
        await wait_until(lambda: bool(b.owned), "something for b")
        with pytest.raises(Fenced):
            await a.sub.commit(dict.fromkeys(b.owned, 1))
        async with open_consumer(bus, "workers", name="c") as c:
            await wait_until(lambda: bool(c.owned), "something for c")


async def test_partitions_that_stay_are_read_on_while_others_change_hands(tmp_path: Path) -> None:
    """A member that drains for long stops nobody's other partitions, not even its own."""
    drained = asyncio.Event()

    async def until_told(_: frozenset[TopicPartition]) -> None:
        await drained.wait()

    async with (
        open_log(tmp_path / "parley.db") as (bus, _),
        open_consumer(bus, "workers", when_revoked=until_told) as a,
    ):
        joining = asyncio.create_task(second_member(bus))
        await bus.append([message(f"key-{n}", 0) for n in range(30)])
        await wait_until(lambda: len({record.source for record in a.records}) == 2, "records of what stays")
        assert not joining.done()
        drained.set()
        async with asyncio.timeout(PATIENCE_S):
            await joining


async def second_member(bus: Bus) -> None:
    async with open_consumer(bus, "workers", name="b") as b:
        await wait_until(lambda: bool(b.records), "records for b")


async def test_nothing_is_handed_out_before_assigned_has_returned(tmp_path: Path) -> None:
    """A listener that takes its time, to find out what it must pause, misses no record and is given none early."""
    ready = asyncio.Event()

    async def prepare(_: frozenset[TopicPartition]) -> None:
        await ready.wait()

    async with open_log(tmp_path / "parley.db") as (bus, _):
        await bus.append([message(f"key-{n}", 0) for n in range(30)])
        a = Consumer("a", [])
        a.when_assigned = prepare
        await a.join(bus, "workers", [WEB], "")
        try:
            await wait_until(lambda: a.owned == EVERYTHING, "everything for a")
            assert await a.sub.poll(max_records=10, timeout=0.1) == []
            ready.set()
            await wait_until(lambda: len(a.records) == 30, "30 records")
        finally:
            await a.leave()


async def test_a_pause_in_the_middle_of_a_poll_holds(tmp_path: Path) -> None:
    """Whatever step the poll has come to: from the pause on it returns nothing, and afterwards nothing is missing."""
    async with open_log(tmp_path / "parley.db") as (bus, _):
        subscription = await bus.subscribe([WEB], "workers", SilentListener())
        found: list[Record] = []
        for number in range(12):
            await bus.append([message("one", number)])
            polling = asyncio.create_task(subscription.poll(max_records=10, timeout=0.05))
            for _ in range(number % 6):
                await asyncio.sleep(0)
            in_time = polling.done()
            subscription.pause(EVERYTHING)
            some = await polling
            assert in_time or some == []
            subscription.resume(EVERYTHING)
            found += some or await subscription.poll(max_records=10, timeout=PATIENCE_S)
        assert by_key(found) == {"one": list(range(12))}
        await subscription.close()


async def test_a_named_member_gets_back_what_others_took_meanwhile(tmp_path: Path) -> None:
    """Of three members the middle one restarts: everybody owns again exactly what they owned before."""
    topics = [WEB, SLACK]
    async with (
        open_log(tmp_path / "parley.db") as (bus, _),
        open_consumer(bus, "workers", topics=topics, member="one") as a,
        open_consumer(bus, "workers", name="c", topics=topics, member="three") as c,
    ):
        async with open_consumer(bus, "workers", name="b", topics=topics, member="two") as b:
            await wait_until(lambda: len(a.owned) == len(b.owned) == len(c.owned) == 2, "even shares")
            shares = a.owned, b.owned, c.owned
        await wait_until(lambda: len(a.owned | c.owned) == 6, "everything for the other two")
        async with open_consumer(bus, "workers", name="b", topics=topics, member="two") as b:
            await wait_until(lambda: len(a.owned) == len(b.owned) == len(c.owned) == 2, "even shares")
            assert (a.owned, b.owned, c.owned) == shares


async def test_a_follower_is_caught_up_without_what_came_later(tmp_path: Path) -> None:
    """Exactly when the last record that was there at the start has been dealt with."""
    async with open_log(tmp_path / "parley.db") as (bus, _):
        await bus.clean()  # the cleaning that begins with the log would remove what is superseded below
        await bus.append([snapshot("one", b"old")] * 20)
        follower = await bus.follow(STATE)
        await bus.append([snapshot("one", b"new")] * 50)
        caught_up = []
        async for _record in follower.records():
            caught_up.append(follower.caught_up.is_set())
            if len(caught_up) == 70:
                break
        assert caught_up == [False] * 20 + [True] * 50
