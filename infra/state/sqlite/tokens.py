"""Visitor tokens on SQLite: the first user of a one-time identity, and ended sessions."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from infra.state import rules
from infra.state.sqlite.store import UNSHARDED, Store


class SqliteTokens:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def bind(self, identity: str, session: str, *, until: datetime, now: datetime) -> str:
        def work(connection: sqlite3.Connection) -> str:
            connection.execute("DELETE FROM state_used_identities WHERE until <= ?", (rules.to_micros(now),))
            connection.execute(
                "INSERT OR IGNORE INTO state_used_identities (identity, session, until) VALUES (?, ?, ?)",
                (identity, session, rules.to_micros(until)),
            )
            query = "SELECT session FROM state_used_identities WHERE identity = ?"
            return str(connection.execute(query, (identity,)).fetchone()[0])

        return await self._store.write(UNSHARDED, work, durable=True)

    async def revoke(self, conversation: str, session: str, *, until: datetime, now: datetime) -> None:
        await self._store.write(UNSHARDED, lambda connection: revoke(connection, session, until, now), durable=True)

    async def is_revoked(self, conversation: str, session: str, *, now: datetime) -> bool:
        query = "SELECT until FROM state_revoked_sessions WHERE session = ?"

        def work(connection: sqlite3.Connection) -> bool:
            row = connection.execute(query, (session,)).fetchone()
            return row is not None and int(row[0]) > rules.to_micros(now)

        return await self._store.read(UNSHARDED, work)


def revoke(connection: sqlite3.Connection, session: str, until: datetime, now: datetime) -> None:
    connection.execute("DELETE FROM state_revoked_sessions WHERE until <= ?", (rules.to_micros(now),))
    connection.execute(
        "INSERT INTO state_revoked_sessions (session, until) VALUES (?, ?)"
        " ON CONFLICT (session) DO UPDATE SET until = MAX(until, excluded.until)",
        (session, rules.to_micros(until)),
    )
