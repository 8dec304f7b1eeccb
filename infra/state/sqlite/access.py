"""The API tokens of tenants, on SQLite."""

from __future__ import annotations

import sqlite3

from infra.state import rules
from infra.state.sqlite.store import Store
from schemas.access import AccessToken


class SqliteAccessTokens:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, token: AccessToken) -> None:
        place = rules.access_tokens_key(token.tenant)
        await self._store.write(place, lambda connection: put_token(connection, token), durable=True)

    async def get(self, tenant: str, id: str) -> AccessToken | None:
        query = "SELECT body FROM state_access_tokens WHERE tenant = ? AND id = ?"

        def work(connection: sqlite3.Connection) -> AccessToken | None:
            row = connection.execute(query, (tenant, id)).fetchone()
            return AccessToken.model_validate_json(row[0]) if row else None

        return await self._store.read(rules.access_tokens_key(tenant), work)

    async def list_all(self, tenant: str) -> list[AccessToken]:
        query = "SELECT body FROM state_access_tokens WHERE tenant = ?"

        def work(connection: sqlite3.Connection) -> list[AccessToken]:
            return rules.sort_tokens(body for (body,) in connection.execute(query, (tenant,)))

        return await self._store.read(rules.access_tokens_key(tenant), work)

    async def remove(self, tenant: str, id: str) -> None:
        query = "DELETE FROM state_access_tokens WHERE tenant = ? AND id = ?"
        place = rules.access_tokens_key(tenant)
        await self._store.write(place, lambda connection: connection.execute(query, (tenant, id)), durable=True)


def put_token(connection: sqlite3.Connection, token: AccessToken) -> None:
    connection.execute(
        "INSERT INTO state_access_tokens (tenant, id, revoked, body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (tenant, id) DO UPDATE SET revoked = excluded.revoked, body = excluded.body WHERE NOT revoked",
        (token.tenant, token.id, token.revoked_at is not None, token.model_dump_json()),
    )
