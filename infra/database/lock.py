"""The exclusive lock on the database: one process, for as long as it lives."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from schemas.errors import DatabaseLocked


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
