"""Appends of one turn of the event loop become one work; the database joins those into one commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from functools import partial

import structlog

from infra.bus.sqlite import tables
from infra.bus.sqlite.tables import Row
from infra.database import Database, DatabaseFailed
from schemas.errors import BusUnavailable

log = structlog.get_logger(__name__)

WAITING_BYTES = 64 << 20
DEADLINE_S = 5.0
"""A disk that hangs longer is told as a failure; what it wrote after all still becomes visible."""

Waiter = tuple[Sequence[Row], "asyncio.Future[list[int]]"]


class Appender:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathering: list[Waiter] = []
        self._writes: set[asyncio.Task[None]] = set()
        self._bytes = 0

    async def append(self, rows: Sequence[Row]) -> list[int]:
        """The offsets, once the rows are on disk. Raises BusUnavailable; the rows may have been written all the same.

        A caller that gives up waiting takes nothing back: the rows are written or not, as a whole.
        """
        if self._bytes > WAITING_BYTES:
            raise BusUnavailable("too many appends wait for the disk", retry_after_ms=2_000)
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        if not self._gathering:
            future.get_loop().call_soon(self._flush)
        self._gathering.append((rows, future))
        self._bytes += sum(row.size for row in rows)
        return await future

    async def drain(self) -> None:
        """Wait until nothing is on its way any more."""
        self._flush()
        while self._writes:
            await asyncio.wait(self._writes)

    def _flush(self) -> None:
        waiters, self._gathering = self._gathering, []
        if waiters:
            task = asyncio.get_running_loop().create_task(self._write(waiters))
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)

    async def _write(self, waiters: list[Waiter]) -> None:
        rows = [row for some, _ in waiters for row in some]
        late = DatabaseFailed(f"the disk has not answered for {DEADLINE_S:.0f} s")
        deadline = asyncio.get_running_loop().call_later(DEADLINE_S, self._refuse, waiters, late)
        try:
            offsets = await self._database.write(partial(_insert, rows), patient=True)
        except Exception as error:
            self._refuse(waiters, error)
        else:
            _publish(rows, offsets)
            _answer(waiters, offsets)
        finally:
            deadline.cancel()
            self._bytes -= sum(row.size for row in rows)

    def _refuse(self, waiters: list[Waiter], error: Exception) -> None:
        log.error("bus.append_failed", appends=len(waiters), reason=str(error))
        message = error.message if isinstance(error, DatabaseFailed) else "the log could not be written"
        for _, future in waiters:
            if not future.done():
                failed = BusUnavailable(message)
                failed.__cause__ = error
                future.set_exception(failed)


def _insert(rows: Sequence[Row], connection: sqlite3.Connection) -> list[int]:
    return tables.insert(connection, rows)


def _publish(rows: Sequence[Row], offsets: Sequence[int]) -> None:
    """Show what is committed to whoever waits for more."""
    heads = {row.partition: offset + 1 for row, offset in zip(rows, offsets, strict=True)}
    for partition, head in heads.items():
        partition.advance(head)


def _answer(waiters: list[Waiter], offsets: list[int]) -> None:
    taken = 0
    for rows, future in waiters:
        if not future.done():
            future.set_result(offsets[taken : taken + len(rows)])
        taken += len(rows)
