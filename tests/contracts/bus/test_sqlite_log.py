"""What only the embedded log has to show: crashes, its own housekeeping, and a file that is not what it was."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from infra.bus.sqlite import SqliteBus
from infra.database import Database
from schemas.envelope import Envelope
from schemas.errors import BusUnavailable, Fenced, SetupError, UndecodableRecord
from schemas.ports import Bus, Record, TopicPartition
from schemas.topics import DAY_MS, STATE, TopicSpec
from tests.contracts.bus.consumer import NOON, PATIENCE_S, by_key, consuming, eventually, message, nothing, snapshot
from tests.contracts.bus.engines import TOPICS, WEB, open_sqlite

ROOT = Path(__file__).resolve().parents[3]
KILLS = 10


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def log(
    path: Path,
    clock: Hands | None = None,
    *,
    drain_budget: float = 60,
    clean_every: float = 3_600,
    tombstone_grace: float = 86_400,
) -> AsyncIterator[tuple[SqliteBus, Database]]:
    database = Database.open(path)
    bus = SqliteBus(
        database,
        clock=clock or Hands(),
        drain_budget=drain_budget,
        clean_every=clean_every,
        tombstone_grace=tombstone_grace,
    )
    try:
        await bus.start()
        await bus.create_topics(TOPICS)
        yield bus, database
    finally:
        await bus.close()
        await database.close()


async def everything(bus: Bus, topic: str = WEB) -> list[Record]:
    return [record async for record in await bus.read(topic)]


# ── crashes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def killed_while_appending(path: Path, run: int) -> dict[str, int]:
    """Kill -9 a writer after some hundred acknowledged appends; returns the last acknowledged number by key."""
    command = [sys.executable, "-m", "tests.contracts.bus.crashing", str(path), "", str(run)]
    acked: dict[str, int] = {}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        enough = random.randint(1, 400)
        for count, line in enumerate(process.stdout):
            if count == enough:
                process.kill()
            if line.endswith("\n"):
                key, number = line.split()
                acked[key] = int(number)
    assert process.returncode == -9
    assert acked
    return acked


async def test_every_acknowledged_append_survives_kill_9(tmp_path: Path) -> None:
    """After each of ten kills all acknowledged records are there, without gaps, pairs whole, and the log goes on."""
    path = tmp_path / "parley.db"
    acked: dict[str, int] = {}
    for run in range(KILLS):
        acked |= await asyncio.to_thread(killed_while_appending, path, run)
        async with open_sqlite(path, "")() as bus:
            found = by_key(await everything(bus))
        assert all(numbers == list(range(len(numbers))) for numbers in found.values())
        assert all(len(numbers) % 2 == 0 for numbers in found.values())
        lost = {key: last for key, last in acked.items() if len(found.get(key, [])) <= last}
        assert not lost


async def test_a_torn_end_of_the_write_ahead_log_costs_only_what_was_torn(tmp_path: Path) -> None:
    """With its last frame cut in half, the log opens and holds exactly what came before."""
    copy = tmp_path / "copy"
    copy.mkdir()
    async with log(tmp_path / "parley.db") as (bus, _):
        for number in range(20):
            await bus.append([message("one", number)])
        for name in ("parley.db", "parley.db-wal"):
            shutil.copy(tmp_path / name, copy / name)
    wal = copy / "parley.db-wal"
    with wal.open("r+b") as file:
        file.truncate(wal.stat().st_size - 2_000)
    async with log(copy / "parley.db") as (bus, _):
        assert by_key(await everything(bus)) == {"one": list(range(19))}
        await bus.append([message("one", 19)])
        assert by_key(await everything(bus)) == {"one": list(range(20))}


# ── a file or a disk that fails ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_full_disk_refuses_and_heals(tmp_path: Path) -> None:
    """BusUnavailable while there is no room; afterwards appends work, and what was acknowledged is all there."""
    async with log(tmp_path / "parley.db") as (bus, database), consuming(bus, "workers") as a:
        await bus.append([message("one", 0)])
        await database.write(lambda file: file.execute("PRAGMA max_page_count=1").fetchone())
        with pytest.raises(BusUnavailable):
            await bus.append([message("one", 1, data=b"9" * 500_000)])
        await database.write(lambda file: file.execute("PRAGMA max_page_count=1000000").fetchone())
        await bus.ready()
        await bus.append([message("one", 1)])
        await eventually(lambda: by_key(a.records) == {"one": [0, 1]}, "both records")


async def test_one_bad_moment_does_not_shift_offsets(tmp_path: Path) -> None:
    """Refused appends take no offsets: those of the next ones go on where they were."""
    async with log(tmp_path / "parley.db") as (bus, database):
        [first] = await bus.append([message("one", 0)])
        await database.write(lambda file: file.execute("PRAGMA max_page_count=1").fetchone())
        with pytest.raises(BusUnavailable):
            await bus.append([message("one", 1, data=b"9" * 500_000)])
        await database.write(lambda file: file.execute("PRAGMA max_page_count=1000000").fetchone())
        [second] = await bus.append([message("one", 2)])
        assert second.offset == first.offset + 1


async def test_a_damaged_file_is_refused_with_a_fix(tmp_path: Path) -> None:
    """Overwritten pages are noticed before anything is written."""
    path = tmp_path / "parley.db"
    async with log(path) as (bus, _):
        await bus.append([message(f"key-{n}", n, data=bytes(2_000)) for n in range(300)])
    with path.open("r+b") as file:
        file.seek(8 * 4096)
        file.write(random.randbytes(40 * 4096))
    with pytest.raises(SetupError) as refused:
        async with log(path):
            pass
    assert refused.value.fix


async def test_a_record_whose_bytes_have_changed_cannot_be_decoded(tmp_path: Path) -> None:
    """It is handed out with its raw bytes but without its headers, so that it is dead-lettered and not believed."""
    path = tmp_path / "parley.db"
    async with log(path) as (bus, _):
        await bus.append([message("one", 1), message("one", 2)])
    with sqlite3.connect(path) as file:
        file.execute("UPDATE bus_records SET value = x'37' WHERE value = x'31'")
    file.close()
    async with log(path) as (bus, _):
        damaged, whole = await everything(bus)
        with pytest.raises(UndecodableRecord):
            Envelope.from_wire(damaged.headers, damaged.value)
        assert damaged.value == b"7"
        assert Envelope.from_wire(whole.headers, whole.value) == message("one", 2)


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


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_poll_holds_a_bounded_number_of_bytes(tmp_path: Path) -> None:
    """Sixty records of 0.9 MB come in several polls, none of them over 12 MB, in order."""
    async with log(tmp_path / "parley.db") as (bus, _):
        for number in range(60):
            await bus.append([message("one", number, data=b"%d" % number + b" " * 900_000)])
        a = Quiet()
        subscription = await bus.subscribe([WEB], "workers", a)
        found: list[Record] = []
        while len(found) < 60:
            some = await subscription.poll(max_records=500, timeout=PATIENCE_S)
            assert some
            assert sum(record.size for record in some) < 12_000_000
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
