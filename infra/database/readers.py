"""A few read-only connections, each on a snapshot."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from infra.database.file import DatabaseFailed, connect, is_broken, is_damage

T = TypeVar("T")

KEPT = 3
"""Idle connections kept for the next reads. A burst opens more, and each has two open files and a page cache."""


class Readers:
    """A connection for each concurrent read; afterwards at most ``KEPT`` of them stay open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._generation = 0
        self._guard = threading.Lock()
        self.on_damage: Callable[[], None] = lambda: None

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on one snapshot. Raises DatabaseFailed."""
        try:
            return self._on_snapshot(work)
        except sqlite3.Error as error:
            if is_damage(error):
                self.on_damage()
            if is_broken(error) or is_damage(error):
                raise DatabaseFailed(f"the database could not be read: {error}") from error
            raise

    def renew(self) -> None:
        """Discard the connections; those in use are closed when they come back."""
        with self._guard:
            self._generation += 1
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _on_snapshot(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._guard:
            generation = self._generation
            connection = self._idle.pop() if self._idle else None
        connection = connection or connect(self._path, read_only=True)
        sound = False
        try:
            connection.execute("BEGIN")
            result = work(connection)
            sound = True
            return result
        finally:
            self._give_back(connection, generation, sound)

    def _give_back(self, connection: sqlite3.Connection, generation: int, sound: bool) -> None:
        try:
            connection.rollback()
        except sqlite3.Error:
            sound = False
        with self._guard:
            if sound and generation == self._generation and len(self._idle) < KEPT:
                self._idle.append(connection)
                return
        connection.close()
