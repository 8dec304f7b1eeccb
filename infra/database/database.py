"""Embedded mode's store: one file, one writer, a few readers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from infra.database.checkpointer import Checkpointer
from infra.database.committer import Committer, Work
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
        self._out_of_order = ""
        self._readers = Readers(path)
        self._committer = Committer(path)
        self._checkpointer = Checkpointer(path, self._committer)
        self._committer.on_commit = self._checkpointer.nudge
        self._committer.on_reopen = self._readers.renew

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open the file, making it when it is new and migrating it when it is older. Raises DatabaseLocked,
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
        """Run ``work`` in the writer's transaction and return what it returned, once that is committed.

        ``durable`` means on disk when this returns; without it the write survives the death of the process, but not of
        the machine. Never durable by itself, it is as durable as the next durable write.

        ``work`` runs on the event loop, so it must be short (milliseconds; split what is longer), together with others'
        works in one transaction, each seeing what those before it did. It must not begin, commit or roll back, nor keep
        the connection. What it raises undoes it alone and is raised here. Raises DatabaseFailed when the file could not
        be written, or not within five seconds: nothing is known about the outcome. ``patient`` waits on, for whoever
        must know.
        """
        return await self.submit(work, durable=durable, patient=patient)

    def submit(
        self, work: Callable[[sqlite3.Connection], T], *, durable: bool = True, patient: bool = False
    ) -> asyncio.Future[T]:
        """As ``write``, for whoever does something else meanwhile. Raises DatabaseFailed when nothing was queued."""
        self._refuse()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._committer.submit(Work(work, future, durable, patient))
        return future

    async def read(self, work: Callable[[sqlite3.Connection], T], *, background: bool = False) -> T:
        """Run ``work`` on one snapshot of what is committed. Raises DatabaseFailed.

        It runs on the event loop and must be short; ``background`` gives it a thread, for what takes longer than a few
        milliseconds. There every row costs a wait for the interpreter, so let SQLite do the work, not Python.
        """
        self._refuse()
        if background:
            return await asyncio.to_thread(self._readers.read, work)
        await asyncio.sleep(0)  # many reads in a row leave room for others
        return self._readers.read(work)

    async def maintain(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``job`` alone on the writer's connection, in a thread; also while the database is out of order. It begins
        and ends its own transactions. Raises what it raises."""
        try:
            return await self._committer.maintain(job)
        finally:
            self._readers.renew()

    @contextmanager
    def out_of_order(self, reason: str) -> Iterator[None]:
        """While inside, everybody is refused with ``reason``: reads, writes, and what waits."""
        self._out_of_order = reason
        try:
            yield
        finally:
            self._out_of_order = ""

    def on_damage(self, call: Callable[[], None]) -> None:
        """``call`` when somebody meets a damaged page, from any thread."""
        self._readers.on_damage = self._committer.on_damage = call

    def _refuse(self) -> None:
        if self._closed:
            raise DatabaseFailed("the database is closed")
        if self._out_of_order:
            raise DatabaseFailed(self._out_of_order, retry_after_ms=2_000)

    async def close(self) -> None:
        """Finish the queued writes, move the write-ahead log into the file, and give the lock back."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._checkpointer.stop)
        self._readers.renew()
        await self._committer.close()
        self._lock.release()
