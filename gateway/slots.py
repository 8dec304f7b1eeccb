"""A folder of its own for each process that keeps an index, also when several share one ``data_dir``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.database.lock import ProcessLock
from schemas.errors import DatabaseLocked, SetupError

MOST = 256
"""Processes on one ``data_dir``."""


@contextmanager
def own_folder(parent: Path) -> Iterator[Path]:
    """The first of ``parent/0``, ``parent/1`` … that no living process holds: a restarted process finds the index of
    the one before. Raises SetupError when all are taken."""
    parent.mkdir(parents=True, exist_ok=True)
    for number in range(MOST):
        try:
            lock = ProcessLock(parent / f"{number}.lock")
        except DatabaseLocked:
            continue
        try:
            yield parent / str(number)
        finally:
            lock.release()
        return
    raise SetupError(f"{MOST} processes share {parent}", fix="give some of them a data_dir of their own")
