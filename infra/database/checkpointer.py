"""Keep the write-ahead log bounded without delaying commits."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import structlog

from infra.database.committer import Committer
from infra.database.file import WAL_BYTES, connect

log = structlog.get_logger(__name__)

PAUSE_S = 0.5
ALARM_BYTES = 256 << 20
"""Only a reader that never finishes can hold the log open this long."""


class Checkpointer:
    """A thread that copies committed pages into the database while commits go on.

    Under steady load it never catches up by itself, so the writer does the short rest between two transactions; then
    the log starts over."""

    def __init__(self, path: Path, committer: Committer) -> None:
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._committer = committer
        self._due = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="parley-checkpoint", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """Something was committed. Cheap, because it is called after every transaction."""
        if not self._due.is_set():
            self._due.set()

    def stop(self) -> None:
        self._stopped.set()
        self._due.set()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            self._due.wait()
            if self._stopped.is_set():
                return
            self._due.clear()
            try:
                self._checkpoint()
            except (sqlite3.Error, OSError) as error:
                self._report_failure(error)
            self._stopped.wait(PAUSE_S)

    def _report_failure(self, error: Exception) -> None:
        log.warning("database.checkpoint_failed", reason=str(error))
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR:
            # A failed fsync here may have lost the writer's pages too.
            self._committer.suspect(error)

    def _checkpoint(self) -> None:
        size = self._wal_bytes()
        if size <= WAL_BYTES:
            return
        # A new connection each time: after a failure nothing of it can be left over.
        connection = connect(self._path)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            connection.close()
        self._committer.checkpoint()
        if size > ALARM_BYTES:
            log.warning("database.wal_large", bytes=size)

    def _wal_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0
