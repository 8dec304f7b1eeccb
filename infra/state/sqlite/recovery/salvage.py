"""Salvage what can be read of a damaged data folder into a new one."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from infra.bus.sqlite import tables as log_tables
from infra.database import database_file
from infra.database.file import connect, create, sync_path
from infra.database.lock import ProcessLock
from infra.database.migration import migrate, newest, tables, version_of
from infra.database.repair import RepairResult, copy_rows
from infra.state.sqlite.recovery.repair import is_rebuilt, mark_lost
from schemas.errors import SetupError

_OWN = "schema_migrations"
_NEEDED = ("bus_topics", "bus_partitions")
_LEFT_OUT = frozenset({"parley.db", "parley.db-wal", "parley.db-shm", "parley.db.lock", "knowledge"})
"""The index is built again from the documents, which are in the database."""


def salvage(data_dir: Path, target: Path) -> list[RepairResult]:
    """Copy all readable rows, and everything else that cannot be built again, to ``target``, a folder that must not
    exist yet. It appears under its name only when it is complete and on disk. Missing state is read back from the log
    when it is first used. Returns the result for each table that has rows.

    Raises SetupError, DatabaseLocked while an instance runs."""
    source = database_file(data_dir)
    lock = ProcessLock(data_dir / f"{source.name}.lock")
    try:
        if not source.is_file():
            fix = "check `data_dir`; `parley config show` prints it"
            raise SetupError(f"there is no database in {data_dir}", fix=fix)
        if target.exists():
            raise SetupError(f"{target} already exists", fix="name a new folder")
        return _write_copy(source, target)
    finally:
        lock.release()


def _write_copy(source: Path, target: Path) -> list[RepairResult]:
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        partial.mkdir(parents=True, mode=0o700)
        results = _copy_readable(source, partial / source.name)
        _copy_others(source.parent, partial)
        for path in (*partial.rglob("*"), partial):
            sync_path(path)
        partial.rename(target)
        sync_path(target.parent)
    except (OSError, sqlite3.Error) as error:
        fix = "check the free space and the permissions there"
        raise SetupError(f"the copy was not made: {error}", fix=fix) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # renamed already when all went well
    return results


def _copy_others(data_dir: Path, partial: Path) -> None:
    for item in sorted(data_dir.iterdir()):
        if item.name in _LEFT_OUT or item.name.startswith("."):
            continue
        if item.is_dir():
            shutil.copytree(item, partial / item.name, ignore=shutil.ignore_patterns(".*"))
        else:
            shutil.copy2(item, partial / item.name)


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
