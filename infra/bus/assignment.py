"""One partition that is ours: from its assignment to its revocation."""

from __future__ import annotations

import asyncio

from infra.bus.lane import Lane
from infra.bus.prefix import Prefix
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
