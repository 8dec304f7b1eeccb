"""When the first open approval of a conversation expires. Called inside the transaction of its owner."""

from __future__ import annotations

import sqlite3

from infra.state import rules
from schemas.conversation import Facts


def note(connection: sqlite3.Connection, conversation: str, facts: Facts) -> None:
    """What these facts say of it."""
    due = rules.approvals_due(facts)
    if due is None:
        connection.execute("DELETE FROM state_approvals WHERE conversation = ?", (conversation,))
    else:
        connection.execute(
            "INSERT OR REPLACE INTO state_approvals (conversation, due) VALUES (?, ?)", (conversation, due)
        )


def expiring(connection: sqlite3.Connection, before: int, limit: int) -> list[str]:
    rows = connection.execute(
        "SELECT conversation FROM state_approvals WHERE due < ? ORDER BY due, conversation LIMIT ?", (before, limit)
    )
    return [conversation for (conversation,) in rows]


def postpone(connection: sqlite3.Connection, conversation: str, until: int) -> None:
    connection.execute("UPDATE state_approvals SET due = ? WHERE conversation = ?", (until, conversation))
