"""Appends that wait when a transaction begins become one work of it, so that many of them cost little more than one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from infra.bus.sqlite import tables
from infra.bus.sqlite.tables import Row
from infra.database import Database, DatabaseFailed
from schemas.errors import BusUnavailable
from schemas.ports import Position

log = structlog.get_logger(__name__)

WAITING_BYTES = 64 << 20
ROWS_AT_ONCE = 500
"""So many rows, or one append, are written before the event loop is looked after again."""
DEADLINE_S = 5.0
"""A disk that hangs longer is told as a failure; what it wrote after all still becomes visible."""
_LATE = f"the disk has not answered for {DEADLINE_S:.0f} s"


@dataclass(slots=True)
class _Append:
    rows: Sequence[Row]
    size: int
    future: asyncio.Future[list[Position]]


@dataclass(slots=True, eq=False)
class _Group:
    """Appends that go into one transaction together. ``late`` once the disk has not answered for too long."""

    appends: list[_Append] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    late: bool = False

    def refuse(self, error: Exception) -> None:
        log.error("bus.append_failed", appends=len(self.appends), reason=str(error))
        message = error.message if isinstance(error, DatabaseFailed) else "the log could not be written"
        for one in self.appends:
            if not one.future.done():
                failed = BusUnavailable(message)
                failed.__cause__ = error
                one.future.set_exception(failed)

    def answer(self, offsets: Sequence[int]) -> None:
        """Show what is committed to whoever waits for more, and to those who have appended it."""
        for partition, head in {row.partition: at + 1 for row, at in zip(self.rows, offsets, strict=True)}.items():
            partition.advance(head)
        following = iter(offsets)
        for one in self.appends:
            positions = [Position(row.partition.topic, row.partition.index, next(following)) for row in one.rows]
            if not one.future.done():
                one.future.set_result(positions)


class Appender:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathering: _Group | None = None
        self._writes: set[asyncio.Future[list[int]]] = set()
        self._bytes = 0

    async def append(self, rows: Sequence[Row]) -> list[Position]:
        """Where the rows are, once on disk. Raises BusUnavailable; the rows may have been written all the same.

        A caller that gives up waiting takes nothing back: the rows are written or not, as a whole.
        """
        if self._bytes > WAITING_BYTES:
            raise BusUnavailable("too many appends wait for the disk", retry_after_ms=2_000)
        group = self._gathering
        if group is None or len(group.rows) + len(rows) > ROWS_AT_ONCE:
            group = self._begin()
        elif group.late:
            raise BusUnavailable(_LATE)
        one = _Append(rows, sum([row.size for row in rows]), asyncio.get_running_loop().create_future())
        group.appends.append(one)
        group.rows += rows
        self._bytes += one.size
        return await one.future

    async def drain(self) -> None:
        """Wait until nothing is on its way any more."""
        while self._writes:
            await asyncio.wait(self._writes)

    def _begin(self) -> _Group:
        """A group that others join until its turn comes. Raises BusUnavailable when the database takes no more."""
        group = _Group()
        try:
            written = self._database.submit(partial(self._insert, group), patient=True)
        except DatabaseFailed as error:
            raise BusUnavailable(error.message) from error
        deadline = asyncio.get_running_loop().call_later(DEADLINE_S, self._give_up, group)
        written.add_done_callback(partial(self._written, group, deadline))
        self._writes.add(written)
        self._gathering = group
        return group

    def _insert(self, group: _Group, connection: sqlite3.Connection) -> list[int]:
        if self._gathering is group:
            self._gathering = None
        return tables.insert(connection, group.rows)

    def _give_up(self, group: _Group) -> None:
        group.late = True
        group.refuse(DatabaseFailed(_LATE))

    def _written(self, group: _Group, deadline: asyncio.TimerHandle, written: asyncio.Future[list[int]]) -> None:
        deadline.cancel()
        self._writes.discard(written)
        if self._gathering is group:  # its turn never came
            self._gathering = None
        self._bytes -= sum([one.size for one in group.appends])
        error = written.exception()
        if error is None:
            group.answer(written.result())
        else:
            group.refuse(error if isinstance(error, Exception) else DatabaseFailed("the database was stopped"))
