"""The head of each tenant's knowledge, on SQLite."""

from __future__ import annotations

import sqlite3

from infra.state.sqlite.store import UNSHARDED, Store


class SqliteHeads:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def advance(self, tenant: str, partition: int, offset: int) -> None:
        await self._store.write(
            UNSHARDED,
            lambda connection: connection.execute(
                'INSERT INTO state_knowledge_heads (tenant, partition, "offset") VALUES (?, ?, ?)'
                " ON CONFLICT (tenant, partition)"
                ' DO UPDATE SET "offset" = MAX("offset", excluded."offset")',
                (tenant, partition, offset),
            ),
        )

    async def of(self, tenant: str) -> dict[int, int]:
        query = 'SELECT partition, "offset" FROM state_knowledge_heads WHERE tenant = ?'

        def work(connection: sqlite3.Connection) -> dict[int, int]:
            return dict(connection.execute(query, (tenant,)).fetchall())

        return await self._store.read(UNSHARDED, work)
