"""Space that the embedded file uses: counted on a connection that only reads, also while an instance runs."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from infra.database.file import connect
from infra.state import rules
from infra.state.usage import StateUsage, TopicRate

_OFFSET_BITS = 40
_SAMPLE = 500
_OVERHEAD = 64
"""Bytes of a record beside its value, headers and key, roughly."""
_DAY = timedelta(days=1)


def read_usage(path: Path, now: datetime) -> StateUsage:
    """Raises sqlite3.Error."""
    with closing(connect(path, read_only=True)) as connection:
        pages, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        used = (pages - free) * size
        topics, log_bytes = _read_topics(connection, now)
        counts = "SELECT count(*), count(*) FILTER (WHERE created_at >= ?) FROM state_conversations"
        conversations, began = connection.execute(counts, (rules.to_micros(now - _DAY),)).fetchone()
    limit = pages * size + shutil.disk_usage(path.parent).free
    return StateUsage(used, limit, max(0, used - log_bytes), int(conversations), int(began), topics)


def _read_topics(connection: sqlite3.Connection, now: datetime) -> tuple[dict[str, TopicRate], int]:
    """The rate of each topic, and the bytes of all of them."""
    since_ms = int((now - _DAY).timestamp() * 1000)
    rates: dict[str, TopicRate] = {}
    total = 0
    rows = connection.execute("SELECT topic, id, start, head FROM bus_partitions").fetchall()
    for topic, number, start, head in rows:
        each = _average_bytes(connection, number)
        first = _find_first(connection, number, start, head, since_ms)
        (held,) = connection.execute(
            "SELECT count(*) FROM bus_records WHERE id BETWEEN ? AND ?",
            (number << _OFFSET_BITS, (number + 1 << _OFFSET_BITS) - 1),
        ).fetchone()
        total += held * each
        before = rates.get(topic, TopicRate(0, 0))
        rates[topic] = TopicRate(before.records + head - first, before.bytes + (head - first) * each)
    return rates, total


def _average_bytes(connection: sqlite3.Connection, number: int) -> int:
    """The mean size of the newest records of a partition."""
    query = (
        "SELECT avg(length(headers) + coalesce(length(value), 0) + length(key)) FROM"
        " (SELECT headers, value, key FROM bus_records WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?)"
    )
    bounds = (number << _OFFSET_BITS, (number + 1 << _OFFSET_BITS) - 1, _SAMPLE)
    (average,) = connection.execute(query, bounds).fetchone()
    return 0 if average is None else round(average) + _OVERHEAD


def _find_first(connection: sqlite3.Connection, number: int, start: int, head: int, since_ms: int) -> int:
    """The first offset that was written since a time: records of a partition are in the order of time."""
    query = "SELECT id, time_ms FROM bus_records WHERE id >= ? AND id < ? ORDER BY id LIMIT 1"
    base, end = number << _OFFSET_BITS, head
    while start < end:
        middle = (start + end) // 2
        row = connection.execute(query, (base | middle, base | head)).fetchone()
        if row is None or row[1] >= since_ms:
            end = middle
        else:
            start = (row[0] & ((1 << _OFFSET_BITS) - 1)) + 1
    return start
