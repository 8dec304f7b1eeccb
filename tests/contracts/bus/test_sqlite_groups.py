"""How the embedded log reads, and what its groups do beyond the contract."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schemas.errors import Fenced
from schemas.ports import Bus, Record, TopicPartition
from tests.contracts.bus.consumer import PATIENCE_S, by_key, consuming, eventually, message, nothing
from tests.contracts.bus.embedded import log
from tests.contracts.bus.engines import WEB

# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_poll_holds_a_bounded_number_of_bytes(tmp_path: Path) -> None:
    """Sixty records of 0.9 MB come in several polls, none of them over 3 MB, in order."""
    async with log(tmp_path / "parley.db") as (bus, _):
        for number in range(60):
            await bus.append([message("one", number, data=b"%d" % number + b" " * 900_000)])
        a = Quiet()
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
    async with log(tmp_path / "parley.db") as (bus, _):
        subscription = await bus.subscribe([WEB], "workers", Quiet())
        waiting = asyncio.create_task(subscription.poll(max_records=10, timeout=60))
        assert await subscription.poll(max_records=10, timeout=0.05) == []
        await bus.append([message("one", 1)])
        async with asyncio.timeout(5):
            assert by_key(await waiting) == {"one": [1]}
        await subscription.close()


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Quiet:
    """A listener that has nothing to say."""

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        await nothing(partitions)

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        await nothing(partitions)


async def test_a_name_belongs_to_its_newest_member(tmp_path: Path) -> None:
    """A second member of the same name takes over at once; the first is fenced in all it does."""
    async with log(tmp_path / "parley.db") as (bus, _), consuming(bus, "workers", member="one") as a:
        owned = a.owned
        async with consuming(bus, "workers", name="b", member="one") as b:
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
        log(tmp_path / "parley.db", drain_budget=0.1) as (bus, _),
        consuming(bus, "workers", when_revoked=hang) as a,
        consuming(bus, "workers", name="b", when_revoked=fail) as b,
    ):
        await eventually(lambda: bool(b.owned), "something for b")
        with pytest.raises(Fenced):
            await a.sub.commit(dict.fromkeys(b.owned, 1))
        async with consuming(bus, "workers", name="c") as c:
            await eventually(lambda: bool(c.owned), "something for c")


async def test_partitions_that_stay_are_read_on_while_others_change_hands(tmp_path: Path) -> None:
    """A member that drains for long stops nobody's other partitions, not even its own."""
    drained = asyncio.Event()

    async def until_told(_: frozenset[TopicPartition]) -> None:
        await drained.wait()

    async with log(tmp_path / "parley.db") as (bus, _), consuming(bus, "workers", when_revoked=until_told) as a:
        joining = asyncio.create_task(second_member(bus))
        await bus.append([message(f"key-{n}", 0) for n in range(30)])
        await eventually(lambda: len({record.source for record in a.records}) == 2, "records of what stays")
        assert not joining.done()
        drained.set()
        async with asyncio.timeout(PATIENCE_S):
            await joining


async def second_member(bus: Bus) -> None:
    async with consuming(bus, "workers", name="b") as b:
        await eventually(lambda: bool(b.records), "records for b")
