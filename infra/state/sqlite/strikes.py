"""Strikes on SQLite: records that may have stalled or killed a process."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from infra.state import rules
from infra.state.sqlite.store import UNSHARDED, Store
from schemas.ports import Strike, TopicPartition


class SqliteStrikes:
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
