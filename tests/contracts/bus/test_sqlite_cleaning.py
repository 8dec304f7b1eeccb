"""The embedded log deletes what has expired or was superseded."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.errors import SetupError
from schemas.ports import Record
from schemas.topics import DAY_MS, STATE, TopicSpec
from tests.contracts.bus.consumer import PATIENCE_S, by_key, consuming, eventually, message, snapshot
from tests.contracts.bus.embedded import Hands, everything, log
from tests.contracts.bus.engines import WEB

# ── housekeeping ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_records_expire_by_age_and_offsets_go_on(tmp_path: Path) -> None:
    """What is older than the topic keeps is deleted; lag does not count it; new records get new offsets."""
    clock = Hands()
    async with log(tmp_path / "parley.db", clock) as (bus, _):
        await bus.append([message("one", n) for n in range(700)])
        clock.now += timedelta(hours=20)
        await bus.append([message("one", 700)])
        clock.now += timedelta(hours=5)
        assert await bus.clean() == 700
        assert by_key(await everything(bus)) == {"one": [700]}
        assert await bus.lag("workers", [WEB]) == {WEB: 1}
        clock.now += timedelta(days=3)
        assert await bus.clean() == 1
    async with log(tmp_path / "parley.db", clock) as (bus, _):
        [position] = await bus.append([message("one", 701)])
        assert position.offset == 701
        async with consuming(bus, "workers") as a:
            await eventually(lambda: by_key(a.records) == {"one": [701]}, "the one record that is left")


async def test_a_compacted_topic_keeps_the_newest_of_each_key(tmp_path: Path) -> None:
    """Superseded records go; every key's newest stays whatever its age; offsets do not change."""
    clock = Hands()
    async with log(tmp_path / "parley.db", clock) as (bus, _):
        for round_ in range(5):
            await bus.append([snapshot(f"c{n}", f"{round_}".encode()) for n in range(100)])
        before = {record.key: record.offset for record in await everything(bus, STATE)}
        clock.now += timedelta(days=400)
        assert await bus.clean() == 400
        left = await everything(bus, STATE)
        assert {record.key: record.value for record in left} == {f"c{n}": b"4" for n in range(100)}
        assert {record.key: record.offset for record in left} == before
        assert await bus.clean() == 0


async def test_tombstones_go_after_their_grace(tmp_path: Path) -> None:
    """Until then a slow reader sees the deletion; a key that came back is kept."""
    clock = Hands()
    async with log(tmp_path / "parley.db", clock, tombstone_grace=3_600) as (bus, _):
        await bus.append([snapshot("gone", b"1"), snapshot("back", b"1"), snapshot("kept", b"1")])
        await bus.append([snapshot("gone", None), snapshot("back", None)])
        await bus.clean()
        seen = {record.key: record.value for record in await everything(bus, STATE)}
        assert seen == {"gone": None, "back": None, "kept": b"1"}
        await bus.append([snapshot("back", b"2")])
        clock.now += timedelta(hours=2)
        await bus.clean()
        seen = {record.key: record.value for record in await everything(bus, STATE)}
        assert seen == {"back": b"2", "kept": b"1"}
        await bus.append([snapshot("gone", b"3")])
        assert len(await everything(bus, STATE)) == 3


async def test_a_follower_catches_up_over_the_holes_of_compaction(tmp_path: Path) -> None:
    """Also when the last records of a partition are gone."""
    clock = Hands()
    async with log(tmp_path / "parley.db", clock) as (bus, _):
        await bus.append([snapshot(f"c{n}", b"1") for n in range(50)])
        await bus.append([snapshot(f"c{n}", None) for n in range(50)])
        clock.now += timedelta(days=2)
        assert await bus.clean() == 100
        follower = await bus.follow(STATE)

        async def first() -> Record | None:
            async for record in follower.records():
                return record
            return None

        reading = asyncio.create_task(first())
        async with asyncio.timeout(PATIENCE_S):
            await follower.caught_up.wait()
        await bus.append([snapshot("c1", b"2")])
        async with asyncio.timeout(PATIENCE_S):
            record = await reading
        assert record is not None
        assert record.value == b"2"


async def test_cleaning_happens_by_itself(tmp_path: Path) -> None:
    """The log cleans at its own pace, without being asked."""
    clock = Hands()
    async with log(tmp_path / "parley.db", clock, clean_every=0.01) as (bus, database):
        await bus.append([message("one", n) for n in range(10)])
        clock.now += timedelta(days=2)
        left = [10]
        async with asyncio.timeout(PATIENCE_S):
            while left != [0]:
                left = await database.read(
                    lambda file: list(file.execute("SELECT count(*) FROM bus_records").fetchone())
                )


async def test_retention_may_change_but_not_to_compaction(tmp_path: Path) -> None:
    """A shorter retention holds from the next cleaning on; a change of kind is refused."""
    clock = Hands()
    async with log(tmp_path / "parley.db", clock) as (bus, _):
        await bus.append([message("one", 0)])
        await bus.create_topics([TopicSpec(WEB, 3, DAY_MS // 24)])
        clock.now += timedelta(hours=2)
        assert await bus.clean() == 1
        with pytest.raises(SetupError):
            await bus.create_topics([TopicSpec(WEB, 3, None)])
