"""Group appends that come close together into one transaction, so that many of them cost little more than one.

A transaction has its price: pages written, an fsync, and threads that take the interpreter from each other while the
event loop is busy. So appends wait as long as every turn of the loop brings more, and go to the disk when the loop has
nothing better to do, or after ``GATHER_S``."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from infra.bus.sqlite import tables
from infra.bus.sqlite.catalog import Partition
from infra.bus.sqlite.tables import Row
from infra.database import Database, DatabaseFailed
from schemas.errors import BusUnavailable
from schemas.ports import Clock, Position

log = structlog.get_logger(__name__)

WAITING_BYTES = 64 << 20
ROWS_AT_ONCE = 500
"""The most rows, or one append, that are written before the event loop gets its turn again."""
GATHER_S = 0.01
"""The longest that appends wait for others. Only a loop that is busy with appends alone gets there."""
QUIET_TURNS = 2
"""The waiting ends after this many turns of the loop without an append: what one turn reads is appended in the next."""
DEADLINE_S = 5.0
"""A disk that hangs longer is reported as a failure; records that were written after all still become visible."""
_LATE = f"the disk has not answered for {DEADLINE_S:.0f} s"


@dataclass(slots=True)
class _Append:
    rows: Sequence[Row]
    size: int
    future: asyncio.Future[list[Position]]


@dataclass(slots=True, eq=False)
class _Group:
    """Appends that go into one transaction, submitted at ``due`` (the loop's time) at the latest. ``late`` once the
    disk has not answered for too long."""

    due: float
    appends: list[_Append] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    submitted: bool = False
    late: bool = False
    _seen: int = 0
    _quiet: int = 0

    def grows(self) -> bool:
        """Return whether appends still come in; to be called once every turn of the loop."""
        self._quiet = self._quiet + 1 if len(self.rows) == self._seen else 0
        self._seen = len(self.rows)
        return self._quiet < QUIET_TURNS

    def size(self) -> int:
        return sum([one.size for one in self.appends])

    def refuse(self, error: Exception) -> None:
        message = error.message if isinstance(error, DatabaseFailed) else "the log could not be written"
        for one in self.appends:
            if not one.future.done():
                failed = BusUnavailable(message)
                failed.__cause__ = error
                one.future.set_exception(failed)

    def answer(self, offsets: Sequence[int]) -> None:
        """Show the committed records to readers, and the positions to those who appended them."""
        heads: dict[Partition, int] = {}
        positions: list[Position] = []
        for row, offset in zip(self.rows, offsets, strict=True):
            heads[row.partition] = offset + 1
            positions.append(Position(row.partition.topic, row.partition.index, offset))
        for partition, head in heads.items():
            partition.advance(head)
        begin = 0
        for one in self.appends:
            end = begin + len(one.rows)
            if not one.future.done():
                one.future.set_result(positions[begin:end])
            begin = end


class Appender:
    """``clock`` stamps the records, once a transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._gathering: _Group | None = None
        self._writes: set[asyncio.Future[list[int]]] = set()
        self._bytes = 0

    def append(self, rows: Sequence[Row]) -> asyncio.Future[list[Position]]:
        """Append rows; the future gets their positions once they are on disk. Raises BusUnavailable, as the future
        does; then the rows may have been written anyway.

        A caller that gives up waiting takes nothing back: the rows are written or not, as a whole."""
        if self._bytes > WAITING_BYTES:
            raise BusUnavailable("too many appends are waiting for the disk", retry_after_ms=2_000)
        loop = asyncio.get_running_loop()
        group = self._gathering
        if group is not None and len(group.rows) + len(rows) > ROWS_AT_ONCE:
            self._submit(group)  # before those that come later
            group = None
        if group is None:
            group = self._gathering = _Group(loop.time() + GATHER_S)
            loop.call_soon(self._check, group, loop)
        elif group.late:
            raise BusUnavailable(_LATE)
        one = _Append(rows, sum([row.size for row in rows]), loop.create_future())
        group.appends.append(one)
        group.rows += rows
        self._bytes += one.size
        return one.future

    async def drain(self) -> None:
        """Wait until every append has an outcome."""
        if self._gathering is not None:
            self._submit(self._gathering)
        while self._writes:
            await asyncio.wait(self._writes)

    def _check(self, group: _Group, loop: asyncio.AbstractEventLoop) -> None:
        if not group.submitted and group.grows() and loop.time() < group.due:
            loop.call_soon(self._check, group, loop)
        else:
            self._submit(group)

    def _submit(self, group: _Group) -> None:
        """Queue the group's transaction. Others may still join the group until it runs."""
        if group.submitted:
            return
        group.submitted = True
        try:
            written = self._database.submit(partial(self._insert, group), patient=True)
        except DatabaseFailed as error:
            self._leave(group)
            group.refuse(error)
            return
        deadline = asyncio.get_running_loop().call_later(DEADLINE_S, self._give_up, group)
        written.add_done_callback(partial(self._on_written, group, deadline))
        self._writes.add(written)

    def _insert(self, group: _Group, connection: sqlite3.Connection) -> list[int]:
        if self._gathering is group:
            self._gathering = None
        return tables.insert(connection, group.rows, int(self._clock().timestamp() * 1000))

    def _give_up(self, group: _Group) -> None:
        group.late = True
        self._report_failure(group, DatabaseFailed(_LATE))

    def _on_written(self, group: _Group, deadline: asyncio.TimerHandle, written: asyncio.Future[list[int]]) -> None:
        deadline.cancel()
        self._writes.discard(written)
        self._leave(group)
        error = written.exception()
        if error is None:
            group.answer(written.result())
        else:
            self._report_failure(
                group, error if isinstance(error, Exception) else DatabaseFailed("the database was stopped")
            )

    def _leave(self, group: _Group) -> None:
        """Release the group's room."""
        if self._gathering is group:  # its turn never came
            self._gathering = None
        self._bytes -= group.size()

    def _report_failure(self, group: _Group, error: Exception) -> None:
        log.error("bus.append_failed", appends=len(group.appends), reason=str(error))
        group.refuse(error)
