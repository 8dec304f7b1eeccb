"""Read spans of partitions, within a budget of bytes."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import structlog

from infra.bus.sqlite import tables
from infra.bus.sqlite.catalog import Partition
from infra.bus.sqlite.tables import Span
from infra.database import Database, DatabaseFailed
from schemas.errors import BusUnavailable
from schemas.ports import Record

log = structlog.get_logger(__name__)

CHUNK_RECORDS = 500
CHUNK_BYTES = 2 << 20

KeyFilter = Callable[[str], bool]
Piece = tuple[list[Record], int]


class Reader:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, spans: Sequence[Span], keys: KeyFilter | None = None) -> list[Piece]:
        """Read the records of each span and the offset to continue from; fewer pieces than spans once the budget is
        used up.

        Raises BusUnavailable."""
        try:
            pieces = await self._database.read(partial(_select, spans, keys))
        except DatabaseFailed as error:
            raise BusUnavailable(error.message) from error
        for span, (records, _) in zip(spans, pieces, strict=False):
            _report(span, records)
        return pieces

    async def walk(
        self, partition: Partition, start: int, end: int, keys: KeyFilter | None = None
    ) -> AsyncIterator[Record]:
        """Every record of a partition from ``start`` up to ``end``, one chunk in memory at a time."""
        while start < end:
            [(records, start)] = await self.read([Span(partition, start, end, CHUNK_RECORDS)], keys)
            for record in records:
                yield record


def _select(spans: Sequence[Span], keys: KeyFilter | None, connection: sqlite3.Connection) -> list[Piece]:
    budget = CHUNK_BYTES
    pieces: list[Piece] = []
    for span in spans:
        pieces.append(tables.select(connection, span, budget=budget, keys=keys))
        budget -= sum(record.size for record in pieces[-1][0])
        if budget <= 0:
            break
    return pieces


def _report(span: Span, records: list[Record]) -> None:
    partition = span.partition
    where = {"topic": partition.topic, "partition": partition.index}
    if span.start < partition.start:
        log.error("bus.records_expired_unread", **where, offset=span.start, records=partition.start - span.start)
    for record in records:
        if tables.DAMAGED in record.headers:
            log.error("bus.record_damaged", **where, offset=record.offset)
