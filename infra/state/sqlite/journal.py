"""The journal of actions on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import datetime

from infra.state import journal_rules, rules
from infra.state.sqlite.store import ALL_SHARDS, Store
from schemas.actions import ActionIntended, ActionSettled, JournalEntry
from schemas.ports import ActionClaim


class SqliteJournal:
    """Claims and outcomes need no disk sync of their own: the events appended next to the same file carry them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def claim(
        self, conversation: str, intended: ActionIntended, *, token: int, epoch: int, now: datetime
    ) -> ActionClaim:
        def work(connection: sqlite3.Connection) -> ActionClaim:
            held = connection.execute("SELECT token, epoch FROM state_conversations WHERE id = ?", (conversation,))
            if held.fetchone() != (token, epoch):
                return ActionClaim("stale")
            known = load(connection, conversation, intended.key)
            if known is not None:
                return ActionClaim("known", known)
            _trim(connection, conversation, now)
            intend(connection, conversation, intended)
            return ActionClaim("go")

        return await self._store.write(conversation, work)

    async def withdraw(self, conversation: str, key: str) -> None:
        query = "DELETE FROM state_actions WHERE conversation = ? AND key = ? AND settled IS NULL"
        await self._store.write(conversation, lambda connection: connection.execute(query, (conversation, key)))

    async def record(self, conversation: str, settled: ActionSettled) -> None:
        await self._store.write(conversation, lambda connection: settle(connection, conversation, settled))

    async def entry(self, conversation: str, key: str) -> JournalEntry | None:
        return await self._store.read(conversation, lambda connection: load(connection, conversation, key))

    async def find_by_authority(self, conversation: str, authorities: Collection[str]) -> list[JournalEntry]:
        return [entry for entry in await self._all(conversation) if entry.intended.authority in authorities]

    async def list_in_doubt(self, conversation: str) -> list[JournalEntry]:
        return [entry for entry in await self._all(conversation) if entry.in_doubt]

    async def _all(self, conversation: str) -> list[JournalEntry]:
        def work(connection: sqlite3.Connection) -> list[JournalEntry]:
            query = "SELECT intended, settled FROM state_actions WHERE conversation = ? ORDER BY at, key"
            return [_entry(*row) for row in connection.execute(query, (conversation,))]

        return await self._store.read(conversation, work)

    async def unresolved(self, *, before: datetime, limit: int) -> list[tuple[str, str]]:
        query = "SELECT conversation, key FROM state_actions WHERE due < ? ORDER BY due LIMIT ?"

        def work(connection: sqlite3.Connection) -> list[tuple[str, str]]:
            return connection.execute(query, (rules.to_micros(before), limit)).fetchall()

        return await self._store.read(ALL_SHARDS, work)

    async def postpone(self, conversation: str, key: str, until: datetime) -> None:
        query = "UPDATE state_actions SET due = ? WHERE conversation = ? AND key = ? AND due IS NOT NULL"
        row = (rules.to_micros(until), conversation, key)
        await self._store.write(conversation, lambda connection: connection.execute(query, row))

    async def admit(self, tenant: str, contact: str, action: str, day: str, key: str, *, most: int) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            query = "SELECT key FROM state_action_counts WHERE tenant = ? AND contact = ? AND action = ? AND day = ?"
            counted = {row[0] for row in connection.execute(query, (tenant, contact, action, day))}
            if key not in counted and len(counted) >= most:
                return False
            count(connection, tenant, contact, action, day, key)
            return True

        return await self._store.write(place_of(tenant, contact), work)


def place_of(tenant: str, contact: str) -> str:
    """The key that decides the shard of a contact's counts."""
    return f"actions:{tenant}:{contact}"


def load(connection: sqlite3.Connection, conversation: str, key: str) -> JournalEntry | None:
    query = "SELECT intended, settled FROM state_actions WHERE conversation = ? AND key = ?"
    row = connection.execute(query, (conversation, key)).fetchone()
    return None if row is None else _entry(*row)


def intend(connection: sqlite3.Connection, conversation: str, intended: ActionIntended) -> None:
    row = (conversation, intended.key, rules.to_micros(intended.at), rules.to_micros(intended.due))
    connection.execute(
        "INSERT OR IGNORE INTO state_actions (conversation, key, at, due, intended) VALUES (?, ?, ?, ?, ?)",
        (*row, intended.model_dump_json()),
    )


def settle(connection: sqlite3.Connection, conversation: str, settled: ActionSettled) -> None:
    known = load(connection, conversation, settled.key)
    if known is None:
        return
    if not journal_rules.stays_due(known.settled, settled):
        _update(connection, "due = ?", None, conversation, settled.key)
    if journal_rules.replaces_outcome(known.settled, settled):
        _update(connection, "settled = ?", settled.model_dump_json(), conversation, settled.key)


def count(connection: sqlite3.Connection, tenant: str, contact: str, action: str, day: str, key: str) -> None:
    connection.execute("DELETE FROM state_action_counts WHERE day < date(?, '-2 days')", (day,))
    connection.execute(
        "INSERT OR IGNORE INTO state_action_counts (tenant, contact, action, day, key) VALUES (?, ?, ?, ?, ?)",
        (tenant, contact, action, day, key),
    )


def _entry(intended: str, settled: str | None) -> JournalEntry:
    return JournalEntry(
        intended=ActionIntended.model_validate_json(intended),
        settled=ActionSettled.model_validate_json(settled) if settled else None,
    )


def _update(connection: sqlite3.Connection, assignment: str, value: str | None, conversation: str, key: str) -> None:
    query = f"UPDATE state_actions SET {assignment} WHERE conversation = ? AND key = ?"  # noqa: S608
    connection.execute(query, (value, conversation, key))


def _trim(connection: sqlite3.Connection, conversation: str, now: datetime) -> None:
    connection.execute(
        "DELETE FROM state_actions WHERE conversation = ?1 AND at < ?2 AND due IS NULL AND key NOT IN"
        " (SELECT key FROM state_actions WHERE conversation = ?1 ORDER BY at DESC LIMIT ?3)",
        (conversation, rules.to_micros(now - journal_rules.HORIZON), rules.KEPT_WHATEVER_AGE),
    )
