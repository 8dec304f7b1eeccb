"""Read the rows of a damaged table that can still be read, around pages that cannot."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from infra.database.migration import Table

Row = tuple[Any, ...]

JSON = {
    "state_actions": ("intended", "settled"),
    "state_contacts": ("body",),
    "state_conversations": ("facts",),
    "state_dead_letters": ("body",),
    "state_deliveries": ("outcome",),
    "state_holders": ("holder",),
    "state_outbox": ("headers",),
    "state_parked": ("headers",),
    "state_transcript": ("body",),
    "state_turns": ("body",),
}
"""Text columns that must hold JSON where they are not NULL: damage inside of a page shows only there."""
_ID_QUERIES = "SELECT conversation FROM state_transcript_heads", "SELECT id FROM state_conversations"
"""Tables with ids of conversations that a damaged table may have rows of."""
MAX_READABLE_RUNS = 10_000
"""The most runs of readable pages between damaged ones that are looked for in a table."""


class ReadableRows:
    """Iterate once; then ``complete`` says whether every row was there and intact. Some rows may come twice.

    Nobody else may use the connection meanwhile."""

    def __init__(self, connection: sqlite3.Connection, table: Table) -> None:
        self.complete = True
        self._connection = connection
        self._table = table
        self._columns = [column[0] for column in table.columns]
        self._key = [column[0] for column in sorted(table.columns, key=lambda each: each[4]) if column[4]]
        self._at = [self._columns.index(column) for column in self._key]

    def __iter__(self) -> Iterator[Row]:
        before = self._connection.text_factory
        self._connection.text_factory = _text_or_nothing
        try:
            yield from filter(self._is_whole, self._readable_rows())
        finally:
            self._connection.text_factory = before

    def _readable_rows(self) -> Iterator[Row]:
        last = first = None
        for row in self._walk("", (), "ASC"):
            last = self._key_of(row)
            yield row
        if self.complete:
            return
        for row in self._walk("", (), "DESC"):
            if last is not None and self._key_of(row) == last:
                return
            first = self._key_of(row)
            yield row
        if len(self._key) == 1 and self._is_integer_key():
            low = -1 if last is None else int(last[0])
            high = 1 << 62 if first is None else int(first[0])
            yield from self._rows_between_damage(low + 1, high)
        elif self._key[0] in ("conversation", "id"):
            for id_ in self._conversations():
                yield from self._walk(f"WHERE {self._key[0]} = ?", (id_,), "ASC")

    def _rows_between_damage(self, low: int, high: int) -> Iterator[Row]:
        """The rows from ``low`` up to ``high``, not included, that lie between damaged pages."""
        failed = _Failure()
        for _ in range(MAX_READABLE_RUNS):
            low = self._next_readable(low, high)
            failed.met = False
            for row in self._walk(f'WHERE "{self._key[0]}" >= ? AND "{self._key[0]}" < ?', (low, high), "ASC", failed):
                low = int(self._key_of(row)[0]) + 1
                yield row
            if not failed.met:
                return

    def _next_readable(self, low: int, high: int) -> int:
        """The key after ``low`` from which reading works again; ``high`` if there is none."""
        step = 1
        while low + step < high and not self._reads(low + step):
            step *= 2
        bad, good = low + step // 2, min(low + step, high)
        while bad < good:
            middle = (bad + good) // 2
            if self._reads(middle):
                good = middle
            else:
                bad = middle + 1
        return good

    def _reads(self, low: int) -> bool:
        failed = _Failure()
        next(self._walk(f'WHERE "{self._key[0]}" >= ?', (low,), "ASC", failed), None)
        return not failed.met

    def _conversations(self) -> Iterator[str]:
        for query in _ID_QUERIES:
            try:
                yield from [id_ for (id_,) in self._connection.execute(query).fetchall() if id_]
            except sqlite3.Error:
                continue

    def _walk(self, where: str, values: Row, order: str, failed: _Failure | None = None) -> Iterator[Row]:
        columns = ", ".join(f'"{column}"' for column in self._columns)
        ordered = ", ".join(f'"{column}" {order}' for column in self._key)
        query = f'SELECT {columns} FROM "{self._table.name}" NOT INDEXED {where} ORDER BY {ordered}'  # noqa: S608
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error:
            self.complete = False
            if failed is not None:
                failed.met = True

    def _key_of(self, row: Row) -> Row:
        return tuple(row[at] for at in self._at)

    def _is_integer_key(self) -> bool:
        return self._table.columns[self._at[0]][1] == "INTEGER"

    def _is_whole(self, row: Row) -> bool:
        intact = all(map(self._fits, self._table.columns, row))
        self.complete = self.complete and intact
        return intact

    def _fits(self, column: tuple[str, str, int, str | None, int], value: Any) -> bool:
        name, kind, needed, _, place = column
        if value is None:
            return not needed and not place
        if kind == "INTEGER":
            return isinstance(value, int)
        if kind == "BLOB":
            return isinstance(value, bytes)
        return isinstance(value, str) and (name not in JSON.get(self._table.name, ()) or _is_json(value))


class _Failure:
    met = False


def _text_or_nothing(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
