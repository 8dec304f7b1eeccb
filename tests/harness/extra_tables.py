"""Tables of a test's own beside those of the product."""

from __future__ import annotations

import sqlite3

from infra.database import Database


def declare(database: Database, table: str) -> None:
    """``table`` is what follows CREATE TABLE."""
    with sqlite3.connect(database.path, isolation_level=None) as file:
        file.execute(f"CREATE TABLE IF NOT EXISTS {table}")
    file.close()
