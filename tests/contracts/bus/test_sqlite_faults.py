"""The embedded log under kill -9, on a disk that fails, and with a file that is not what it was."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.envelope import Envelope
from schemas.errors import BusUnavailable, UndecodableRecord
from tests.contracts.bus.embedded_bus import open_log, read_everything
from tests.contracts.bus.engines import open_sqlite
from tests.contracts.bus.recording_consumer import by_key, message, open_consumer, wait_until

ROOT = Path(__file__).resolve().parents[3]
KILLS = 10


# ── crashes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def killed_while_appending(path: Path, run: int) -> dict[str, int]:
    """Kill -9 a writer after some hundred acknowledged appends; returns the last acknowledged number by key."""
    command = [sys.executable, "-m", "tests.contracts.bus.crashing_appender", str(path), "", str(run)]
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
            found = by_key(await read_everything(bus))
        assert all(numbers == list(range(len(numbers))) for numbers in found.values())
        assert all(len(numbers) % 2 == 0 for numbers in found.values())
        lost = {key: last for key, last in acked.items() if len(found.get(key, [])) <= last}
        assert not lost


async def test_a_torn_end_of_the_write_ahead_log_costs_only_what_was_torn(tmp_path: Path) -> None:
    """With its last frame cut in half, the log opens and holds exactly what came before."""
    copy = tmp_path / "copy"
    copy.mkdir()
    async with open_log(tmp_path / "parley.db") as (bus, _):
        for number in range(20):
            await bus.append([message("one", number)])
        for name in ("parley.db", "parley.db-wal"):
            shutil.copy(tmp_path / name, copy / name)
    wal = copy / "parley.db-wal"
    with wal.open("r+b") as file:
        file.truncate(wal.stat().st_size - 2_000)
    async with open_log(copy / "parley.db") as (bus, _):
        assert by_key(await read_everything(bus)) == {"one": list(range(19))}
        await bus.append([message("one", 19)])
        assert by_key(await read_everything(bus)) == {"one": list(range(20))}


# ── a file or a disk that fails ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_full_disk_refuses_and_heals(tmp_path: Path) -> None:
    """BusUnavailable while there is no room; afterwards appends work, and what was acknowledged is all there."""
    async with open_log(tmp_path / "parley.db") as (bus, database), open_consumer(bus, "workers") as a:
        await bus.append([message("one", 0)])
        await database.write(lambda file: file.execute("PRAGMA max_page_count=1").fetchone())
        with pytest.raises(BusUnavailable):
            await bus.append([message("one", 1, data=b"9" * 500_000)])
        await database.write(lambda file: file.execute("PRAGMA max_page_count=1000000").fetchone())
        await bus.check_ready()
        await bus.append([message("one", 1)])
        await wait_until(lambda: by_key(a.records) == {"one": [0, 1]}, "both records")


async def test_one_bad_moment_does_not_shift_offsets(tmp_path: Path) -> None:
    """Refused appends take no offsets: those of the next ones go on where they were."""
    async with open_log(tmp_path / "parley.db") as (bus, database):
        [first] = await bus.append([message("one", 0)])
        await database.write(lambda file: file.execute("PRAGMA max_page_count=1").fetchone())
        with pytest.raises(BusUnavailable):
            await bus.append([message("one", 1, data=b"9" * 500_000)])
        await database.write(lambda file: file.execute("PRAGMA max_page_count=1000000").fetchone())
        [second] = await bus.append([message("one", 2)])
        assert second.offset == first.offset + 1


async def test_a_record_whose_bytes_have_changed_cannot_be_decoded(tmp_path: Path) -> None:
    """It is handed out with its raw bytes but without its headers, so that it is dead-lettered and not believed."""
    path = tmp_path / "parley.db"
    async with open_log(path) as (bus, _):
        await bus.append([message("one", 1), message("one", 2)])
    with sqlite3.connect(path) as file:
        file.execute("UPDATE bus_records SET value = x'37' WHERE value = x'31'")
    file.close()
    async with open_log(path) as (bus, _):
        damaged, whole = await read_everything(bus)
        with pytest.raises(UndecodableRecord):
            Envelope.from_wire(damaged.headers, damaged.value)
        assert damaged.value == b"7"
        assert Envelope.from_wire(whole.headers, whole.value) == message("one", 2)
