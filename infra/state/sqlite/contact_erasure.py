"""Erasing what is stored about a contact, on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from infra.state import contact_merging
from infra.state.sqlite import contact_search, transcript
from infra.state.sqlite.store import Store

_COUNTED = {
    "state_conversations": ("id", "conversations"),
    "state_transcript": ("conversation", "messages"),
    "state_turns": ("conversation", "turns"),
    "state_deliveries": ("conversation", "deliveries"),
    "state_actions": ("conversation", "actions"),
    "state_outbox": ("conversation", "outbox"),
}
"""The tables whose rows are reported: the column of the conversation, and the kind."""
_OTHERS = (
    "state_handled",
    "state_claims",
    "state_holders",
    "state_approvals",
    "state_transcript_heads",
    "state_external_ids",
)


class SqliteContactErasure:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def erase_conversation(self, conversation: str) -> Mapping[str, int]:
        return await self._store.write(
            conversation, lambda connection: _erase_conversation(connection, conversation), durable=True
        )

    async def redact(self, conversation: str, messages: Sequence[str], turns: Sequence[str]) -> Mapping[str, int]:
        return await self._store.write(
            conversation, lambda connection: _redact(connection, conversation, messages, turns), durable=True
        )

    async def erase_contact(self, tenant: str, contact: str) -> Mapping[str, int]:
        key = contact_merging.contacts_key(tenant)
        return await self._store.write(
            key, lambda connection: _erase_contact(connection, tenant, contact), durable=True
        )

    async def remove_copies(self) -> None:
        await self._store.truncate_log()


def _erase_conversation(connection: sqlite3.Connection, conversation: str) -> dict[str, int]:
    # Whoever holds a token of the conversation must not win again when it begins anew.
    connection.execute(
        "INSERT OR REPLACE INTO state_token_floor (id, floor) SELECT 1, MAX(token + 1,"
        " COALESCE((SELECT floor FROM state_token_floor), 0)) FROM state_conversations WHERE id = ?",
        (conversation,),
    )
    counts = {}
    for table, (column, kind) in _COUNTED.items():
        deleted = connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (conversation,))  # noqa: S608
        counts[kind] = deleted.rowcount
    for table in _OTHERS:
        connection.execute(f"DELETE FROM {table} WHERE conversation = ?", (conversation,))  # noqa: S608
    return counts


def _redact(
    connection: sqlite3.Connection, conversation: str, messages: Sequence[str], turns: Sequence[str]
) -> dict[str, int]:
    counts = {"redacted_messages": transcript.redact(connection, conversation, messages), "turns": 0}
    for turn in turns:
        deleted = connection.execute("DELETE FROM state_turns WHERE conversation = ? AND id = ?", (conversation, turn))
        counts["turns"] += deleted.rowcount
    return counts


def _erase_contact(connection: sqlite3.Connection, tenant: str, contact: str) -> dict[str, int]:
    merged = [id_ for (id_,) in connection.execute(contact_search.READ_MERGED, (contact, tenant))]
    ids = list(dict.fromkeys([contact, *merged]))
    counts = {"contacts": 0, "addresses": 0}
    contact_search.remove_terms(connection, tenant, ids)
    for id_ in ids:
        for table, column, kind in (
            ("state_contacts", "id", "contacts"),
            ("state_addresses", "contact", "addresses"),
        ):
            deleted = connection.execute(
                f"DELETE FROM {table} WHERE tenant = ? AND {column} = ?",  # noqa: S608
                (tenant, id_),
            )
            counts[kind] += deleted.rowcount
        connection.execute("DELETE FROM state_action_counts WHERE tenant = ? AND contact = ?", (tenant, id_))
    return counts
