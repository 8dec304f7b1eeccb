"""Read one topic outside of groups: from its beginning, then live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog

from infra.bus.sqlite.catalog import Partition, Topic
from infra.bus.sqlite.reader import CHUNK_RECORDS, Reader
from infra.bus.sqlite.tables import Span
from schemas.errors import BusUnavailable
from schemas.ports import Record

log = structlog.get_logger(__name__)

RETRY_S = 0.25


class SqliteFollower:
    """A ``Follower``. It survives disk failures: failed reads are repeated."""

    def __init__(self, topic: Topic, reader: Reader) -> None:
        self.caught_up = asyncio.Event()
        self._topic = topic
        self._reader = reader
        self._wake = asyncio.Event()
        self._closed = asyncio.Event()
        self._positions = [partition.start for partition in topic.partitions]
        self._goal = [partition.head for partition in topic.partitions]
        for partition in topic.partitions:
            partition.watchers.add(self._wake)
        self._check()

    async def records(self) -> AsyncIterator[Record]:
        while not self._closed.is_set():
            self._wake.clear()
            for partition in self._topic.partitions:
                while self._positions[partition.index] < partition.head:
                    records, resume = await self._chunk(partition)
                    for record in records:
                        yield record
                        if self._closed.is_set():
                            return
                        self._positions[partition.index] = record.offset + 1
                    self._positions[partition.index] = resume
                    self._check()
            await self._wake.wait()

    async def close(self) -> None:
        """End ``records``, also while it waits for more."""
        self._closed.set()
        for partition in self._topic.partitions:
            partition.watchers.discard(self._wake)
        self._wake.set()

    async def _chunk(self, partition: Partition) -> tuple[list[Record], int]:
        start, goal = self._positions[partition.index], self._goal[partition.index]
        # Not past the goal in one read: ``caught_up`` must not wait for records that came later.
        end = goal if start < goal else partition.head
        try:
            [piece] = await self._reader.read([Span(partition, start, end, CHUNK_RECORDS)])
        except BusUnavailable as error:
            log.warning("bus.follower_waits", topic=partition.topic, reason=error.message)
            await asyncio.sleep(RETRY_S)
            return [], start
        return piece

    def _check(self) -> None:
        if all(position >= goal for position, goal in zip(self._positions, self._goal, strict=True)):
            self.caught_up.set()
