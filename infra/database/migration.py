"""Migrate the file to the schema of this program, and refuse a newer one.

The version is in the header (``PRAGMA user_version``), the steps that led to it in ``schema_migrations``. Each step is
one transaction together with its version, so a process that is killed in between leaves the file at some version, and
the next one goes on from there. A new file gets all steps in one transaction."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import structlog

from infra.database.file import connect, unusable_file
from infra.database.schema import MIGRATIONS, Migration
from schemas.errors import SchemaMismatch, SetupError

log = structlog.get_logger(__name__)

Columns = tuple[tuple[str, str, int, str | None, int], ...]
"""Name, type, NOT NULL, default and place in the primary key of each column."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the newest version: the statements that create it and its indexes, and its columns."""

    name: str
    statements: tuple[str, ...]
    columns: Columns


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The result of ``parley migrate --check``. ``found`` is 0 for a file from before versions, None without a file."""

    found: int | None
    known: int
    pending: tuple[str, ...]


def newest(migrations: Sequence[Migration] = MIGRATIONS) -> int:
    return migrations[-1].version


def state_of(path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> SchemaState:
    """Inspect the file without changing it. Raises SchemaMismatch for a file that is newer than this program,
    SetupError for one that cannot be read."""
    if not path.is_file():
        return SchemaState(None, newest(migrations), ())
    try:
        connection = connect(path, read_only=True)
        try:
            version = version_of(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise unusable_file(path, error) from error
    _refuse_newer(path, version, newest(migrations))
    return SchemaState(version, newest(migrations), tuple(each.name for each in migrations if each.version > version))


def migrate(path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> list[str]:
    """Apply the missing steps, after a copy of the file if a step rewrites existing data; then compare the columns.
    Returns the names of the steps. Raises SchemaMismatch when the file is newer than this program or has other columns
    than its version says, SetupError when it cannot be read or written."""
    try:
        connection = connect(path)
        try:
            return _apply_pending(connection, path, migrations)
        finally:
            connection.close()
    except (sqlite3.Error, OSError) as error:
        raise unusable_file(path, error) from error


def version_of(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _apply_pending(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> list[str]:
    version, known = version_of(connection), newest(migrations)
    _refuse_newer(path, version, known)
    pending = [each for each in migrations if each.version > version]
    is_new = not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not is_new and any(each.rewrites for each in pending):
        _copy(connection, path.with_name(f"{path.name}.v{version}"))
    if is_new:
        _apply(connection, pending)  # one commit, because each waits for the disk
    else:
        for each in pending:
            _apply(connection, [each])
            log.warning("database.migrated", version=each.version, step=each.name)
    verify(connection, path, migrations)
    return [each.name for each in pending]


def _refuse_newer(path: Path, version: int, known: int) -> None:
    if version > known:
        raise SchemaMismatch(
            f"{path} has schema version {version}, and this program knows versions up to {known}",
            fix="run the newer release that wrote it, or restore a backup from before the upgrade",
        )


def _copy(connection: sqlite3.Connection, copy: Path) -> None:
    """An older copy of the same version is left from an attempt that did not finish."""
    partial = copy.with_name(f".{copy.name}.{os.getpid()}")
    try:
        connection.execute("VACUUM INTO ?", (str(partial),))
        partial.chmod(0o600)
        partial.replace(copy)
    except (sqlite3.Error, OSError) as error:
        partial.unlink(missing_ok=True)
        raise SetupError(
            f"the file must be copied before it is migrated, and that failed: {error}",
            fix=f"make room for another {copy.name} beside it",
        ) from error
    log.warning("database.copied", copy=str(copy))


def _apply(connection: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    """Take steps in one transaction."""
    if not steps:
        return
    try:
        connection.executescript("BEGIN IMMEDIATE;\n" + "\n".join(step.script for step in steps))
        at_ms = int(time.time() * 1000)
        connection.executemany(
            "INSERT OR REPLACE INTO schema_migrations (version, name, at_ms) VALUES (?, ?, ?)",
            [(step.version, step.name, at_ms) for step in steps],
        )
        connection.execute(f"PRAGMA user_version={steps[-1].version}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise


# ── the schema of the newest version ─────────────────────────────────────────────────────────────────────────────────


def verify(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Raises SchemaMismatch when a table is missing or has other columns. Undeclared tables are left alone."""
    for table in tables(tuple(migrations)).values():
        columns = columns_of(connection, table.name)
        if columns != table.columns:
            raise SchemaMismatch(
                f"{path}: table {table.name} {_difference(columns, table.columns)}",
                fix="restore a backup; the file was changed by something other than this program",
            )


@cache
def tables(migrations: tuple[Migration, ...] = MIGRATIONS) -> dict[str, Table]:
    """Every table of the newest version, by name."""
    memory = sqlite3.connect(":memory:")
    try:
        for each in migrations:
            memory.executescript(each.script)
        result: dict[str, Table] = {}
        rows = memory.execute(
            "SELECT name, type, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for name in [name for name, kind, _, _ in rows if kind == "table"]:
            statements = tuple(sql for _, _, owner, sql in rows if owner == name)
            result[name] = Table(name, statements, columns_of(memory, name))
        return result
    finally:
        memory.close()


def columns_of(connection: sqlite3.Connection, table: str) -> Columns:
    rows = connection.execute('SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_xinfo(?)', (table,))
    return tuple(rows.fetchall())


def _difference(actual: Columns, expected: Columns) -> str:
    if not actual:
        return "is missing"
    names, known = [column[0] for column in actual], [column[0] for column in expected]
    unknown = sorted(set(names) - set(known))
    missing = sorted(set(known) - set(names))
    differences = [f"has unknown columns {', '.join(unknown)}"] if unknown else []
    differences += [f"lacks columns {', '.join(missing)}"] if missing else []
    return " and ".join(differences) or "declares its columns differently"
