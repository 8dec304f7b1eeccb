"""The one writer: waiting requests run in one transaction, and are answered when it is on disk."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog

from infra.database.file import DatabaseFailed, connect, is_broken, is_damage

# A thread for jobs that wait for the disk.

Done = Callable[[Any, Exception | None], None]
Job = tuple[Callable[[], Any], Done, asyncio.AbstractEventLoop]


class DiskThread:
    """Runs jobs one after the other, and passes the results to the event loop. Lighter than an executor's futures."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="parley-disk", daemon=True)
        self._thread.start()

    def run(self, job: Callable[[], Any], done: Done) -> None:
        """``done(result, error)`` is called on the running loop."""
        self._jobs.put((job, done, asyncio.get_running_loop()))

    def stop(self) -> None:
        """Finish, then end the thread. Blocks."""
        self._jobs.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, done, loop = item
            result, error = None, None
            try:
                result = job()
            except Exception as failure:
                error = failure
            try:
                loop.call_soon_threadsafe(done, result, error)
            except RuntimeError:
                log.warning("database.nobody_waits")  # that loop is closed


T = TypeVar("T")
log = structlog.get_logger(__name__)

SLICE_S = 0.005
"""Seconds that one batch may occupy the event loop; the rest goes into the next batch."""
QUEUED_WORKS = 20_000
PATIENCE_S = 5.0
"""Seconds that callers wait for a disk that does not respond. After that they get an error, and new calls are refused
at once until it responds."""
_SILENT = f"the disk has not answered for {PATIENCE_S:g} s"
YIELD_EVERY_S = 0.002
YIELD_S = 0.0001


