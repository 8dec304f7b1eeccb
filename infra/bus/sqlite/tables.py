"""The tables of the log and every statement on them. All functions run inside a ``Database`` transaction.

A record's row id is its partition's number and its offset side by side, so that a partition is one run of the table's
only b-tree: an append lands at its end, a read is one seek and a walk."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from infra.bus.sqlite.catalog import Partition, Topic
from infra.bus.sqlite.headers import unpack
from schemas.errors import SetupError, TopicMismatch
from schemas.ports import Record, TopicPartition
from schemas.topics import TopicSpec

_GARBAGE = "INSERT OR IGNORE INTO bus_garbage (due_ms, record) VALUES (?, ?)"
_NEWEST = "SELECT time_ms FROM bus_records WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1"
_OFFSET_BITS = 40
_OFFSETS = (1 << _OFFSET_BITS) - 1
DAMAGED = "parley-damaged"
"""The only header of a record whose bytes are damaged: it cannot be decoded, and so is dead-lettered."""


@dataclass(slots=True, eq=False)
class Row:
    """A record to be inserted. ``grace_ms`` is how long it stays if it is a tombstone; ``size`` in bytes."""

    partition: Partition
    key: str
    headers: bytes
    value: bytes | None
    grace_ms: int
    size: int


@dataclass(frozen=True, slots=True)
class Span:
    """A range to read of one partition: offsets from ``start`` up to ``end`` (not included), at most ``limit``."""

    partition: Partition
    start: int
    end: int
    limit: int


def _crc(key: str, headers: bytes, value: bytes | None) -> int:
    return zlib.crc32(value or b"", zlib.crc32(headers, zlib.crc32(key.encode())))


# ── topics ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def load_topics(connection: sqlite3.Connection, prefix: str) -> list[Topic]:
    """The topics under ``prefix``, named without it. Raises SetupError when records contradict the partitions' ends."""
    topics: dict[str, Topic] = {}
    rows = connection.execute(
        "SELECT t.name, t.retention_ms, p.id, p.number, p.start, p.head FROM bus_topics t"
        " JOIN bus_partitions p ON p.topic = t.name WHERE substr(t.name, 1, ?) = ? ORDER BY t.name, p.number",
        (len(prefix), prefix),
    )
    for full_name, retention_ms, number, index, start, head in rows.fetchall():
        name = full_name[len(prefix) :]
        topic = topics.setdefault(name, Topic(name, retention_ms, []))
        topic.partitions.append(Partition(number, name, index, retention_ms is None, start, head))
        _check_end(connection, topic.partitions[-1])
    return list(topics.values())


def _check_end(connection: sqlite3.Connection, partition: Partition) -> None:
    low = partition.id << _OFFSET_BITS
    (last,) = connection.execute(
        "SELECT max(id) FROM bus_records WHERE id BETWEEN ? AND ?", (low, low | _OFFSETS)
    ).fetchone()
    if last is not None and last & _OFFSETS >= partition.head:
        raise SetupError(
            f"the log is damaged: {partition.topic}/{partition.index} holds records behind its end",
            fix="restore the database from a backup",
        )


def create_topic(connection: sqlite3.Connection, prefix: str, spec: TopicSpec) -> bool:
    """True when it was missing. Raises TopicMismatch when it exists and differs in what cannot be changed."""
    name = prefix + spec.name
    known = connection.execute("SELECT partitions, retention_ms FROM bus_topics WHERE name = ?", (name,)).fetchone()
    if known is None:
        connection.execute(
            "INSERT INTO bus_topics (name, partitions, retention_ms) VALUES (?, ?, ?)",
            (name, spec.partitions, spec.retention_ms),
        )
        numbers = [(name, number) for number in range(spec.partitions)]
        connection.executemany("INSERT INTO bus_partitions (topic, number) VALUES (?, ?)", numbers)
        return True
    partitions, retention_ms = known
    if partitions != spec.partitions:
        raise TopicMismatch(
            f"topic {spec.name!r} has {partitions} partitions, not {spec.partitions}",
            fix="the number of partitions cannot be changed: restore the old number",
        )
    if (retention_ms is None) != spec.compacted:
        raise TopicMismatch(f"topic {spec.name!r} cannot change between compacted and not", fix="use a new data_dir")
    connection.execute("UPDATE bus_topics SET retention_ms = ? WHERE name = ?", (spec.retention_ms, name))
    return False


# ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def insert(connection: sqlite3.Connection, rows: Sequence[Row], time_ms: int) -> list[int]:
    """Append in order; returns the offsets. All rows of one call get the same time."""
    heads: dict[int, int] = {}
    offsets: list[int] = []
    columns = []
    compacted: list[tuple[Row, int]] = []
    for row in rows:
        number = row.partition.id
        offset = heads.get(number)
        if offset is None:
            (offset,) = connection.execute("SELECT head FROM bus_partitions WHERE id = ?", (number,)).fetchone()
        heads[number] = offset + 1
        offsets.append(offset)
        record, crc = number << _OFFSET_BITS | offset, _crc(row.key, row.headers, row.value)
        columns.append((record, row.key, time_ms, row.headers, row.value, crc))
        if row.partition.compacted:
            compacted.append((row, record))
    connection.executemany(
        "INSERT INTO bus_records (id, key, time_ms, headers, value, crc) VALUES (?, ?, ?, ?, ?, ?)", columns
    )
    for row, record in compacted:
        _supersede(connection, row, record, time_ms)
    heads_by_id = [(head, number) for number, head in heads.items()]
    connection.executemany("UPDATE bus_partitions SET head = ? WHERE id = ?", heads_by_id)
    return offsets


def _supersede(connection: sqlite3.Connection, row: Row, record: int, time_ms: int) -> None:
    """Remember the newest record of a key. The one it replaces becomes garbage now, a tombstone after its grace."""
    key = (row.partition.id, row.key)
    older = connection.execute("SELECT record FROM bus_newest WHERE partition = ? AND key = ?", key).fetchone()
    if older is not None:
        connection.execute(_GARBAGE, (time_ms, older[0]))
    connection.execute("INSERT OR REPLACE INTO bus_newest (partition, key, record) VALUES (?, ?, ?)", (*key, record))
    if row.value is None:
        connection.execute(_GARBAGE, (time_ms + row.grace_ms, record))


def select(
    connection: sqlite3.Connection, span: Span, *, budget: int, keys: Callable[[str], bool] | None = None
) -> tuple[list[Record], int]:
    """Records of a span, up to ``budget`` bytes (but at least one), and the offset to go on from."""
    base = span.partition.id << _OFFSET_BITS
    rows = connection.execute(
        "SELECT id, key, time_ms, headers, value, crc FROM bus_records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        (base | span.start, base | span.end, span.limit),
    )
    records: list[Record] = []
    walked = 0
    resume = span.start
    for row in rows:
        walked += 1
        resume = (row[0] & _OFFSETS) + 1
        if keys is None or keys(row[1]):
            records.append(_record(span.partition, row))
            budget -= records[-1].size
            if budget <= 0:
                return records, resume
    # A walk that ended by itself has seen everything: records missing up to the end were compacted or have expired.
    return records, resume if walked == span.limit else max(resume, span.end)


def _record(partition: Partition, row: tuple[int, str, int, object, object, int]) -> Record:
    id_, key, time_ms, headers, value, crc = row
    offset = id_ & _OFFSETS
    if isinstance(headers, bytes) and isinstance(value, bytes | None) and crc == _crc(key, headers, value):
        return Record(partition.topic, partition.index, offset, key, time_ms, unpack(headers), value)
    # Damage may have changed a column's type as well.
    raw = value if isinstance(value, bytes) else str(value).encode(errors="replace")
    return Record(partition.topic, partition.index, offset, key, time_ms, {DAMAGED: "checksum"}, raw)


# ── consumers ────────────────────────────────────────────────────────────────────────────────────────────────────────


