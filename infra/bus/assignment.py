"""One partition that is assigned to us, until it is revoked, and the offset that may be committed for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from infra.bus.lane import Lane
from schemas.ports import Record, TopicPartition


class Assignment:
    """The state of a partition between its assignment and its revocation. When the partition comes back it gets a new
    object, so that late work of the earlier assignment cannot touch the offsets of the new one."""

    __slots__ = ("early", "gone", "lanes", "lookup", "offsets", "revoking", "source")

    def __init__(self, source: TopicPartition) -> None:
        self.source = source
        self.offsets = OffsetTracker()
        self.lanes: dict[str, Lane] = {}
        self.revoking = asyncio.Event()
        """Set when the partition is being taken away."""
        self.gone = False
        """The partition belongs to another member: nothing may be committed any more."""
        self.lookup: asyncio.Task[None] | None = None
        """Running until the partition's parked conversations are known."""
        self.early: list[Record] = []
        """Records read before that; they go to their lanes afterwards."""

    @property
    def open(self) -> bool:
        """True if new work may be started."""
        return not self.revoking.is_set()

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """The running tasks of this partition's lanes."""
        both = ((lane.task, lane.flushing) for lane in self.lanes.values())
        return {task for pair in both for task in pair if task is not None}


class OffsetTracker:
    """Tracks the offset that may be committed for one partition: the end of the contiguous run of finished records. All
    operations are O(1) amortized."""

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._done: set[int] = set()
        self._next: int | None = None
        self._committed: int | None = None
        self._last = -1

    def add(self, offset: int) -> None:
        """A record was read. Offsets rise, but may have gaps (compaction, control records)."""
        self._open.append(offset)
        self._last = offset

    def finish(self, records: Iterable[Record]) -> None:
        """Mark records as finished; in any order, each once."""
        self._done.update(record.offset for record in records)
        while self._open and self._open[0] in self._done:
            first = self._open.popleft()
            self._done.discard(first)
            self._next = first + 1

    @property
    def oldest(self) -> int | None:
        """The offset of the oldest unfinished record."""
        return self._open[0] if self._open else None

    @property
    def span(self) -> int:
        """Offsets between the oldest unfinished record and the newest one read."""
        return self._last - self._open[0] + 1 if self._open else 0

    def offset_to_commit(self) -> int | None:
        """The next offset to read after a restart, if it is not committed yet."""
        return self._next if self._next != self._committed else None

    def mark_committed(self, offset: int) -> None:
        self._committed = offset
