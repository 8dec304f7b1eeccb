"""Parked records, dead letters and strikes on SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from infra.state import rules
from infra.state.sqlite.sealed_rows import open_body, open_data, seal, seal_data
from infra.state.sqlite.store import ALL_SHARDS, UNSHARDED, Store
from schemas.conversation import DeadLetter
from schemas.errors import NotFound
from schemas.ports import Record, Strike, TopicPartition
from schemas.privacy.sealed_events import forget_record

_FIELDS = 'topic, partition, "offset", key, timestamp_ms, headers, value'


class SqliteParking:
    """Parked records on SQLite, in the order of the log, whichever were parked first."""

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
            return [_record(connection, *row) for row in connection.execute(query, (group, conversation, limit))]

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
        [(group, conversation, *_row(connection, conversation, record)) for record in records],
    )


def _row(connection: sqlite3.Connection, conversation: str, record: Record) -> tuple[object, ...]:
    headers = json.dumps(dict(record.headers))
    return (
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.timestamp_ms,
        headers,
        seal_data(connection, conversation, record.value),
    )


def _record(
    connection: sqlite3.Connection,
    topic: str,
    partition: int,
    offset: int,
    key: str,
    timestamp_ms: int,
    headers: str,
    stored: bytes | None,
) -> Record:
    value = open_data(connection, stored) if stored else stored
    record = Record(topic, partition, offset, key, timestamp_ms, json.loads(headers), value)
    return forget_record(record) if stored and value is None else record


def _count_parked(connection: sqlite3.Connection, group: str, conversation: str) -> int:
    query = "SELECT COUNT(*) FROM state_parked WHERE consumer_group = ? AND conversation = ?"
    (count,) = connection.execute(query, (group, conversation)).fetchone()
    return int(count)


class SqliteDeadLetters:
    """Dead letters on SQLite, by tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, letter: DeadLetter) -> None:
        await self._store.write(UNSHARDED, lambda connection: add_letter(connection, letter), durable=True)

    async def get(self, tenant: str, letter: str) -> DeadLetter | None:
        query = "SELECT body, replays FROM state_dead_letters WHERE tenant = ? AND id = ?"

        def work(connection: sqlite3.Connection) -> DeadLetter | None:
            row = connection.execute(query, (tenant, letter)).fetchone()
            return _parse(connection, *row) if row else None

        return await self._store.read(UNSHARDED, work)

    async def count_replay(self, tenant: str, letter: str) -> int:
        query = "UPDATE state_dead_letters SET replays = replays + 1 WHERE tenant = ? AND id = ? RETURNING replays"

        def work(connection: sqlite3.Connection) -> int:
            rows = connection.execute(query, (tenant, letter)).fetchall()
            if not rows:
                raise NotFound("no such dead letter")
            return int(rows[0][0])

        # The append of the replay that follows is durable, and carries this number with it.
        return await self._store.write(UNSHARDED, work)

    async def remove(self, tenant: str, letter: str) -> None:
        query = "DELETE FROM state_dead_letters WHERE tenant = ? AND id = ?"

        await self._store.write(UNSHARDED, lambda connection: connection.execute(query, (tenant, letter)), durable=True)

    async def list_page(self, tenant: str, *, after: str = "", limit: int = 50) -> tuple[list[DeadLetter], str]:
        at, id_ = rules.cursor_place(after) if after else (2**62, "")
        query = (
            "SELECT body, replays FROM state_dead_letters WHERE tenant = ? AND (last_at, id) < (?, ?)"
            " ORDER BY last_at DESC, id DESC LIMIT ?"
        )
        size = max(1, limit)

        def work(connection: sqlite3.Connection) -> list[DeadLetter]:
            return [_parse(connection, *row) for row in connection.execute(query, (tenant, at, id_, size + 1))]

        letters = await self._store.read(UNSHARDED, work)
        items = letters[:size]
        more = len(letters) > size
        return items, rules.cursor(rules.to_micros(items[-1].last_at), items[-1].id) if more else ""


def add_letter(connection: sqlite3.Connection, letter: DeadLetter) -> None:
    """Add a letter unless it is known."""
    row = (letter.tenant, letter.id, rules.to_micros(letter.last_at), letter.replays)
    readable = letter.model_dump(mode="json", exclude={"reason", "headers", "value"})
    body = seal(connection, letter.conversation_id, letter.model_dump_json(), readable.items())
    connection.execute(
        "INSERT OR IGNORE INTO state_dead_letters (tenant, id, last_at, replays, body) VALUES (?, ?, ?, ?, ?)",
        (*row, body),
    )


def _parse(connection: sqlite3.Connection, stored: str, replays: int) -> DeadLetter:
    """Of a letter about somebody who was erased only what was not encrypted is left."""
    body = open_body(connection, stored)
    letter = rules.forget_letter(stored) if body is None else DeadLetter.model_validate_json(body)
    return letter.model_copy(update={"replays": replays})


class SqliteStrikes:
    """Strikes on SQLite: records that may have stalled or killed a process."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, strikes: Sequence[Strike]) -> None:
        rows = [(*strike[:-1], rules.to_micros(strike.at)) for strike in strikes]
        await self._store.write(
            UNSHARDED,
            lambda connection: connection.executemany(
                'INSERT OR IGNORE INTO state_strikes (consumers, topic, partition, "offset", incident, code, at)'
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            ),
            durable=True,
        )

    async def of(self, group: str, source: TopicPartition) -> list[Strike]:
        query = (
            'SELECT consumers, topic, partition, "offset", incident, code, at FROM state_strikes'
            " WHERE consumers = ? AND topic = ? AND partition = ? ORDER BY at"
        )

        def work(connection: sqlite3.Connection) -> list[Strike]:
            rows = connection.execute(query, (group, *source)).fetchall()
            return [Strike(*row)._replace(at=rules.from_micros(row[-1])) for row in rows]

        return await self._store.read(UNSHARDED, work)

    async def clear(self, strikes: Sequence[Strike]) -> None:
        rows = [strike[:4] for strike in strikes]
        await self._store.write(
            UNSHARDED,
            lambda connection: connection.executemany(
                'DELETE FROM state_strikes WHERE consumers = ? AND topic = ? AND partition = ? AND "offset" = ?', rows
            ),
        )
