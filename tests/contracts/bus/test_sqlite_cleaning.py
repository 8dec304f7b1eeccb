"""The embedded log deletes what has expired or was superseded."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from infra.bus.sqlite import cleaner
from schemas.errors import SetupError
from schemas.ports import Record
from schemas.topics import DAY_MS, STATE, TopicSpec
from tests.contracts.bus.embedded_bus import ManualClock, open_log, read_everything
from tests.contracts.bus.engines import WEB
from tests.contracts.bus.recording_consumer import PATIENCE_S, by_key, message, open_consumer, snapshot, wait_until

# ── housekeeping ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_records_expire_by_age_and_offsets_go_on(tmp_path: Path) -> None:
    """What is older than the topic keeps is deleted; lag does not count it; new records get new offsets."""
    clock = ManualClock()
    async with open_log(tmp_path / "parley.db", clock) as (bus, _):
        await bus.append([message("one", n) for n in range(700)])
        clock.now += timedelta(hours=20)
        await bus.append([message("one", 700)])
        clock.now += timedelta(hours=5)
        assert await bus.clean() == 700
        assert by_key(await read_everything(bus)) == {"one": [700]}
        assert await bus.lag("workers", [WEB]) == {WEB: 1}
        clock.now += timedelta(days=3)
        assert await bus.clean() == 1
    async with open_log(tmp_path / "parley.db", clock) as (bus, _):
        [position] = await bus.append([message("one", 701)])
        assert position.offset == 701
        async with open_consumer(bus, "workers") as a:
            await wait_until(lambda: by_key(a.records) == {"one": [701]}, "the one record that is left")


async def test_a_compacted_topic_keeps_the_newest_of_each_key(tmp_path: Path) -> None:
    """Superseded records go; every key's newest stays whatever its age; offsets do not change."""
    clock = ManualClock()
    async with open_log(tmp_path / "parley.db", clock) as (bus, _):
        for round_ in range(5):
            await bus.append([snapshot(f"c{n}", f"{round_}".encode()) for n in range(100)])
        before = {record.key: record.offset for record in await read_everything(bus, STATE)}
        clock.now += timedelta(days=400)
        assert await bus.clean() == 400
        left = await read_everything(bus, STATE)
        assert {record.key: record.value for record in left} == {f"c{n}": b"4" for n in range(100)}
        assert {record.key: record.offset for record in left} == before
        assert await bus.clean() == 0


async def test_tombstones_go_after_their_grace(tmp_path: Path) -> None:
    """Until then a slow reader sees the deletion; a key that came back is kept."""
    clock = ManualClock()
    async with open_log(tmp_path / "parley.db", clock, tombstone_grace=3_600) as (bus, _):
        await bus.append([snapshot("gone", b"1"), snapshot("back", b"1"), snapshot("kept", b"1")])
        await bus.append([snapshot("gone", None), snapshot("back", None)])
        await bus.clean()
        seen = {record.key: record.value for record in await read_everything(bus, STATE)}
        assert seen == {"gone": None, "back": None, "kept": b"1"}
        await bus.append([snapshot("back", b"2")])
        clock.now += timedelta(hours=2)
        await bus.clean()
        seen = {record.key: record.value for record in await read_everything(bus, STATE)}
        assert seen == {"back": b"2", "kept": b"1"}
        await bus.append([snapshot("gone", b"3")])
        assert len(await read_everything(bus, STATE)) == 3


