"""Exclusive locks of a process, for as long as it lives: on the database, and on a folder of its own."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import DatabaseLocked, SetupError

MAX_PROCESSES = 256
"""Maximum number of processes on one ``data_dir``."""


class ProcessLock:
    """An flock on a sidecar file that also names its holder. The kernel drops it however the holder dies.

    The sidecar is never deleted: two processes could otherwise hold locks on two files of the same name."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise DatabaseLocked(
                f"the database beside {path} is in use by process {holder}",
                fix=f"stop process {holder}, or give this one a data_dir of its own",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._descriptor)


@contextmanager
def claim_folder(parent: Path) -> Iterator[Path]:
    """The first of the folders ``parent/0``, ``parent/1`` … that no running process uses, so that a restarted process
    finds its index again. Raises SetupError if all are in use."""
    parent.mkdir(parents=True, exist_ok=True)
    for number in range(MAX_PROCESSES):
        try:
            lock = ProcessLock(parent / f"{number}.lock")
        except DatabaseLocked:
            continue
        try:
            yield parent / str(number)
        finally:
            lock.release()
        return
    raise SetupError(f"{MAX_PROCESSES} processes share {parent}", fix="set another `data_dir` for some of them")
