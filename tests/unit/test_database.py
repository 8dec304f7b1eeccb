"""The embedded database: group commit, isolation of each work, failure and recovery, one process at a time."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from infra.database import Database, DatabaseFailed, committer
from schemas.errors import DatabaseLocked, SetupError

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database.open(tmp_path / "parley.db")
    database.declare("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    yield database
    await database.close()


def add(file: sqlite3.Connection, text: str) -> int:
    return file.execute("INSERT INTO notes (text) VALUES (?)", (text,)).lastrowid or 0


async def notes(database: Database) -> list[str]:
    return await database.read(lambda file: [text for (text,) in file.execute("SELECT text FROM notes ORDER BY id")])


class Gate:
    """A work that holds the writer until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, file: sqlite3.Connection) -> None:
        self.reached.set()
        assert self.open.wait(PATIENCE_S)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_write_returns_its_result_and_is_seen_by_reads(database: Database) -> None:
    """What returned is committed."""
    assert await database.write(lambda file: add(file, "one")) == 1
    assert await notes(database) == ["one"]


async def test_works_run_in_the_order_they_were_asked_for(database: Database) -> None:
    """Each sees what those before it did, committed or not."""
    counts = await asyncio.gather(*(database.write(count_and_add) for _ in range(300)))
    assert counts == list(range(300))


def count_and_add(file: sqlite3.Connection) -> int:
    (count,) = file.execute("SELECT count(*) FROM notes").fetchone()
    add(file, str(count))
    return int(count)


async def test_a_failing_work_undoes_itself_alone(database: Database) -> None:
    """Of a hundred works in flight every third fails half-way: its caller gets its error, the others their results."""

    def half(n: int, file: sqlite3.Connection) -> int:
        add(file, f"{n}")
        if n % 3 == 0:
            raise ValueError(f"work {n}")
        add(file, f"{n}")
        return n

    results = await asyncio.gather(*(database.write(partial(half, n)) for n in range(100)), return_exceptions=True)
    assert [str(result) for result in results] == [str(n) if n % 3 else f"work {n}" for n in range(100)]
    assert all(isinstance(result, ValueError) for result in results[::3])
    assert await notes(database) == [f"{n}" for n in range(100) if n % 3 for _ in range(2)]


async def test_a_statement_that_fails_is_its_caller_s_affair(database: Database) -> None:
    """A broken constraint is not a broken database."""
    await database.write(lambda file: add(file, "one"))
    with pytest.raises(sqlite3.IntegrityError):
        await database.write(lambda file: file.execute("INSERT INTO notes VALUES (1, 'again')"))
    assert await notes(database) == ["one"]


async def test_what_waits_is_committed_together(database: Database) -> None:
    """Five hundred writes at once need a handful of commits, and one wake-up of the loop each."""
    statements: list[str] = []
    await database.write(lambda file: file.set_trace_callback(statements.append))
    gate = Gate()
    holding = asyncio.create_task(database.write(gate))
    await asyncio.to_thread(gate.reached.wait, PATIENCE_S)
    statements.clear()
    writes = [asyncio.create_task(database.write(lambda file: add(file, "x"))) for _ in range(500)]
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(holding, *writes)
    assert statements.count("COMMIT") == 2


async def test_only_durable_works_pay_for_an_fsync(database: Database) -> None:
    """The transaction is FULL when any of its works is durable, NORMAL when none is."""

    def setting(file: sqlite3.Connection) -> int:
        return int(file.execute("PRAGMA synchronous").fetchone()[0])

    assert await database.write(setting) == 2
    assert await database.write(setting, durable=False) == 1
    gate = Gate()
    holding = asyncio.create_task(database.write(gate))
    await asyncio.to_thread(gate.reached.wait, PATIENCE_S)
    both = [asyncio.create_task(database.write(setting, durable=durable)) for durable in (False, True)]
    await asyncio.sleep(0)
    gate.open.set()
    await holding
    assert await asyncio.gather(*both) == [2, 2]


