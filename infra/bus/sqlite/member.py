"""One member of a group: the partitions it owns and how far it has read them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from infra.bus.sqlite.catalog import Partition
from infra.bus.sqlite.reader import Reader
from infra.bus.sqlite.tables import Span
from schemas.errors import Fenced
from schemas.ports import RebalanceListener, Record, TopicPartition

if TYPE_CHECKING:
    from infra.bus.sqlite.group import Group


class Member:
    """A ``Subscription``. A record counts as read only when it is returned, so that pausing can skip nothing."""

    def __init__(self, name: str, topics: Sequence[str], listener: RebalanceListener, group: Group, reader: Reader):
        self.name = name
        self.topics = tuple(topics)
        self.listener = listener
        self.left = asyncio.Event()
        self.leaving = False
        self.joined = False
        self.evicted = False
        self.assigning = True
        """True until ``on_assigned`` has returned: no records are returned before, so that it can still pause."""
        self.owned: dict[TopicPartition, Partition] = {}
        self._group = group
        self._reader = reader
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._withdrawn: frozenset[TopicPartition] = frozenset()
        self._wake = asyncio.Event()
        self._turn = 0

    # ── Subscription ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def poll(self, *, max_records: int, timeout: float) -> list[Record]:
        """Raises Fenced when another member has taken this one's name."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            if self.evicted:
                raise Fenced(f"another member of the group has the name {self.name!r} now")
            self._wake.clear()
            if records := await self._fetch(max_records):
                return records
            try:
                async with asyncio.timeout_at(deadline):
                    await self._wake.wait()
            except TimeoutError:
                return []

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        lost = offsets.keys() - self.owned.keys()
        if lost or self.evicted:
            raise Fenced(f"these partitions belong to another member now: {sorted(lost)}")
        await self._group.store(offsets)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self._paused |= set(partitions) & self.owned.keys()

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._paused -= set(partitions)
        self._wake.set()

    async def close(self) -> None:
        await self._group.leave(self)

    # ── called by the group ──────────────────────────────────────────────────────────────────────────────────────────

    def withdraw(self, partitions: frozenset[TopicPartition]) -> None:
        """Return no more records of these; they may still be committed."""
        self._withdrawn |= partitions

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """From here on a commit of these is fenced."""
        for name in partitions:
            self.owned.pop(name).watchers.discard(self._wake)
            self._positions.pop(name)
        self._paused &= self.owned.keys()
        self._withdrawn &= self.owned.keys()

    def take(self, partition: Partition, position: int) -> None:
        self.owned[partition.name] = partition
        self._positions[partition.name] = position
        partition.watchers.add(self._wake)

    def set_assigning(self, assigning: bool) -> None:
        """An assignment begins or ends. As with Kafka, it clears all pauses, and ``on_assigned`` may set them again."""
        self.assigning = assigning
        if assigning:
            self._paused.clear()
        else:
            self._wake.set()

    def evict(self) -> None:
        self.evicted = True
        self.drop(list(self.owned))
        self.left.set()
        self._wake.set()

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_readable(self, name: TopicPartition) -> bool:
        return not self.assigning and name in self.owned and name not in self._paused and name not in self._withdrawn

    async def _fetch(self, max_records: int) -> list[Record]:
        behind = [
            (partition, position)
            for name, partition in self.owned.items()
            if (position := self._positions[name]) < partition.head and self._is_readable(name)
        ]
        if not behind:
            return []
        # Partitions take turns, each with a fair share: one with a long backlog does not starve the others.
        self._turn += 1
        first = self._turn % len(behind)
        behind = behind[first:] + behind[:first]
        chosen = behind[:max_records]
        limit = max_records // len(chosen)
        spans = [Span(partition, position, partition.head, limit) for partition, position in chosen]
        records_read: list[Record] = []
        for span, (records, resume) in zip(spans, await self._reader.read(spans), strict=False):
            records_read += self._accept(span, records, resume)
        return records_read

    def _accept(self, span: Span, records: list[Record], resume: int) -> list[Record]:
        """Records that were read count only if the partition is still ours, not paused, and nobody else has read on."""
        name = span.partition.name
        if not self._is_readable(name) or self._positions[name] != span.start:
            return []
        self._positions[name] = resume
        return records
