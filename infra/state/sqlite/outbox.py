"""Envelopes committed with a conversation and not yet published. Called inside the transaction of its owner."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from schemas.envelope import Envelope


def put(connection: sqlite3.Connection, conversation: str, envelopes: Iterable[Envelope], at: int) -> None:
    """Append; an id that is there already keeps its place."""
    connection.executemany(
        "INSERT OR IGNORE INTO state_outbox (conversation, id, headers, data, at) VALUES (?, ?, ?, ?, ?)",
        [(conversation, event.id, json.dumps(event.headers()), event.data, at) for event in envelopes],
    )


def pending(connection: sqlite3.Connection, conversation: str) -> list[Envelope]:
    rows = connection.execute(
        "SELECT headers, data FROM state_outbox WHERE conversation = ? ORDER BY position", (conversation,)
    )
    return [Envelope.from_wire(json.loads(headers), data) for headers, data in rows]


def remove(connection: sqlite3.Connection, conversation: str, event_ids: Sequence[str]) -> None:
    connection.executemany(
        "DELETE FROM state_outbox WHERE conversation = ? AND id = ?", [(conversation, id_) for id_ in event_ids]
    )


def overdue(connection: sqlite3.Connection, before: int, limit: int) -> list[str]:
    """Conversations with an entry from before ``before`` (microseconds), the longest waiting first."""
    rows = connection.execute(
        "SELECT conversation FROM state_outbox WHERE at < ?"
        " GROUP BY conversation ORDER BY MIN(at), conversation LIMIT ?",
        (before, limit),
    )
    return [conversation for (conversation,) in rows]