async def test_a_cancelled_caller_leaves_a_work_done_or_not_done(database: Database) -> None:
    """Never half of it, and the others are not touched."""

    def pair(n: int, file: sqlite3.Connection) -> None:
        add(file, f"{n}")
        add(file, f"{n}")

    tasks = [asyncio.create_task(database.write(partial(pair, n))) for n in range(200)]
    await asyncio.sleep(0.002)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    found = await notes(database)
    assert found[::2] == found[1::2]
    assert {f"{n}" for n in range(1, 200, 2)} <= set(found)


async def test_a_queue_that_grows_too_long_refuses(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded when the disk hangs; what was queued is still done."""
    monkeypatch.setattr(committer, "QUEUED_WORKS", 50)
    gate = Gate()
    holding = asyncio.create_task(database.write(gate))
    await asyncio.to_thread(gate.reached.wait, PATIENCE_S)
    tasks = [asyncio.create_task(database.write(lambda file: add(file, "x"))) for _ in range(80)]
    await asyncio.sleep(0)
    gate.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [result for result in results if isinstance(result, DatabaseFailed)]
    await holding
    assert len(refused) == 30
    assert refused[0].retryable
    assert len(await notes(database)) == 50


async def test_closing_finishes_what_is_queued(tmp_path: Path) -> None:
    """And what comes later is refused."""
    database = Database.open(tmp_path / "own.db")
    database.declare("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    writes = [asyncio.create_task(database.write(lambda file: add(file, "x"))) for _ in range(50)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*writes)
    with pytest.raises(DatabaseFailed):
        await database.write(lambda file: add(file, "late"))
    with pytest.raises(DatabaseFailed):
        await database.read(lambda file: None)
    again = Database.open(tmp_path / "own.db")
    assert len(await notes(again)) == 50
    await again.close()


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_read_sees_one_moment(database: Database) -> None:
    """Writes that are committed while it runs do not show."""
    await database.write(lambda file: add(file, "one"))
    begun, go_on = threading.Event(), threading.Event()

    def twice(file: sqlite3.Connection) -> tuple[int, int]:
        (first,) = file.execute("SELECT count(*) FROM notes").fetchone()
        begun.set()
        assert go_on.wait(PATIENCE_S)
        (second,) = file.execute("SELECT count(*) FROM notes").fetchone()
        return first, second

    reading = asyncio.create_task(database.read(twice))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    await database.write(lambda file: add(file, "two"))
    go_on.set()
    assert await reading == (1, 1)
    assert await notes(database) == ["one", "two"]


async def test_a_read_cannot_write(database: Database) -> None:
    """There is one writer."""
    with pytest.raises(DatabaseFailed, match="readonly"):
        await database.read(lambda file: add(file, "x"))


# ── the write-ahead log ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_write_ahead_log_stays_small_under_load(database: Database) -> None:
    """120 MB go through it; it never holds nearly that much, and shrinks when the load is over."""
    wal = database.path.with_name("parley.db-wal")
    text = "x" * 100_000
    largest = 0
    for _ in range(60):
        await asyncio.gather(*(database.write(lambda file: add(file, text)) for _ in range(20)))
        largest = max(largest, wal.stat().st_size)
        await database.write(lambda file: file.execute("DELETE FROM notes").rowcount)
        await asyncio.sleep(0.03)  # the pace of the load, not a wait for anything
    assert largest < 80_000_000
    async with asyncio.timeout(PATIENCE_S):
        while wal.stat().st_size > 8_000_000:
            await database.write(lambda file: add(file, "small"))


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_full_disk_fails_the_batch_and_heals(database: Database) -> None:
    """No caller of the batch is told that its work is done; when there is room again writes work."""
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


IO_ERRORS = """
import asyncio, json, resource, sys
from pathlib import Path
from infra.database import Database, DatabaseFailed

async def main():
    database = Database.open(Path(sys.argv[1]))
    database.declare("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
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


async def test_a_second_process_is_refused_and_told_who_holds_the_file(database: Database) -> None:
    """With the holder's process id and a fix."""
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
    database.declare("CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    modes = {entry.name: entry.stat().st_mode & 0o077 for entry in [path.parent, *path.parent.iterdir()]}
    await database.close()
    assert set(modes) >= {"parley.db", "parley.db-wal", "parley.db.lock"}
    assert not any(modes.values())
