"""The keys of contacts, on SQLite."""

from __future__ import annotations

import sqlite3

from infra.state.sqlite.store import Store
from schemas.privacy.contact_keys import ContactKey


class SqliteContactKeys:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, tenant: str, contact: str) -> ContactKey | None:
        return await self._store.read(contact, lambda connection: load_key(connection, tenant, contact))

    async def put(self, key: ContactKey) -> ContactKey:
        return await self._store.write(key.contact_id, lambda connection: put_key(connection, key), durable=True)

    async def remove(self, key: ContactKey) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            query = "DELETE FROM state_contact_keys WHERE tenant = ? AND contact = ? AND rank = ?"
            connection.execute(query, (key.tenant, key.contact_id, key.rank))
            return load_key(connection, key.tenant, key.contact_id) is None

        return await self._store.write(key.contact_id, work, durable=True)


def load_key(connection: sqlite3.Connection, tenant: str, contact: str) -> ContactKey | None:
    query = "SELECT body FROM state_contact_keys WHERE tenant = ? AND contact = ?"
    row = connection.execute(query, (tenant, contact)).fetchone()
    return ContactKey.model_validate_json(row[0]) if row else None


def put_key(connection: sqlite3.Connection, key: ContactKey) -> ContactKey:
    """Do as ``ContactKeys.put``, inside a transaction."""
    written = connection.execute(
        "INSERT INTO state_contact_keys (tenant, contact, rank, body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (tenant, contact) DO UPDATE SET rank = excluded.rank, body = excluded.body"
        " WHERE excluded.rank > rank",
        (key.tenant, key.contact_id, key.rank, key.model_dump_json()),
    )
    if written.rowcount:
        return key
    stored = load_key(connection, key.tenant, key.contact_id)
    assert stored is not None  # noqa: S101 (it was in the way of the statement before)
    return stored
