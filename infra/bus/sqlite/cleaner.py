"""Deletes what has expired or was superseded, a little at a time, so that no append waits long behind it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial

import structlog

from infra.bus.sqlite import tables
from infra.bus.sqlite.catalog import Catalog, Partition
from infra.database import Database, DatabaseFailed
from schemas.ports import Clock

log = structlog.get_logger(__name__)

BATCH_RECORDS = 200


class Cleaner:
    def __init__(self, database: Database, catalog: Catalog, clock: Clock, every: float) -> None:
        self._database = database
        self._catalog = catalog
        self._clock = clock
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
        """One pass. Returns how many records were removed."""
        now_ms = int(self._clock().timestamp() * 1000)
        removed = await self._repeat(partial(_compact, now_ms))
        for topic in list(self._catalog.topics.values()):
            if topic.retention_ms is not None:
                for partition in topic.partitions:
                    removed += await self._expire(partition, now_ms - topic.retention_ms)
        if removed:
            log.info("bus.cleaned", records=removed)
        return removed

    async def _expire(self, partition: Partition, before_ms: int) -> int:
        async def step() -> int:
            count, start = await self._database.write(
                partial(_expire, partition, before_ms), durable=False, patient=True
            )
            partition.start = max(partition.start, start)
            return count

        total = 0
        while count := await step():
            total += count
        return total

    async def _repeat(self, work: Callable[[sqlite3.Connection], int]) -> int:
        total = 0
        while count := await self._database.write(work, durable=False, patient=True):
            total += count
        return total


def _compact(now_ms: int, connection: sqlite3.Connection) -> int:
    return tables.compact(connection, now_ms=now_ms, limit=BATCH_RECORDS)


def _expire(partition: Partition, before_ms: int, connection: sqlite3.Connection) -> tuple[int, int]:
    return tables.expire(connection, partition, before_ms=before_ms, limit=BATCH_RECORDS)
