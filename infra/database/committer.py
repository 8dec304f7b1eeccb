"""The one writer: a thread that runs what waits in one transaction, and answers when that is on disk."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from infra.database.file import DatabaseFailed, connect, is_broken

log = structlog.get_logger(__name__)

BATCH_WORKS = 1_000
QUEUED_WORKS = 20_000


@dataclass(slots=True, eq=False)
class Work:
    """One caller's piece of a transaction, and where its result goes."""

    run: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    durable: bool
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():
            return  # the caller has given up waiting
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Committer:
    """Group commit: while one transaction reaches the disk, the next one gathers.

    A file whose fsync has failed cannot be trusted to hold what was written before (the kernel may have dropped those
    pages), so after an I/O error the connection is thrown away, and a new one must first bring the whole write-ahead
    log into the database. Until that works every batch fails; nothing else has to be done for it to heal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[Work | Callable[[], None] | None] = queue.SimpleQueue()
        self._connection: sqlite3.Connection | None = connect(path)
        self._suspect = False
        self._synchronous = "FULL"
        self.on_commit: Callable[[], None] = lambda: None
        self.on_reopen: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._serve, name="parley-database", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Queue one work. Raises DatabaseFailed when too much waits already (the disk does not keep up)."""
        if self._queue.qsize() >= QUEUED_WORKS:
            raise DatabaseFailed("too many writes wait for the disk", retry_after_ms=2_000)
        self._queue.put(work)

    def between(self, job: Callable[[], None]) -> None:
        """Run ``job`` in the writer's thread between two transactions. It must not raise."""
        self._queue.put(job)

    def checkpoint(self) -> None:
        """Copy what is left of the write-ahead log into the database, so that the log can start over."""
        if self._connection is not None:
            try:
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.Error as error:
                self.distrust(error)

    def distrust(self, error: BaseException) -> None:
        """Throw the connection away; the next batch must make it good. Only between two transactions."""
        log.error("database.connection_dropped", reason=str(error))
        self._close()
        self._suspect = True

    def stop(self) -> None:
        """Finish what is queued, then end the thread. Blocks."""
        self._queue.put(None)
        self._thread.join()

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _serve(self) -> None:
        stopping = False
        while not stopping:
            item = self._queue.get()
            batch: list[Work] = []
            while True:
                if item is None:
                    stopping = True
                    break
                if not isinstance(item, Work):
                    self._commit(batch)
                    batch = []
                    item()
                elif not item.future.cancelled():
                    batch.append(item)
                if len(batch) >= BATCH_WORKS:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            self._commit(batch)
        self._close()

    def _commit(self, batch: list[Work]) -> None:
        if not batch:
            return
        try:
            self._transact(batch)
        except Exception as error:
            self._roll_back(error)
            self._fail(batch, error)
        else:
            self.on_commit()
        _deliver(batch)

    def _transact(self, batch: list[Work]) -> None:
        connection = self._usable()
        self._set_synchronous(connection, "FULL" if any(work.durable for work in batch) else "NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        for work in batch:
            self._run(connection, work)
        connection.execute("COMMIT")

    def _run(self, connection: sqlite3.Connection, work: Work) -> None:
        connection.execute("SAVEPOINT work")
        try:
            work.result = work.run(connection)
        except BaseException as error:
            if is_broken(error) or not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO work")
            work.error = error
        connection.execute("RELEASE work")

    def _set_synchronous(self, connection: sqlite3.Connection, wanted: str) -> None:
        if wanted != self._synchronous:
            connection.execute(f"PRAGMA synchronous={wanted}")
            self._synchronous = wanted

    # ── failure and recovery ─────────────────────────────────────────────────────────────────────────────────────────

    def _fail(self, batch: list[Work], error: BaseException) -> None:
        log.error("database.write_failed", works=len(batch), reason=str(error))
        for work in batch:
            failed = DatabaseFailed(f"the database could not be written: {error}")
            failed.__cause__ = error
            work.result, work.error = None, failed

    def _roll_back(self, error: BaseException) -> None:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL and self._connection is not None:
            # Nothing reached the disk half-way: a rollback is enough.
            try:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                return
            except sqlite3.Error:
                pass
        self.distrust(error)

    def _usable(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._reopen()
            self._synchronous = "FULL"
            if self._suspect:
                log.warning("database.recovered")
            self._suspect = False
        return self._connection

    def _reopen(self) -> sqlite3.Connection:
        self.on_reopen()
        connection = connect(self._path)
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise sqlite3.OperationalError("readers are still in the way of recovery")
        except BaseException:
            connection.close()
            raise
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            try:
                self._connection.close()
            except sqlite3.Error as error:
                log.warning("database.close_failed", reason=str(error))
            self._connection = None


def _deliver(batch: list[Work]) -> None:
    """Wake each event loop once, not once a work."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Work]] = {}
    for work in batch:
        by_loop.setdefault(work.future.get_loop(), []).append(work)
    for loop, works in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, works)
        except RuntimeError:
            log.warning("database.nobody_waits", works=len(works))  # that loop is closed


def _settle(works: list[Work]) -> None:
    for work in works:
        work.settle()
