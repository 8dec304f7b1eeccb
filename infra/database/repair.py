"""Find damaged tables, and recreate them with the rows that can still be read.

Nothing of a damaged tree is ever changed or freed, because a garbage page number may name a page of another table. The
tree is removed from the schema instead, and its pages stay unused until the file is vacuumed."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from infra.database.migration import Table, tables
from infra.database.rows import JSON, ReadableRows, Row

ROWS_AT_ONCE = 500
_UNUSED = re.compile(r"Page \d+ is never used")


@dataclass(frozen=True, slots=True)
class Damage:
    table: str
    detail: str


@dataclass(frozen=True, slots=True)
class RepairResult:
    """``rows`` were copied. ``complete``: there were no others."""

    table: str
    rows: int
    complete: bool


# ── detection ────────────────────────────────────────────────────────────────────────────────────────────────────────


def damage_in(connection: sqlite3.Connection, name: str, *, quick: bool = False) -> str:
    """The damage of a table or its indexes; "" when there is none. ``quick`` does not compare the two."""
    check = "quick_check" if quick else "integrity_check"
    try:
        lines = [line for (line,) in connection.execute(f"PRAGMA {check}('{name}')").fetchall()]
        if lines != ["ok"]:
            return _summarize(lines)
        for column in JSON.get(name, ()):
            broken = f'"{column}" IS NOT NULL AND NOT json_valid("{column}")'
            query = f'SELECT count(*) FROM "{name}" NOT INDEXED WHERE {broken}'  # noqa: S608
            (bad,) = connection.execute(query).fetchone()
            if bad:
                return f"{bad} rows whose {column} is no JSON"
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_INTERRUPT:
            raise
        return str(error)
    return ""


def damage_of_file(connection: sqlite3.Connection) -> str:
    """The damage of the file outside of its tables, above all in the list of free pages. Unused pages are what a repair
    leaves behind, and do not count."""
    try:
        lines = [line for (text,) in connection.execute("PRAGMA quick_check").fetchall() for line in text.split("\n")]
    except sqlite3.DatabaseError as error:
        return str(error)
    return _summarize([line for line in lines if line != "ok" and not _UNUSED.search(line) and line[:3] != "***"])


def _summarize(lines: Iterable[str]) -> str:
    return " ".join("; ".join(lines).split())[:300]


# ── repair ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def replace_table(writer: sqlite3.Connection, reader: sqlite3.Connection, name: str) -> RepairResult:
    """Replace a damaged table by a new one with all readable rows, in the writer's transaction. If only an index is
    damaged every row is kept. ``reader`` is another connection, because SQLite allows no more writes in a transaction
    that has met damage."""
    table = tables()[name]
    writer.execute("PRAGMA writable_schema=ON")
    try:
        writer.execute("DELETE FROM sqlite_schema WHERE tbl_name = ?", (name,))
    finally:
        # Turns it off, and reads the schema anew.
        writer.execute("PRAGMA writable_schema=RESET")
    for statement in table.statements:
        writer.execute(statement)
    rows, complete = copy_rows(reader, writer, table)
    return RepairResult(name, rows, complete)


def copy_rows(source: sqlite3.Connection, target: sqlite3.Connection, table: Table) -> tuple[int, bool]:
    """Copy the readable rows of the table in ``source``. Returns how many rows the table in
    ``target`` has, and whether that is all of them."""
    columns = ", ".join(f'"{column[0]}"' for column in table.columns)
    places = ", ".join("?" * len(table.columns))
    query = f'INSERT OR IGNORE INTO "{table.name}" ({columns}) VALUES ({places})'  # noqa: S608
    rows = ReadableRows(source, table)
    for batch in _batches(rows):
        target.executemany(query, batch)
    (count,) = target.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()  # noqa: S608
    return int(count), rows.complete


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while batch := list(islice(left, ROWS_AT_ONCE)):
        yield batch
