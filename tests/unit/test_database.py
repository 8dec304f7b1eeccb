"""The embedded database: group commit, isolation of each work, failure and recovery, one process at a time."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from infra.database import Database, DatabaseFailed, committer
from infra.database.file import WAL_BYTES
from tests.harness.extra_tables import declare

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database.open(tmp_path / "parley.db")
    declare(database, "notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    yield database
    await database.close()


def add(file: sqlite3.Connection, text: str) -> int:
    return file.execute("INSERT INTO notes (text) VALUES (?)", (text,)).lastrowid or 0


async def notes(database: Database) -> list[str]:
    return await database.read(lambda file: [text for (text,) in file.execute("SELECT text FROM notes ORDER BY id")])


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


async def test_waiting_writes_are_committed_together(database: Database) -> None:
    """Five hundred writes at once need a few commits, not five hundred."""
    statements: list[str] = []
    await database.write(lambda file: file.set_trace_callback(statements.append))
    await asyncio.gather(*(database.write(lambda file: add(file, "x")) for _ in range(500)))
    await database.write(lambda file: file.set_trace_callback(None))
    assert 1 < statements.count("COMMIT") < 50


async def test_a_long_batch_does_not_keep_the_loop(database: Database) -> None:
    """Works that take a second together leave the loop to others in between."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await asyncio.gather(*(database.write(lambda file: time.sleep(0.01)) for _ in range(50)))
    counting.cancel()
    assert turns >= 50


async def test_only_durable_works_pay_for_an_fsync(database: Database) -> None:
    """The transaction is FULL when any of its works is durable, NORMAL when none is."""

    def setting(file: sqlite3.Connection) -> int:
        return int(file.execute("PRAGMA synchronous").fetchone()[0])

    assert await database.write(setting) == 2
    assert await database.write(setting, durable=False) == 1
    both = await asyncio.gather(database.write(setting, durable=False), database.write(setting))
    assert list(both) == [2, 2]


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
    results = await asyncio.gather(
        *(database.write(lambda file: add(file, "x")) for _ in range(80)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, DatabaseFailed)]
    assert len(refused) == 30
    assert refused[0].retryable
    assert len(await notes(database)) == 50


async def test_closing_finishes_what_is_queued(tmp_path: Path) -> None:
    """And what comes later is refused."""
    database = Database.open(tmp_path / "own.db")
    declare(database, "notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
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
    """Writes that are committed while it runs, in its thread, do not show."""
    await database.write(lambda file: add(file, "one"))
    begun, go_on = threading.Event(), threading.Event()

    def twice(file: sqlite3.Connection) -> tuple[int, int]:
        (first,) = file.execute("SELECT count(*) FROM notes").fetchone()
        begun.set()
        assert go_on.wait(PATIENCE_S)
        (second,) = file.execute("SELECT count(*) FROM notes").fetchone()
        return first, second

    reading = asyncio.create_task(database.read(twice, background=True))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    await database.write(lambda file: add(file, "two"))
    go_on.set()
    assert await reading == (1, 1)
    assert await notes(database) == ["one", "two"]


async def test_a_burst_of_reads_leaves_few_connections_open(database: Database) -> None:
    """Four reads at the same moment need four connections; three are kept, and the next reads use those."""
    burst = threading.Barrier(4)

    def meet(file: sqlite3.Connection) -> sqlite3.Connection:
        burst.wait(PATIENCE_S)
        return file

    used = await asyncio.gather(*(database.read(meet, background=True) for _ in range(4)))
    kept = [file for file in used if is_open(file)]
    assert len(set(used)) == 4
    assert len(kept) == 3
    assert await database.read(lambda file: file) in kept


def is_open(file: sqlite3.Connection) -> bool:
    try:
        file.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return False
    return True


async def test_a_read_cannot_write(database: Database) -> None:
    """There is one writer."""
    with pytest.raises(DatabaseFailed, match="readonly"):
        await database.read(lambda file: add(file, "x"))


# ── the write-ahead log ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_write_ahead_log_stays_bounded_under_load(database: Database) -> None:
    """120 MB go through it; it never holds nearly that much, and starts over when the load is over."""
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
        while wal.stat().st_size > WAL_BYTES:
            await database.write(lambda file: add(file, "small"))
