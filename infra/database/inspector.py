"""Read the whole file in the background, so that a damaged page is found before somebody needs it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from infra.database.file import connect
from infra.database.migration import tables
from infra.database.repair import Damage, damage_in, damage_of_file

log = structlog.get_logger(__name__)

EVERY_S = 86_400.0
RECORDS = "bus_records"
RECORDS_AT_ONCE = 500
BYTES_PER_S = 32 << 20
LONGEST_PAUSE_S = 5.0
SUSPECTED_AGAIN_S = 5.0
"""Seconds until the file is inspected again after an unfounded suspicion."""
_STEP = """
SELECT max(id), total(length(headers) + coalesce(length(value), 0)),
  total(instr(headers, x'00') + coalesce(instr(value, x'00'), 0))
FROM (SELECT id, headers, value FROM bus_records WHERE id > ? ORDER BY id LIMIT ?)
"""
"""Reads every byte of some records, without one of them reaching Python."""


class Inspector:
    """A thread that checks one table after the other, and the log, the largest, in small steps; it rests as long as it
    works. SQLite does the reading and does not hold the interpreter lock meanwhile. ``found`` is called in the
    thread."""

    def __init__(self, path: Path, found: Callable[[list[Damage]], None]) -> None:
        self._path = path
        self._found = found
        self._stopped = threading.Event()
        self._due = threading.Event()
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._serve, name="parley-inspector", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Blocks until the thread has ended."""
        self._stopped.set()
        self._due.set()
        if (connection := self._connection) is not None:
            connection.interrupt()
        if self._thread.is_alive():
            self._thread.join()

    def suspect(self) -> None:
        """Somebody met damage: inspect everything now, without rests. May be called from any thread."""
        self._due.set()

    def _serve(self) -> None:
        suspected = False
        while not self._stopped.is_set():
            self._due.clear()
            try:
                damage = self._inspect(suspected)
                log.info("database.inspected", damaged=len(damage))
                if damage:
                    self._found(damage)
            except (sqlite3.Error, OSError) as error:
                if not self._stopped.is_set():
                    log.warning("database.inspection_failed", reason=str(error))
            if suspected:
                self._stopped.wait(SUSPECTED_AGAIN_S)
            suspected = self._due.wait(EVERY_S)

    def _inspect(self, suspected: bool) -> list[Damage]:
        self._connection = connection = connect(self._path, read_only=True)
        try:
            connection.execute("PRAGMA cache_size=-2048")
            damage = []
            for name in sorted(tables()):
                if self._stopped.is_set():
                    break
                if name == RECORDS and not suspected:
                    detail = self._records(connection)
                else:
                    detail = self._table(connection, name, suspected)
                if detail:
                    damage.append(Damage(name, detail))
            if suspected and not damage and (detail := damage_of_file(connection)):
                damage.append(Damage("", detail))
            return damage
        finally:
            self._connection = None
            connection.close()

    def _table(self, connection: sqlite3.Connection, name: str, suspected: bool) -> str:
        begun = time.monotonic()
        detail = damage_in(connection, name, quick=name == RECORDS)
        if not suspected:
            self._stopped.wait(min(LONGEST_PAUSE_S, time.monotonic() - begun))
        return detail

    def _records(self, connection: sqlite3.Connection) -> str:
        last = -1
        while not self._stopped.is_set() and not self._due.is_set():
            begun = time.monotonic()
            try:
                newest, size, _ = connection.execute(_STEP, (last, RECORDS_AT_ONCE)).fetchone()
            except sqlite3.DatabaseError as error:
                if self._stopped.is_set():
                    raise
                return str(error)
            if newest is None:
                break
            last = newest
            self._stopped.wait(max(time.monotonic() - begun, size / BYTES_PER_S))
        return ""