def store_offsets(connection: sqlite3.Connection, group: str, offsets: Iterable[tuple[str, int, int]]) -> None:
    """Store ``(full topic name, partition, next offset)``."""
    rows = [(group, topic, number, offset) for topic, number, offset in offsets]
    connection.executemany(
        "INSERT OR REPLACE INTO bus_offsets (consumers, topic, number, next) VALUES (?, ?, ?, ?)", rows
    )


def read_offsets(connection: sqlite3.Connection, group: str, prefix: str) -> dict[TopicPartition, int]:
    rows: Iterator[tuple[str, int, int]] = connection.execute(
        "SELECT topic, number, next FROM bus_offsets WHERE consumers = ?", (group,)
    )
    return {TopicPartition(topic[len(prefix) :], number): offset for topic, number, offset in rows}


# ── cleaning ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def newest_ms(connection: sqlite3.Connection) -> int | None:
    """The time of the newest record of any partition."""
    times = [
        row[0]
        for (number,) in connection.execute("SELECT id FROM bus_partitions").fetchall()
        if (row := connection.execute(_NEWEST, (number << _OFFSET_BITS, number << _OFFSET_BITS | _OFFSETS)).fetchone())
    ]
    return max(times, default=None)


def load_time(connection: sqlite3.Connection) -> int | None:
    row = connection.execute("SELECT time_ms FROM bus_clock").fetchone()
    return int(row[0]) if row else None


def store_time(connection: sqlite3.Connection, time_ms: int) -> None:
    connection.execute("INSERT OR REPLACE INTO bus_clock (id, time_ms) VALUES (1, ?)", (time_ms,))


def note_active_groups(connection: sqlite3.Connection, groups: Iterable[str], now_ms: int, gone_ms: int) -> list[str]:
    """Note that these groups (full names) have members now, and forget the offsets of those without members for
    ``gone_ms``. Returns the forgotten ones."""
    connection.executemany(
        "INSERT OR REPLACE INTO bus_groups (consumers, seen_ms) VALUES (?, ?)", [(group, now_ms) for group in groups]
    )
    connection.execute(
        "INSERT OR IGNORE INTO bus_groups (consumers, seen_ms) SELECT DISTINCT consumers, ? FROM bus_offsets", (now_ms,)
    )
    query = "SELECT consumers FROM bus_groups WHERE seen_ms < ?"
    gone = [group for (group,) in connection.execute(query, (now_ms - gone_ms,))]
    for table in ("bus_offsets", "bus_groups"):
        connection.executemany(f"DELETE FROM {table} WHERE consumers = ?", [(group,) for group in gone])  # noqa: S608
    return gone


def read_first_unread(connection: sqlite3.Connection, topic: str, groups: Iterable[str]) -> dict[int, int]:
    """By partition, the first offset that some group has still to read. ``groups`` (full names) are known to read the
    topic, even if they have committed nothing yet."""
    offsets: dict[int, dict[str, int]] = {}
    rows = connection.execute("SELECT number, consumers, next FROM bus_offsets WHERE topic = ?", (topic,))
    for number, group, offset in rows:
        offsets.setdefault(number, {})[group] = offset
    numbers = connection.execute("SELECT number FROM bus_partitions WHERE topic = ?", (topic,)).fetchall()
    reading = dict.fromkeys(groups, 0)
    firsts = {number: min((reading | offsets.get(number, {})).values(), default=None) for (number,) in numbers}
    return {number: first for number, first in firsts.items() if first is not None}


