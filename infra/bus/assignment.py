"""One partition that is ours: from its assignment to its revocation."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from infra.bus.lane import Lane
from schemas.ports import Record, TopicPartition


class Assignment:
    """What belongs to one tenure of a partition. When the same partition comes back it is a new object, so that
    whatever is late from the earlier tenure cannot touch the offsets of the later one."""

    __slots__ = ("adopting", "early", "gone", "hurry", "lanes", "prefix", "source")

    def __init__(self, source: TopicPartition) -> None:
        self.source = source
        self.prefix = Prefix()
        self.lanes: dict[str, Lane] = {}
        self.hurry = asyncio.Event()
        """Set when the partition is being taken away."""
        self.gone = False
        """The partition belongs to somebody else: nothing may be committed any more."""
        self.adopting: asyncio.Task[None] | None = None
        """Running until the partition's parked conversations are known."""
        self.early: list[Record] = []
        """Read before that; they go to their lanes afterwards."""

    @property
    def open(self) -> bool:
        """Work may be started."""
        return not self.hurry.is_set()

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """What runs for this partition's lanes."""
        both = ((lane.task, lane.flushing) for lane in self.lanes.values())
        return {task for pair in both for task in pair if task is not None}


# Which offset may be committed: the end of the contiguous run of finished records, per partition.
class Prefix:
    """Tracks one partition from its assignment to its revocation. All operations are O(1) amortized."""

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._done: set[int] = set()
        self._next: int | None = None
        self._committed: int | None = None
        self._last = -1

    def add(self, offset: int) -> None:
        """A record was taken in. Offsets rise, but may have gaps (compaction, control records)."""
        self._open.append(offset)
        self._last = offset

    def done(self, records: Iterable[Record]) -> None:
        """These need no more work here; in any order, each once."""
        self._done.update(record.offset for record in records)
        while self._open and self._open[0] in self._done:
            first = self._open.popleft()
            self._done.discard(first)
            self._next = first + 1

    @property
    def oldest(self) -> int | None:
        """The oldest unfinished record's offset."""
        return self._open[0] if self._open else None

    @property
    def span(self) -> int:
        """Offsets between the oldest unfinished record and the newest one taken in."""
        return self._last - self._open[0] + 1 if self._open else 0

    def due(self) -> int | None:
        """The next offset to read after a restart, when it is not committed yet."""
        return self._next if self._next != self._committed else None

    def committed(self, offset: int) -> None:
        self._committed = offset