async def test_a_follower_catches_up_over_the_holes_of_compaction(tmp_path: Path) -> None:
    """Also when the last records of a partition are gone."""
    clock = ManualClock()
    async with open_log(tmp_path / "parley.db", clock) as (bus, _):
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
    clock = ManualClock()
    async with open_log(tmp_path / "parley.db", clock, clean_every=0.01) as (bus, database):
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
    clock = ManualClock()
    async with open_log(tmp_path / "parley.db", clock) as (bus, _):
        await bus.append([message("one", 0)])
        await bus.create_topics([TopicSpec(WEB, 3, DAY_MS // 24)])
        clock.now += timedelta(hours=2)
        assert await bus.clean() == 1
        with pytest.raises(SetupError):
            await bus.create_topics([TopicSpec(WEB, 3, None)])


# ── clocks that are wrong, and readers that are late ─────────────────────────────────────────────────────────────────


async def test_a_clock_that_jumps_ahead_expires_nothing(tmp_path: Path) -> None:
    """A hundred days for a minute: no record goes, also of those that were written meanwhile, and no tombstone."""
    clock = ManualClock()
    async with open_log(tmp_path / "parley.db", clock) as (bus, _):
        await bus.append([message("one", n) for n in range(5)])
        await bus.append([snapshot("gone", b"1")])
        await bus.append([snapshot("gone", None)])
        await bus.clean()
        clock.wrong = timedelta(days=100)
        clock.now += timedelta(minutes=1)
        assert await bus.clean() == 0
        await bus.append([message("one", 5)])
        assert await bus.clean() == 0
    async with open_log(tmp_path / "parley.db", clock) as (bus, _):
        assert await bus.clean() == 0, "nor does the next process believe it at once"
        clock.wrong = timedelta()
        clock.now += timedelta(minutes=1)
        await bus.append([message("one", 6)])
        assert by_key(await read_everything(bus)) == {"one": list(range(7))}
        clock.now += timedelta(hours=25)
        assert await bus.clean() == 8, "what was stamped with the wrong time goes with those around it"


async def test_after_a_long_pause_the_log_expires_little_by_little(tmp_path: Path) -> None:
    """Two months that nobody saw pass may have been a jump: it takes two and a half days to believe in them."""
    clock = ManualClock()
    async with open_log(tmp_path / "parley.db", clock) as (bus, _):
        await bus.append([message("one", n) for n in range(5)])
        await bus.clean()
    clock.wrong = timedelta(days=60)
    async with open_log(tmp_path / "parley.db", clock) as (bus, _):
        assert await bus.clean() == 0
        clock.now += timedelta(minutes=50)
        assert await bus.clean() == 0
        clock.now += timedelta(minutes=10)
        assert await bus.clean() == 5


async def test_a_clock_that_goes_back_expires_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_log(tmp_path / "parley.db", clock) as (bus, _):
        await bus.append([message("one", 0)])
        clock.wrong = -timedelta(days=100)
        await bus.append([message("one", 1)])
        clock.wrong = timedelta()
        assert await bus.clean() == 0


async def test_records_that_a_group_has_still_to_read_do_not_expire(tmp_path: Path) -> None:
    """However old it is: it was accepted. What it has read goes."""
    clock = ManualClock()
    async with open_log(tmp_path / "parley.db", clock) as (bus, _):
        await bus.append([message("one", n) for n in range(10)])
        async with open_consumer(bus, "workers") as worker:
            await wait_until(lambda: len(worker.records) == 10, "all records")
            clock.now += timedelta(days=3)
            assert await bus.clean() == 0, "it has committed nothing yet"
            await worker.sub.commit({worker.records[4].source: worker.records[4].offset})
            assert await bus.clean() == 4
        clock.now += timedelta(days=59)
        assert await bus.clean() == 0, "a group may be away for a while"


async def test_a_group_that_is_gone_for_good_does_not_hold_the_log(tmp_path: Path) -> None:
    """After sixty days without a member its offsets are forgotten."""
    clock = ManualClock()
    async with open_log(tmp_path / "parley.db", clock) as (bus, database):
        await bus.append([message("one", n) for n in range(10)])
        async with open_consumer(bus, "workers") as worker:
            await wait_until(lambda: len(worker.records) == 10, "all records")
            await worker.sub.commit({worker.records[4].source: worker.records[4].offset})
            await bus.clean()
        clock.now += timedelta(days=61)
        assert await bus.clean() == 10
        assert await database.read(lambda file: file.execute("SELECT count(*) FROM bus_offsets").fetchone()) == (0,)


async def test_expiry_goes_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction deletes more than a few records, so that no append waits long."""
    monkeypatch.setattr(cleaner, "BATCH_RECORDS", 10)
    clock = ManualClock()
    async with open_log(tmp_path / "parley.db", clock) as (bus, database):
        await bus.append([message("one", n) for n in range(95)])
        clock.now += timedelta(days=2)
        deleted: list[int] = []
        await database.write(lambda file: file.set_trace_callback(lambda said: deleted.append("COMMIT" in said)))
        assert await bus.clean() == 95
        await database.write(lambda file: file.set_trace_callback(None))
        assert sum(deleted) >= 10
