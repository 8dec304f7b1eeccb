"""The records that wait for one partition. They collect while the batch before is being sent, and then go as one batch.

The client sends one batch per partition at a time in any case, so waiting loses nothing, and a record costs neither a
future of the client nor a turn at its buffer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.ports import Position


@dataclass(slots=True, eq=False)
class Append:
    """One caller's records. ``future`` gets their positions once the last is confirmed, or the first error.
    ``give_up_at`` is on the loop's clock; ``late`` once the caller got the error that the outcome is unknown."""

    future: asyncio.Future[list[Position]]
    give_up_at: float
    positions: list[Position | None]
    left: int
    spools: list[Spool] = field(default_factory=list)
    late: bool = False

    def confirm(self, index: int, position: Position) -> None:
        self.positions[index] = position
        self.left -= 1
        if not self.left and not self.future.done():
            self.future.set_result([each for each in self.positions if each is not None])


@dataclass(slots=True, eq=False)
class Row:
    """A record on its way to the partition; ``index`` is its place among those of its append, ``size`` in bytes."""

    append: Append
    index: int
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]
    time_ms: int
    size: int


class Spool:
    """``overdue`` counts rows whose callers gave up waiting and whose outcome is still open."""

    def __init__(self, topic: str, on_broker: str, partition: int, send: Callable[[Spool], Awaitable[None]]) -> None:
        self.topic = topic
        self.on_broker = on_broker
        self.partition = partition
        self.overdue = 0
        self.rows: deque[Row] = deque()
        self._send = send
        self.pump: asyncio.Task[None] | None = None

    def put(self, row: Row) -> None:
        self.rows.append(row)
        if self.pump is None:
            # A task starts in the next turn of the loop, so other records of this turn join the batch.
            self.pump = asyncio.get_running_loop().create_task(self._run())

    def fill(self, batch: Any, taken: list[Row]) -> None:
        """Move rows into the client's batch until it is full. The moved rows are in ``taken`` even when this raises."""
        while self.rows:
            row = self.rows[0]
            if batch.append(timestamp=row.time_ms, key=row.key, value=row.value, headers=row.headers) is None:
                break
            taken.append(self.rows.popleft())

    def confirm(self, rows: Sequence[Row], first: int) -> None:
        for offset, row in enumerate(rows, first):
            self._on_outcome(row)
            row.append.confirm(row.index, Position(self.topic, self.partition, offset))

    def fail(self, rows: Sequence[Row], error: Callable[[], Exception]) -> None:
        for row in rows:
            self._on_outcome(row)
            row.append.left -= 1
            if not row.append.future.done():
                row.append.future.set_exception(error())

    def _on_outcome(self, row: Row) -> None:
        if row.append.late:
            self.overdue -= 1

    async def _run(self) -> None:
        try:
            while self.rows:
                await self._send(self)
        finally:
            self.pump = None
