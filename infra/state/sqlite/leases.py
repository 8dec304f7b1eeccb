"""Leases on SQLite. The file has one process, so a holder from before it was opened is gone."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from infra.state import rules
from infra.state.sqlite.store import UNSHARDED, Store


class SqliteLeases:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: set[str] = set()
        """Leases that this process has asked for. Any other holder is an earlier process, which is gone."""

    async def acquire(self, name: str, holder: str, *, ttl: float, now: datetime) -> int | None:
        expires_at = rules.to_micros(now + timedelta(seconds=ttl))

        def work(connection: sqlite3.Connection) -> int | None:
            row = connection.execute(
                "SELECT holder, token, expires_at FROM state_leases WHERE name = ?", (name,)
            ).fetchone()
            held, token, until = row or ("", 0, 0)
            held = held if name in self._known else ""
            self._known.add(name)
            if held and held != holder and until > rules.to_micros(now):
                return None
            renewed = int(token) + (held != holder)
            connection.execute(
                "INSERT OR REPLACE INTO state_leases (name, holder, token, expires_at) VALUES (?, ?, ?, ?)",
                (name, holder, renewed, expires_at),
            )
            return renewed

        return await self._store.write(UNSHARDED, work)

    async def release(self, name: str, holder: str) -> None:
        await self._store.write(
            UNSHARDED,
            lambda connection: connection.execute(
                "UPDATE state_leases SET holder = '' WHERE name = ? AND holder = ?", (name, holder)
            ),
        )

    async def leave(self, name: str, token: int, note: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            held = connection.execute(
                "SELECT 1 FROM state_leases WHERE name = ? AND token = ? AND holder <> ''", (name, token)
            ).fetchone()
            if name not in self._known:
                return False
            if held is not None:
                connection.execute("INSERT OR REPLACE INTO state_lease_notes (name, note) VALUES (?, ?)", (name, note))
            return held is not None

        return await self._store.write(UNSHARDED, work)

    async def note(self, name: str) -> str:
        def work(connection: sqlite3.Connection) -> str:
            row = connection.execute("SELECT note FROM state_lease_notes WHERE name = ?", (name,)).fetchone()
            return str(row[0]) if row else ""

        return await self._store.read(UNSHARDED, work)
