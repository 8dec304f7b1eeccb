"""Turns on SQLite: the newest of each conversation, for people to look up."""

from __future__ import annotations

import sqlite3

from infra.state import rules
from infra.state.sqlite.store import UNSHARDED, Store
from schemas.conversation import Turn

_TRIM = """
DELETE FROM state_turns WHERE conversation = ?1 AND (at, id) <= (
    SELECT at, id FROM state_turns WHERE conversation = ?1 ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?2
)
"""


class SqliteTurns:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, conversation: str, turn: Turn) -> None:
        await self._store.write(UNSHARDED, lambda connection: add_turn(connection, conversation, turn))

    async def list_newest(self, conversation: str, *, limit: int = 200) -> list[Turn]:
        query = "SELECT body FROM state_turns WHERE conversation = ? ORDER BY at DESC, id DESC LIMIT ?"

        def work(connection: sqlite3.Connection) -> list[Turn]:
            rows = connection.execute(query, (conversation, max(1, limit))).fetchall()
            return [Turn.model_validate_json(body) for (body,) in reversed(rows)]

        return await self._store.read(UNSHARDED, work)


def add_turn(connection: sqlite3.Connection, conversation: str, turn: Turn) -> None:
    """Add a turn inside the transaction of its conversation."""
    known = "SELECT 1 FROM state_turns WHERE conversation = ? AND id = ?"
    if connection.execute(known, (conversation, turn.id)).fetchone() is None:
        row = (conversation, rules.to_micros(turn.at), turn.id, turn.model_dump_json())
        connection.execute("INSERT INTO state_turns (conversation, at, id, body) VALUES (?, ?, ?, ?)", row)
        connection.execute(_TRIM, (conversation, rules.TURNS_KEPT))