def expire(
    connection: sqlite3.Connection, partition: Partition, *, before_ms: int, now_ms: int, end: int, limit: int
) -> tuple[int, int]:
    """Delete the oldest records below the offset ``end`` that were written before a time, at most ``limit``. Returns
    their number and the new start. A record from after ``now_ms`` counts as old as those that follow it: the clock was
    wrong when it was written."""
    if end <= 0:
        return 0, partition.start
    base = partition.id << _OFFSET_BITS
    oldest = connection.execute(
        "SELECT id, time_ms FROM bus_records WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?",
        (base, base | min(end - 1, _OFFSETS), limit),
    )
    last = None
    count = 0
    for position, (id_, time_ms) in enumerate(oldest, 1):
        if before_ms <= time_ms <= now_ms:
            break
        if time_ms < before_ms:
            last, count = id_, position
    if last is None:
        return 0, partition.start
    connection.execute("DELETE FROM bus_records WHERE id >= ? AND id <= ?", (base, last))
    start = (last & _OFFSETS) + 1
    connection.execute("UPDATE bus_partitions SET start = ? WHERE id = ?", (start, partition.id))
    return count, start


def fill_derived_tables(connection: sqlite3.Connection) -> None:
    """Fill in the derived tables: the newest record of each key, and the superseded ones. Tombstones stay a day longer,
    whatever their grace was."""
    compacted = "SELECT p.id FROM bus_partitions p JOIN bus_topics t ON t.name = p.topic WHERE t.retention_ms IS NULL"
    for (number,) in connection.execute(compacted).fetchall():
        bounds = (number << _OFFSET_BITS, (number + 1) << _OFFSET_BITS)
        connection.execute(
            "INSERT OR REPLACE INTO bus_newest (partition, key, record)"
            " SELECT ?, key, max(id) FROM bus_records WHERE id >= ? AND id < ? GROUP BY key",
            (number, *bounds),
        )
        connection.execute(
            "INSERT OR IGNORE INTO bus_garbage (due_ms, record)"
            " SELECT r.time_ms + iif(n.record = r.id, 86400000, 0), r.id FROM bus_records r"
            " JOIN bus_newest n ON n.partition = ? AND n.key = r.key"
            " WHERE r.id >= ? AND r.id < ? AND (n.record <> r.id OR r.value IS NULL)",
            (number, *bounds),
        )


def raise_heads(connection: sqlite3.Connection) -> None:
    """Make no partition end before its last record."""
    for (number,) in connection.execute("SELECT id FROM bus_partitions").fetchall():
        (last,) = connection.execute(
            "SELECT max(id) FROM bus_records WHERE id BETWEEN ? AND ?",
            (number << _OFFSET_BITS, number << _OFFSET_BITS | _OFFSETS),
        ).fetchone()
        if last is not None:
            head = (last & _OFFSETS) + 1
            connection.execute("UPDATE bus_partitions SET head = MAX(head, ?) WHERE id = ?", (head, number))


def delete_records(connection: sqlite3.Connection, topic: str) -> None:
    """Delete all records of a topic (full name). Its offsets go on where they were."""
    for (number,) in connection.execute("SELECT id FROM bus_partitions WHERE topic = ?", (topic,)).fetchall():
        bounds = (number << _OFFSET_BITS, (number + 1) << _OFFSET_BITS)
        connection.execute("DELETE FROM bus_records WHERE id >= ? AND id < ?", bounds)
        connection.execute("DELETE FROM bus_newest WHERE partition = ?", (number,))
        connection.execute("DELETE FROM bus_garbage WHERE record >= ? AND record < ?", bounds)


def compact(connection: sqlite3.Connection, *, now_ms: int, limit: int) -> int:
    """Delete superseded records and tombstones whose grace is over, at most ``limit``. Returns how many were due."""
    due = connection.execute(
        "SELECT due_ms, record FROM bus_garbage WHERE due_ms <= ? ORDER BY due_ms LIMIT ?", (now_ms, limit)
    ).fetchall()
    for due_ms, record in due:
        row = connection.execute("SELECT key FROM bus_records WHERE id = ?", (record,)).fetchone()
        if row is not None:
            connection.execute("DELETE FROM bus_records WHERE id = ?", (record,))
            connection.execute(
                "DELETE FROM bus_newest WHERE partition = ? AND key = ? AND record = ?",
                (record >> _OFFSET_BITS, row[0], record),
            )
        connection.execute("DELETE FROM bus_garbage WHERE due_ms = ? AND record = ?", (due_ms, record))
    return len(due)
