"""The shop's records in one SQLite file: products, users and orders as JSON, and what was done under which key.

`python -m examples.retail.database shop.json shop.db` makes one from a JSON file of the form
``{"products": {id: …}, "users": {id: …}, "orders": {id: …}}``.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

Kind = Literal["products", "users", "orders"]
Record = dict[str, Any]


class Refused(Exception):
    """The shop's rules say no: nothing was changed. The message is for people."""


class _Undone(Exception):
    """Ends a transaction without its changes."""


class Records:
    """Of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, kind: Kind, id: str) -> Record:
        """Raises Refused."""
        row = self._connection.execute("SELECT body FROM records WHERE kind = ? AND id = ?", (kind, id)).fetchone()
        if row is None:
            raise Refused(f"There is no {kind.removesuffix('s')} {id}.")
        found: Record = json.loads(row[0])
        return found

    def all(self, kind: Kind) -> Iterator[Record]:
        for row in self._connection.execute("SELECT body FROM records WHERE kind = ? ORDER BY id", (kind,)):
            yield json.loads(row[0])

    def put(self, kind: Kind, id: str, record: Record) -> None:
        body = json.dumps(record, ensure_ascii=False)
        self._connection.execute("UPDATE records SET body = ? WHERE kind = ? AND id = ?", (body, kind, id))

    def effect(self, key: str) -> tuple[str, Record] | None:
        row = self._connection.execute("SELECT request, answer FROM effects WHERE key = ?", (key,)).fetchone()
        return None if row is None else (row[0], json.loads(row[1]))

    def remember(self, key: str, request: str, answer: Record) -> None:
        self._connection.execute("INSERT INTO effects VALUES (?, ?, ?)", (key, request, json.dumps(answer)))


Deed = Callable[[Records], Record]


def make(path: Path, records: Mapping[str, Mapping[str, Record]]) -> None:
    """A new database with these records. Raises FileExistsError."""
    if path.exists():
        raise FileExistsError(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE records (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id))")
        connection.execute("CREATE TABLE effects (key TEXT PRIMARY KEY, request TEXT NOT NULL, answer TEXT NOT NULL)")
        for kind in ("products", "users", "orders"):
            rows = [(kind, id, json.dumps(body, ensure_ascii=False)) for id, body in records.get(kind, {}).items()]
            connection.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)


def read(path: Path, deed: Deed) -> Record:
    with _transaction(path) as records:
        return deed(records)


def write(path: Path, key: str, arguments: Mapping[str, Any], deed: Deed) -> Record:
    """The deed and the memory of its key are one transaction. A key that was used brings the first answer."""
    request = hashlib.sha256(json.dumps(arguments, sort_keys=True, default=str).encode()).hexdigest()
    with _transaction(path) as records:
        known = records.effect(key)
        if known is not None:
            if known[0] != request:
                raise Refused("This key was used for another request.")
            return known[1]
        answer = deed(records)
        records.remember(key, request, answer)
        return answer


def check(path: Path, deed: Deed) -> None:
    """Do it and take it back. Raises Refused where it cannot be done."""
    with suppress(_Undone), _transaction(path) as records:
        deed(records)
        raise _Undone


def contents(path: Path) -> dict[str, dict[str, Record]]:
    """All records, for comparing."""
    with closing(sqlite3.connect(path)) as connection:
        found: dict[str, dict[str, Record]] = {"products": {}, "users": {}, "orders": {}}
        for kind, id, body in connection.execute("SELECT kind, id, body FROM records"):
            found[kind][id] = json.loads(body)
        return found


def effects(path: Path) -> int:
    """How many writes were done."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM effects").fetchone()[0])


@contextmanager
def _transaction(path: Path) -> Iterator[Records]:
    """Raises FileNotFoundError: a path that was mistyped is no empty shop."""
    if not path.exists():
        raise FileNotFoundError(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield Records(connection)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def main(arguments: list[str]) -> None:
    source, target = map(Path, arguments)
    make(target, json.loads(source.read_text(encoding="utf-8")))
    print(f"{target} is made")


if __name__ == "__main__":
    main(sys.argv[1:])
