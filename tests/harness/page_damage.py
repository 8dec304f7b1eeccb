"""Damages chosen pages of a database file, as a failing disk does."""

from __future__ import annotations

import random
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

from infra.database.file import PAGE_BYTES

PAGE = PAGE_BYTES
DAMAGE = 400
_INTERIOR = (2, 5)


def leaves(path: Path, name: str) -> list[int]:
    """Numbers of the leaf pages of a table or an index, in the order of its keys."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = file.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
    return _leaves(path.read_bytes(), root)


def _leaves(data: bytes, number: int) -> list[int]:
    start = (number - 1) * PAGE
    page = data[start : start + PAGE]
    if page[0] not in _INTERIOR:
        return [number]
    (cells,) = struct.unpack(">H", page[3:5])
    places = struct.unpack(f">{cells}H", page[12 : 12 + 2 * cells])
    children = [struct.unpack(">I", page[at : at + 4])[0] for at in places]
    children += struct.unpack(">I", page[8:12])
    return [leaf for child in children for leaf in _leaves(data, child)]


def damage(path: Path, page: int, seed: int = 1) -> None:
    """Overwrite 400 bytes at the beginning of a page."""
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(random.Random(seed).randbytes(DAMAGE))
