"""Parked records on SQLite, in the order of the log, whichever were parked first."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from infra.state import rules
from infra.state.sqlite.store import ALL_SHARDS, Store
from schemas.ports import Record, TopicPartition

_FIELDS = 'topic, partition, "offset", key, timestamp_ms, headers, value'


class SqliteParking:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def park(self, group: str, conversation: str, records: Sequence[Record], *, until: datetime) -> None:
        def work(connection: sqlite3.Connection) -> None:
            _insert(connection, group, conversation, records)
            if _count_parked(connection, group, conversation):
                connection.execute(
                    "INSERT OR REPLACE INTO state_parked_until (consumer_group, conversation, until) VALUES (?, ?, ?)",
                    (group, conversation, rules.to_micros(until)),
                )

        # Durable, because the offset moves on and these records are read only from here.
        await self._store.write(conversation, work, durable=True)

    async def read(self, group: str, conversation: str, *, limit: int) -> list[Record]:
        query = (
            f"SELECT {_FIELDS} FROM state_parked WHERE consumer_group = ? AND conversation = ?"  # noqa: S608
            ' ORDER BY "offset", position LIMIT ?'
        )

        def work(connection: sqlite3.Connection) -> list[Record]:
            return [_record(*row) for row in connection.execute(query, (group, conversation, limit))]

        return await self._store.read(conversation, work)

    async def unpark(self, group: str, conversation: str, records: Sequence[Record]) -> int:
        def work(connection: sqlite3.Connection) -> int:
            connection.executemany(
                "DELETE FROM state_parked WHERE consumer_group = ? AND conversation = ?"
                ' AND topic = ? AND partition = ? AND "offset" = ?',
                [(group, conversation, record.topic, record.partition, record.offset) for record in records],
            )
            left = _count_parked(connection, group, conversation)
            if not left:
                connection.execute(
                    "DELETE FROM state_parked_until WHERE consumer_group = ? AND conversation = ?",
                    (group, conversation),
                )
            return left

        return await self._store.write(conversation, work)

    async def list_conversations(
        self, group: str, partitions: Iterable[TopicPartition]
    ) -> dict[str, tuple[TopicPartition, datetime]]:
        wanted = frozenset(partitions)
        query = (
            "SELECT conversation, topic, partition, until FROM state_parked_until"
            " JOIN state_parked USING (consumer_group, conversation)"
            " WHERE consumer_group = ? GROUP BY conversation, topic, partition"
        )

        def work(connection: sqlite3.Connection) -> dict[str, tuple[TopicPartition, datetime]]:
            return {
                conversation: (source, rules.from_micros(until))
                for conversation, topic, partition, until in connection.execute(query, (group,))
                if (source := TopicPartition(topic, partition)) in wanted
            }

        return await self._store.read(ALL_SHARDS, work)


def restore(connection: sqlite3.Connection, group: str, conversation: str, record: Record, until: datetime) -> None:
    """Park a record that the log says was parked; a stored ``until`` stays."""
    _insert(connection, group, conversation, [record])
    connection.execute(
        "INSERT OR IGNORE INTO state_parked_until (consumer_group, conversation, until) VALUES (?, ?, ?)",
        (group, conversation, rules.to_micros(until)),
    )


def _insert(connection: sqlite3.Connection, group: str, conversation: str, records: Sequence[Record]) -> None:
    connection.executemany(
        f"INSERT OR IGNORE INTO state_parked (consumer_group, conversation, {_FIELDS})"  # noqa: S608
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(group, conversation, *_row(record)) for record in records],
    )


def _row(record: Record) -> tuple[object, ...]:
    headers = json.dumps(dict(record.headers))
    return (
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.timestamp_ms,
        headers,
        record.value,
    )


def _record(
    topic: str, partition: int, offset: int, key: str, timestamp_ms: int, headers: str, value: bytes | None
) -> Record:
    return Record(topic, partition, offset, key, timestamp_ms, json.loads(headers), value)


def _count_parked(connection: sqlite3.Connection, group: str, conversation: str) -> int:
    query = "SELECT COUNT(*) FROM state_parked WHERE consumer_group = ? AND conversation = ?"
    (count,) = connection.execute(query, (group, conversation)).fetchone()
    return int(count)
