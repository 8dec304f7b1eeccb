"""Embedded mode's database: one file, one writer, a few readers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from infra.database.checkpointer import Checkpointer
from infra.database.committer import Committer, WriteRequest
from infra.database.file import DatabaseFailed, create, create_folder
from infra.database.lock import ProcessLock
from infra.database.migration import migrate
from infra.database.readers import Readers

T = TypeVar("T")


class Database:
    """The SQLite file of one process and one event loop."""

    def __init__(self, path: Path, lock: ProcessLock) -> None:
        self.path = path
        self._lock = lock
        self._closed = False
        self._refusal_reason = ""
        self._readers = Readers(path)
        self._committer = Committer(path)
        self._checkpointer = Checkpointer(path, self._committer)
        self._committer.on_commit = self._checkpointer.nudge
        self._committer.on_reopen = self._readers.renew

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open the file; create it when it is new and migrate it when it is older. Raises DatabaseLocked,
        SchemaMismatch, or SetupError for a file that is unusable."""
        path = path.absolute()
        create_folder(path)
        lock = ProcessLock(path.with_name(path.name + ".lock"))
        try:
            create(path)
            migrate(path)
            return cls(path, lock)
        except BaseException:
            lock.release()
            raise

    async def write(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = True, patient: bool = False) -> T:
        """Run ``work`` in the writer's transaction and return its result, once that is committed.

        ``durable`` means on disk when this returns; without it the write survives the death of the process, but not of
        the machine, until the next durable write.

        ``work`` runs on the event loop, so it must be short (milliseconds; split longer work), together with others'
        work in one transaction, each seeing the changes of those before it. It must not begin, commit or roll back, nor
        keep the connection. An exception undoes it alone and is raised here. Raises DatabaseFailed when the file could
        not be written, or not within five seconds: then the outcome is unknown. ``patient`` keeps waiting, for callers
        that need the outcome."""
        return await self.submit(work, durable=durable, patient=patient)

    def submit(
        self, work: Callable[[sqlite3.Connection], T], *, durable: bool = True, patient: bool = False
    ) -> asyncio.Future[T]:
        """Do as ``write``, for callers that do something else meanwhile. Raises DatabaseFailed when nothing was
        queued."""
        self._refuse()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._committer.submit(WriteRequest(work, future, durable, patient))
        return future

    async def read(self, work: Callable[[sqlite3.Connection], T], *, background: bool = False) -> T:
        """Run ``work`` on one snapshot of what is committed. Raises DatabaseFailed.

        It runs on the event loop and must be short; ``background`` gives it a thread, for work that takes longer than a
        few milliseconds. There every row costs a wait for the interpreter, so let SQLite do the work, not Python."""
        self._refuse()
        if background:
            return await asyncio.to_thread(self._readers.read, work)
        await asyncio.sleep(0)  # so that many reads in a row leave room for others
        return self._readers.read(work)

    async def maintain(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``job`` alone on the writer's connection, in a thread; also while access is refused. It begins and ends
        its own transactions. Raises what it raises."""
        try:
            return await self._committer.maintain(job)
        finally:
            self._readers.renew()

    @contextmanager
    def refuse_access(self, reason: str) -> Iterator[None]:
        """Refuse all reads and writes with ``reason`` inside the block, also those that wait."""
        self._refusal_reason = reason
        try:
            yield
        finally:
            self._refusal_reason = ""

    def on_damage(self, call: Callable[[], None]) -> None:
        """Call ``call`` when somebody meets a damaged page, from any thread."""
        self._readers.on_damage = self._committer.on_damage = call

    def _refuse(self) -> None:
        if self._closed:
            raise DatabaseFailed("the database is closed")
        if self._refusal_reason:
            raise DatabaseFailed(self._refusal_reason, retry_after_ms=2_000)

    async def close(self) -> None:
        """Finish the queued writes, move the write-ahead log into the file, and release the lock."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._checkpointer.stop)
        self._readers.renew()
        await self._committer.close()
        self._lock.release()