class Committer:
    """Group commit: while one transaction reaches the disk, the next one gathers.

    The statements run on the event loop, in memory and for microseconds; only the commit, which waits for the disk, has
    a thread. If the statements ran in a thread too, each would have to win the interpreter back from a busy loop, up to
    5 ms every time: under load a batch of a few hundred statements would take seconds.

    A file whose fsync has failed cannot be trusted to hold what was written before (the kernel may have dropped those
    pages), so after an I/O error the connection is discarded, and a new one must first bring the whole write-ahead log
    into the database. Until that works every write fails; nothing else has to be done to recover."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._disk = DiskThread()
        self._connection: sqlite3.Connection | None = connect(path)
        self._dropped: list[sqlite3.Connection] = []
        self._synchronous = "FULL"
        self._waiting: deque[WriteRequest] = deque()
        self._jobs: deque[Callable[[sqlite3.Connection], None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._yield_timer: asyncio.TimerHandle
        self._busy = False
        self._busy_since = 0.0
        self._under_way: list[WriteRequest] = []
        self._late = False
        self._scheduled = False
        self._idle = asyncio.Event()
        self.on_commit: Callable[[], None] = lambda: None
        self.on_reopen: Callable[[], None] = lambda: None
        self.on_damage: Callable[[], None] = lambda: None

    def submit(self, work: WriteRequest) -> None:
        """Queue a request. Raises DatabaseFailed when too many wait already, and while the disk does not answer."""
        if self._late:
            raise DatabaseFailed(_SILENT, retry_after_ms=1_000)
        if len(self._waiting) >= QUEUED_WORKS:
            raise DatabaseFailed("too many writes are waiting for the disk", retry_after_ms=2_000)
        self._loop = work.future.get_loop()
        self._waiting.append(work)
        self._schedule()

    def checkpoint(self) -> None:
        """Between two transactions, copy the rest of the write-ahead log into the database, so that it can start over.

        May be called from any thread."""
        self._from_thread(partial(self._queue_job, _checkpoint))

    def maintain(self, job: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run ``job`` alone, in a thread, however long it takes. It begins and ends transactions itself; the future
        raises what it raises."""
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = self._loop.create_future()

        def run(connection: sqlite3.Connection) -> None:
            try:
                deliver = partial(_answer, future, job(connection))
            except Exception as error:
                deliver = partial(_answer, future, None, error)
            future.get_loop().call_soon_threadsafe(deliver)

        self._queue_job(run)
        return future

    def suspect(self, error: BaseException) -> None:
        """Another fsync of the file has failed. May be called from any thread."""
        self._from_thread(partial(self._queue_job, partial(_raise, error)))

    async def close(self) -> None:
        """Finish the queue, then close."""
        self._idle.clear()
        self._schedule()
        await self._idle.wait()
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        self._disk.stop()
        self._close_dropped()
        if self._connection is not None:
            _close(self._connection)

    # ── turns of the event loop ──────────────────────────────────────────────────────────────────────────────────────

    def _from_thread(self, call: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    def _queue_job(self, job: Callable[[sqlite3.Connection], None]) -> None:
        self._jobs.append(job)
        self._schedule()

    def _schedule(self) -> None:
        """Soon, not now: other requests of this turn of the loop go into the same transaction."""
        if not self._busy and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if not self._waiting and not self._jobs:
            self._idle.set()
        elif self._connection is None:
            self._on_disk(self._reopen, self._on_reopened)
        elif self._jobs:
            self._on_disk(partial(self._jobs.popleft(), self._connection), self._job_done)
        else:
            self._transact(self._connection)

    def _on_disk(self, job: Callable[[], Any], done: Callable[[Any, Exception | None], None]) -> None:
        self._busy = True
        self._busy_since = time.monotonic()
        self._schedule_yield(YIELD_EVERY_S)
        self._disk.run(job, partial(self._on_job_returned, done))

    def _schedule_yield(self, delay: float) -> None:
        self._yield_timer = asyncio.get_running_loop().call_later(delay, self._yield_interpreter, delay)

    def _yield_interpreter(self, delay: float) -> None:
        """Sleep briefly, because a loop that is never idle takes the interpreter back faster than a thread wakes up."""
        time.sleep(YIELD_S)
        self._schedule_yield(min(2 * delay, 10 * YIELD_EVERY_S))
        if not self._late and time.monotonic() - self._busy_since > PATIENCE_S:
            self._late = True
            self._fail_waiting()

    def _fail_waiting(self) -> None:
        """Fail all waiting calls because the disk does not respond. Running writes may complete anyway."""
        log.error("database.disk_silent", seconds=PATIENCE_S, works=len(self._under_way) + len(self._waiting))
        for work in (*self._under_way, *self._waiting):
            if not work.patient and not work.future.done():
                work.future.set_exception(DatabaseFailed(_SILENT))
        self._waiting = deque(work for work in self._waiting if work.patient)

    def _on_job_returned(
        self, done: Callable[[Any, Exception | None], None], result: Any, error: Exception | None
    ) -> None:
        self._busy = self._late = False
        self._yield_timer.cancel()
        done(result, error)
        self._schedule()

    def _job_done(self, _: None, error: Exception | None) -> None:
        if error is not None:
            self._drop(error)

    # ── transactions ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _transact(self, connection: sqlite3.Connection) -> None:
        batch: list[WriteRequest] = []
        try:
            self._set_synchronous(connection, "FULL" if any(work.durable for work in self._waiting) else "NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            self._run_waiting(connection, batch)
        except Exception as error:
            self._on_committed(batch, None, error)
            self._schedule()
        else:
            self._under_way = batch
            # As a statement it would have to win the interpreter back several times.
            self._on_disk(connection.commit, partial(self._on_committed, batch))

    def _set_synchronous(self, connection: sqlite3.Connection, mode: str) -> None:
        if mode != self._synchronous:
            connection.execute(f"PRAGMA synchronous={mode}")
            self._synchronous = mode

    def _run_waiting(self, connection: sqlite3.Connection, batch: list[WriteRequest]) -> None:
        until = time.monotonic() + SLICE_S
        while self._waiting:
            work = self._waiting.popleft()
            if work.future.done():
                continue
            batch.append(work)
            _run(connection, work)
            if time.monotonic() > until:
                break

    def _on_committed(self, batch: list[WriteRequest], _: object, error: Exception | None) -> None:
        self._under_way = []
        if error is None:
            self.on_commit()
        else:
            self._undo(error)
            _fail(batch, error)
        for work in batch:
            work.resolve()

    # ── failure and recovery ─────────────────────────────────────────────────────────────────────────────────────────

    def _undo(self, error: Exception) -> None:
        if is_damage(error):
            self.on_damage()
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL and self._connection is not None:
            # Nothing reached the disk half-way: a rollback is enough.
            try:
                self._connection.rollback()
                return
            except sqlite3.Error:
                pass
        self._drop(error)

    def _drop(self, error: Exception) -> None:
        if self._connection is not None:
            log.error("database.connection_dropped", reason=str(error))
            self._dropped.append(self._connection)
            self._connection = None

    def _reopen(self) -> sqlite3.Connection:
        self._close_dropped()
        self.on_reopen()
        connection = connect(self._path)
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise sqlite3.OperationalError("readers still prevent the recovery")
        except BaseException:
            connection.close()
            raise
        return connection

    def _on_reopened(self, connection: sqlite3.Connection | None, error: Exception | None) -> None:
        if error is None:
            log.warning("database.recovered")
            self._connection, self._synchronous = connection, "FULL"
            return
        waiting, self._waiting = list(self._waiting), deque()
        self._jobs.clear()
        _fail(waiting, error)
        for work in waiting:
            work.resolve()

    def _close_dropped(self) -> None:
        while self._dropped:
            _close(self._dropped.pop())


def _run(connection: sqlite3.Connection, work: WriteRequest) -> None:
    connection.execute("SAVEPOINT work")
    try:
        work.result = work.run(connection)
    except Exception as error:
        if is_broken(error) or is_damage(error) or not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO work")
        work.error = error
    connection.execute("RELEASE work")


def _fail(batch: list[WriteRequest], error: Exception) -> None:
    log.error("database.write_failed", works=len(batch), reason=str(error))
    for work in batch:
        failed = DatabaseFailed(f"the database could not be written: {error}")
        failed.__cause__ = error
        work.result, work.error = None, failed


def _answer(future: asyncio.Future[Any], result: Any, error: Exception | None = None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _checkpoint(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def _raise(error: BaseException, _: sqlite3.Connection) -> None:
    raise error


def _close(connection: sqlite3.Connection) -> None:
    try:
        connection.close()
    except sqlite3.Error as error:
        log.warning("database.close_failed", reason=str(error))


# One request to the writer.
@dataclass(slots=True, eq=False)
class WriteRequest:
    """One caller's part of a transaction, and where its result goes."""

    run: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    durable: bool
    patient: bool = False
    result: Any = None
    error: BaseException | None = None

    def resolve(self) -> None:
        if self.future.done():
            return  # the caller has given up waiting
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)
