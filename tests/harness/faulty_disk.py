"""A disk that can be slow, fail, or lose what was not synced, under the SQLite of one process.

``install(folder)`` puts a thin file system between SQLite and the real one, through SQLite's own interface for that
(VFS), so no compiler is needed. ``Disk(folder)`` steers it from the test. Only syncs are touched: data goes to real
files.

Folder: ``order`` is what to do, one line ``delay fail``; ``unsynced`` the ranges written since their file's last
sync, written down while a sync is slow; ``fired`` has a line for each sync that was slowed or failed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import time
from pathlib import Path
from typing import Any

IOERR_FSYNC = 10 | 4 << 8


class Disk:
    """The test's side. What is ordered holds for all later syncs until ``heal``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.heal()

    @property
    def env(self) -> dict[str, str]:
        return {"TEST_DISK": str(self.folder)}

    def slow(self, seconds: float) -> None:
        """Each sync takes that much longer."""
        self._order(seconds, 0)

    def fail(self) -> None:
        """Each sync fails with an I/O error, and nothing is said about what reached the disk."""
        self._order(0.0, 1)

    def heal(self) -> None:
        self._order(0.0, 0)

    @property
    def fired(self) -> int:
        path = self.folder / "fired"
        return len(path.read_bytes()) if path.exists() else 0

    @property
    def unsynced(self) -> dict[str, list[tuple[int, int]]]:
        """Ranges ``(offset, length)`` by file that a slow sync is still to bring to the disk."""
        path = self.folder / "unsynced"
        return json.loads(path.read_text()) if path.exists() else {}

    def lose_power(self, rng: random.Random) -> dict[str, int]:
        """To be called on a dead process: what was not synced is torn. The first writes are whole, one is cut in the
        middle and goes on with garbage, and those after it are garbage. Returns the bytes that were torn, by file."""
        torn: dict[str, int] = {}
        for name, ranges in self.unsynced.items():
            kept = rng.randrange(len(ranges))
            with Path(name).open("r+b") as file:
                for offset, length in ranges[kept:]:
                    whole = 0 if name in torn else rng.randrange(length)
                    file.seek(offset + whole)
                    file.write(rng.randbytes(length - whole))
                    torn[name] = torn.get(name, 0) + length - whole
        # What the next process writes there will be synced.
        (self.folder / "unsynced").unlink()
        return torn

    def _order(self, delay: float, fail: int) -> None:
        part = self.folder / "order.new"
        part.write_text(f"{delay} {fail}")
        part.replace(self.folder / "order")


_Sync = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_Write = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
# The name stays a pointer: SQLite wants the very string to live as long as the file, and ctypes would pass a copy.
_Open = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
)


class _Methods(ctypes.Structure):
    """sqlite3_io_methods, version 3."""

    _fields_ = [
        ("iVersion", ctypes.c_int),
        ("xClose", ctypes.c_void_p),
        ("xRead", ctypes.c_void_p),
        ("xWrite", _Write),
        ("xTruncate", ctypes.c_void_p),
        ("xSync", _Sync),
        ("rest", ctypes.c_void_p * 13),
    ]


class _File(ctypes.Structure):
    _fields_ = [("pMethods", ctypes.POINTER(_Methods))]


class _Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3."""

    _fields_ = [
        ("iVersion", ctypes.c_int),
        ("szOsFile", ctypes.c_int),
        ("mxPathname", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("zName", ctypes.c_char_p),
        ("pAppData", ctypes.c_void_p),
        ("xOpen", _Open),
        ("rest", ctypes.c_void_p * 15),
    ]


class _FaultyVfs:
    """Lives as long as the process: SQLite keeps pointers into it."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._unsynced: dict[str, list[tuple[int, int]]] = {}
        self._names: dict[int, str] = {}
        self._methods: dict[int, _Methods] = {}
        self._keep: list[Any] = []
        library = _library()
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._real = library.sqlite3_vfs_find(None).contents
        self._vfs = _Vfs.from_buffer_copy(self._real)
        self._vfs.zName = b"faulty"
        self._vfs.xOpen = self._kept(_Open(self._opened))
        assert library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1) == 0

    def _kept(self, callback: Any) -> Any:
        self._keep.append(callback)
        return callback

    def _opened(self, vfs: int, name: int | None, file: int, flags: int, out: Any) -> int:
        status = self._real.xOpen(vfs, name, file, flags, out)
        opened = _File.from_address(file)
        if status == 0 and name and opened.pMethods:
            self._names[file] = os.fsdecode(ctypes.string_at(name))
            opened.pMethods = ctypes.pointer(self._wrapped(opened.pMethods))
        return int(status)

    def _wrapped(self, pointer: Any) -> _Methods:
        address = ctypes.addressof(pointer.contents)
        if address not in self._methods:
            real = pointer.contents
            wrapped = _Methods.from_buffer_copy(real)
            write, sync = real.xWrite, real.xSync

            def on_write(file: int, data: int, length: int, offset: int) -> int:
                self._unsynced.setdefault(self._names.get(file, ""), []).append((offset, length))
                return int(write(file, data, length, offset))

            def on_sync(file: int, flags: int) -> int:
                if self._obey(self._names.get(file, "")):
                    return IOERR_FSYNC
                status = int(sync(file, flags))
                self._unsynced.pop(self._names.get(file, ""), None)
                return status

            wrapped.xWrite, wrapped.xSync = self._kept(_Write(on_write)), self._kept(_Sync(on_sync))
            self._methods[address] = wrapped
        return self._methods[address]

    def _obey(self, name: str) -> bool:
        """Wait as ordered; True when the sync is to fail."""
        delay, fail = self._order()
        if not delay and not fail:
            return False
        if pending := {key: ranges for key, ranges in dict(self._unsynced).items() if key == name}:
            part = self._folder / "unsynced.new"
            part.write_text(json.dumps(pending))
            part.replace(self._folder / "unsynced")
        with (self._folder / "fired").open("ab") as fired:
            fired.write(b".")
        ends = time.monotonic() + delay
        while time.monotonic() < ends and self._order()[0]:
            time.sleep(0.01)
        with contextlib.suppress(FileNotFoundError):
            (self._folder / "unsynced").unlink()
        return fail

    def _order(self) -> tuple[float, bool]:
        delay, fail = (self._folder / "order").read_text().split()
        return float(delay), fail == "1"


def _library() -> ctypes.CDLL:
    """The very SQLite that the ``sqlite3`` module uses."""
    import _sqlite3

    return ctypes.CDLL(getattr(_sqlite3, "__file__", None))


_installed: list[_FaultyVfs] = []


def install(folder: str) -> None:
    """For the rest of this process. Before any database is opened."""
    _installed.append(_FaultyVfs(folder))
