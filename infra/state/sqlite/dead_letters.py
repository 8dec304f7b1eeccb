"""Dead letters on SQLite, by tenant."""

from __future__ import annotations

import sqlite3

from infra.state import rules
from infra.state.sqlite.store import UNSHARDED, Store
from schemas.conversation import DeadLetter
from schemas.errors import NotFound


class SqliteDeadLetters:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, letter: DeadLetter) -> None:
        row = (letter.tenant, letter.id, rules.to_micros(letter.last_at), letter.replays, letter.model_dump_json())
        await self._store.write(
            UNSHARDED,
            lambda connection: connection.execute(
                "INSERT OR IGNORE INTO state_dead_letters (tenant, id, last_at, replays, body) VALUES (?, ?, ?, ?, ?)",
                row,
            ),
            durable=True,
        )

    async def get(self, tenant: str, letter: str) -> DeadLetter | None:
        query = "SELECT body, replays FROM state_dead_letters WHERE tenant = ? AND id = ?"

        def work(connection: sqlite3.Connection) -> DeadLetter | None:
            row = connection.execute(query, (tenant, letter)).fetchone()
            return _parse(*row) if row else None

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

    async def list_page(self, tenant: str, *, after: str = "", limit: int = 50) -> tuple[list[DeadLetter], str]:
        at, id_ = rules.cursor_place(after) if after else (2**62, "")
        query = (
            "SELECT body, replays FROM state_dead_letters WHERE tenant = ? AND (last_at, id) < (?, ?)"
            " ORDER BY last_at DESC, id DESC LIMIT ?"
        )
        size = max(1, limit)

        def work(connection: sqlite3.Connection) -> list[DeadLetter]:
            return [_parse(*row) for row in connection.execute(query, (tenant, at, id_, size + 1))]

        letters = await self._store.read(UNSHARDED, work)
        items = letters[:size]
        more = len(letters) > size
        return items, rules.cursor(rules.to_micros(items[-1].last_at), items[-1].id) if more else ""


def _parse(body: str, replays: int) -> DeadLetter:
    return DeadLetter.model_validate_json(body).model_copy(update={"replays": replays})
