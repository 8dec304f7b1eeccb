"""Delete expired and superseded records, a little at a time, so that no append waits long behind it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TypeVar

import structlog

from infra.bus.sqlite import tables
from infra.bus.sqlite.catalog import Catalog, Partition, Topic
from infra.database import Database, DatabaseFailed
from schemas.ports import Clock

T = TypeVar("T")
log = structlog.get_logger(__name__)

BATCH_RECORDS = 200
OFFSETS_KEPT_MS = 60 * 86_400_000
"""Milliseconds after which the offsets of a group without members are forgotten, as Kafka forgets them, so that it no
longer holds back expiry."""
CATCH_UP = 25
"""Factor by which the log's clock runs faster than real time until it has caught up with a clock that is ahead of
it."""
REPORTED_MS = 3_600_000

Readers = Callable[[], Mapping[str, Collection[str]]]
"""Topics by group, both under their full names, of the groups that have members now."""


class LogTime:
    """The clock of deletions.

    A clock that jumps ahead must not expire the log. So this time is kept in the file, and moves on with the monotonic
    clock, up to ``CATCH_UP`` times as fast while the wall clock is ahead: after a real pause of two months it is right
    again in two and a half days, while a clock that is wrong for an hour ages records by one day."""

    def __init__(self, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._looked: float | None = None
        self._is_ahead = False

    def advance(self, connection: sqlite3.Connection) -> int:
        """Move on, and return the stored time in milliseconds."""
        wall_ms, now = int(self._clock().timestamp() * 1000), self._monotonic()
        passed_ms = 0 if self._looked is None else int((now - self._looked) * 1000)
        self._looked = now
        stored_ms = tables.load_time(connection)
        if stored_ms is None:
            newest_ms = tables.newest_ms(connection)
            time_ms = wall_ms if newest_ms is None else min(wall_ms, newest_ms)
        else:
            time_ms = min(wall_ms, stored_ms + passed_ms * CATCH_UP)
        tables.store_time(connection, time_ms)
        self._report(wall_ms - time_ms > REPORTED_MS, wall_ms - time_ms)
        return time_ms

    def _report(self, is_ahead: bool, by_ms: int) -> None:
        if is_ahead and not self._is_ahead:
            log.warning("bus.clock_ahead", hours=by_ms // REPORTED_MS)
        self._is_ahead = is_ahead


class Cleaner:
    """``prefix`` stands before the stored names of topics."""

    def __init__(
        self, database: Database, catalog: Catalog, time: LogTime, readers: Readers, *, prefix: str, every: float
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._time = time
        self._readers = readers
        self._prefix = prefix
        self._every = every

    async def run(self) -> None:
        """Clean until cancelled."""
        while True:
            try:
                await self.clean()
            except DatabaseFailed as error:
                log.warning("bus.cleaning_failed", reason=error.message)
            await asyncio.sleep(self._every)

    async def clean(self) -> int:
        """One pass. Returns the number of removed records."""
        now_ms = await self._write(self._time.advance)
        readers = self._readers()
        for group in await self._write(lambda file: tables.note_active_groups(file, readers, now_ms, OFFSETS_KEPT_MS)):
            log.warning("bus.group_forgotten", group=group)
        removed = await self._repeat(partial(_compact, now_ms))
        for topic in list(self._catalog.topics.values()):
            if topic.retention_ms is not None:
                removed += await self._expire(topic, now_ms, readers)
        if removed:
            log.info("bus.cleaned", records=removed)
        return removed

    async def _expire(self, topic: Topic, now_ms: int, readers: Mapping[str, Collection[str]]) -> int:
        assert topic.retention_ms is not None  # noqa: S101 (it is not compacted)
        before_ms, name = now_ms - topic.retention_ms, self._prefix + topic.name
        groups = [group for group, topics in readers.items() if name in topics]
        read_first_unread = await self._database.read(lambda file: tables.read_first_unread(file, name, groups))
        total = 0
        for partition in topic.partitions:
            end = read_first_unread.get(partition.index, partition.head)
            step = partial(_expire, partition, before_ms, now_ms, end)
            while True:
                count, start = await self._write(step)
                partition.start = max(partition.start, start)
                total += count
                if not count:
                    break
        return total

    async def _repeat(self, work: Callable[[sqlite3.Connection], int]) -> int:
        total = 0
        while count := await self._write(work):
            total += count
        return total

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._database.write(work, durable=False, patient=True)


def _compact(now_ms: int, connection: sqlite3.Connection) -> int:
    return tables.compact(connection, now_ms=now_ms, limit=BATCH_RECORDS)


def _expire(
    partition: Partition, before_ms: int, now_ms: int, end: int, connection: sqlite3.Connection
) -> tuple[int, int]:
    return tables.expire(connection, partition, before_ms=before_ms, now_ms=now_ms, end=end, limit=BATCH_RECORDS)
