"""Salvage what can be read of a damaged data folder into a new one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from infra.bus.sqlite import tables as log_tables
from infra.database.backup import FILE, write_copy
from infra.database.file import connect, create
from infra.database.lock import ProcessLock
from infra.database.migration import migrate, newest, tables, version_of
from infra.database.repair import RepairResult, copy_rows
from infra.state.sqlite.recovery.repair import is_rebuilt, mark_lost
from schemas.errors import SetupError

_OWN = "schema_migrations"
_NEEDED = ("bus_topics", "bus_partitions")


def salvage(data_dir: Path, target: Path) -> list[RepairResult]:
    """Copy all readable rows to a new file in ``target``, and everything else as a backup does. Missing state is read
    back from the log when the new folder is first used. Returns the result for each table that has rows.

    Raises SetupError, DatabaseLocked while an instance runs."""
    lock = ProcessLock(data_dir / f"{FILE}.lock")
    results: list[RepairResult] = []
    try:
        write_copy(data_dir, target, lambda source, copy: results.extend(_copy_readable(source, copy)))
    finally:
        lock.release()
    return results


def _copy_readable(source: Path, copy: Path) -> list[RepairResult]:
    create(copy)
    migrate(copy)
    with closing(connect(source, read_only=True)) as reader, closing(connect(copy)) as writer:
        if version_of(reader) != newest():
            raise SetupError(
                f"{source} has schema version {version_of(reader)}, this program salvages version {newest()}",
                fix="salvage it with the release that wrote it",
            )
        writer.execute("BEGIN IMMEDIATE")
        results = [
            RepairResult(name, *copy_rows(reader, writer, table)) for name, table in tables().items() if name != _OWN
        ]
        missing = {one.table for one in results if not one.complete}
        if missing.intersection(_NEEDED):
            raise SetupError("the list of topics cannot be read", fix="restore the newest backup")
        _derive_tables(writer)
        if rebuilt := {name for name in missing if is_rebuilt(name)}:
            mark_lost(writer, rebuilt, datetime.now(UTC))
        writer.execute("COMMIT")
        writer.execute("PRAGMA journal_mode=DELETE")  # one self-contained file; opening it turns this back
    return [one for one in results if one.rows or not one.complete]


def _derive_tables(writer: sqlite3.Connection) -> None:
    """Recreate the tables that follow from the records."""
    for table in ("bus_newest", "bus_garbage"):
        writer.execute(f"DELETE FROM {table}")  # noqa: S608
    log_tables.fill_derived_tables(writer)
    log_tables.raise_heads(writer)
