"""The embedded database: a disk that fails, and a file that is not ours alone."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from infra.database import Database, DatabaseFailed
from schemas.errors import DatabaseLocked, SetupError
from tests.harness.extra_tables import declare

ROOT = Path(__file__).resolve().parents[2]


def opened(folder: Path) -> Database:
    database = Database.open(folder / "parley.db")
    declare(database, "notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    return database


def add(file: sqlite3.Connection, text: str) -> None:
    file.execute("INSERT INTO notes (text) VALUES (?)", (text,))


async def notes(database: Database) -> list[str]:
    return await database.read(lambda file: [text for (text,) in file.execute("SELECT text FROM notes ORDER BY id")])


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_full_disk_fails_the_batch_and_heals(tmp_path: Path) -> None:
    """No caller of the batch is told that its work is done; when there is room again writes work."""
    database = opened(tmp_path)
    await database.write(lambda file: add(file, "before"))
    await database.write(lambda file: file.execute("PRAGMA max_page_count=1").fetchone())
    results = await asyncio.gather(
        *(database.write(lambda file: add(file, "x" * 10_000)) for _ in range(20)), return_exceptions=True
    )
    assert all(isinstance(result, DatabaseFailed) for result in results)
    assert await notes(database) == ["before"]
    await database.write(lambda file: file.execute("PRAGMA max_page_count=1000000").fetchone())
    await database.write(lambda file: add(file, "after"))
    assert await notes(database) == ["before", "after"]
    await database.close()


IO_ERRORS = """
import asyncio, json, resource, sys
from pathlib import Path
from infra.database import Database, DatabaseFailed
from tests.harness.extra_tables import declare

async def main():
    database = Database.open(Path(sys.argv[1]))
    declare(database, "notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    def add(file, text):
        file.execute("INSERT INTO notes (text) VALUES (?)", (text,))
    acked, failed = [], 0
    for n in range(300):
        if n == 100:  # from here on every write beyond that size is an I/O error
            resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, resource.RLIM_INFINITY))
        if n == 200:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        try:
            await database.write(lambda file: add(file, f"{n} " + "x" * 5_000))
            acked.append(n)
        except DatabaseFailed:
            failed += 1
    await database.close()
    print(json.dumps([acked, failed]))

asyncio.run(main())
"""


async def test_io_errors_fail_the_writes_and_heal_by_themselves(tmp_path: Path) -> None:
    """While the disk errs writes fail; afterwards they work; every acknowledged one is there, in order."""
    path = tmp_path / "parley.db"
    acked, failed = json.loads(await asyncio.to_thread(run, IO_ERRORS, str(path)))
    assert failed == 100
    assert acked[-100:] == list(range(200, 300))
    database = Database.open(path)
    found = [int(text.split()[0]) for text in await notes(database)]
    await database.close()
    assert found == sorted(found)
    assert set(acked) <= set(found)


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_second_process_is_refused_and_told_who_holds_the_file(tmp_path: Path) -> None:
    """With the holder's process id and a fix."""
    database = opened(tmp_path)
    program = """
import sys
from pathlib import Path
from infra.database import Database
from schemas.errors import DatabaseLocked
try:
    Database.open(Path(sys.argv[1]))
except DatabaseLocked as refused:
    print(refused.message, refused.fix)
"""
    told = await asyncio.to_thread(run, program, str(database.path))
    assert f"process {os.getpid()}" in told
    await database.close()


async def test_the_lock_goes_with_its_holder(tmp_path: Path) -> None:
    """Also when the holder was killed; and within one process it holds as well."""
    program = """
import os, signal, sys
from pathlib import Path
from infra.database import Database
Database.open(Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "parley.db"
    died = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program, str(path)], cwd=ROOT)
    assert died.returncode == -9
    database = Database.open(path)
    with pytest.raises(DatabaseLocked):
        Database.open(path)
    await database.close()
    await Database.open(path).close()


def test_files_that_are_not_ours_are_refused_untouched(tmp_path: Path) -> None:
    """Text, and another program's database: SetupError with a fix, and not a byte changes."""
    text = tmp_path / "text.db"
    text.write_bytes(b"not a database at all " * 500)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as file:
        file.execute("CREATE TABLE theirs (id)")
    file.close()
    for path in (text, other):
        before = path.read_bytes()
        with pytest.raises(SetupError) as refused:
            Database.open(path)
        assert refused.value.fix
        assert path.read_bytes() == before


async def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    """It holds conversations: the file, its companions and a new folder are for their owner alone."""
    path = tmp_path / "new" / "parley.db"
    database = Database.open(path)
    declare(database, "notes (id INTEGER PRIMARY KEY)")
    modes = {entry.name: entry.stat().st_mode & 0o077 for entry in [path.parent, *path.parent.iterdir()]}
    await database.close()
    assert set(modes) >= {"parley.db", "parley.db-wal", "parley.db.lock"}
    assert not any(modes.values())
