"""The indexes of all tenants: their folders on disk, and a limit on those that are open at once."""

from __future__ import annotations

import shutil
from collections import OrderedDict
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from urllib.parse import quote, unquote

from agent_worker.knowledge.index.tenant_index import TenantIndex

MAX_OPEN = 16
"""Indexes that hold threads and descriptors, so that both do not grow with the tenants."""
MAX_CHANGING = 2
"""Indexes that are ready for changes, each with six more threads."""
_PREFIX = "t-"
_TRIAL_PREFIX = "trial-"


class OpenIndexes:
    """Closes the index that was not used for longest, and what changes of the index that was not changed for longest
    need. Thread-safe; blocking, so callers run it in a thread."""

    def __init__(self) -> None:
        self._open: OrderedDict[TenantIndex, None] = OrderedDict()
        self._changing: OrderedDict[TenantIndex, None] = OrderedDict()
        self._lock = Lock()

    def use(self, index: TenantIndex, *, changes: bool = False) -> None:
        """Call it before each use. ``changes``: the use may change the index."""
        with self._lock:
            unused = _move_to_end(self._open, index, MAX_OPEN)
            unchanged = _move_to_end(self._changing, index, MAX_CHANGING) if changes else None
        if unused is not None:
            unused.close()
        if unchanged is not None:
            unchanged.close_writers()


def _move_to_end(indexes: OrderedDict[TenantIndex, None], index: TenantIndex, most: int) -> TenantIndex | None:
    """Returns the first one, taken out, if there are more than ``most``."""
    indexes[index] = None
    indexes.move_to_end(index)
    return indexes.popitem(last=False)[0] if len(indexes) > most else None


class IndexFolders:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, tenant: str) -> Path:
        """The folder of a tenant's index, which may not exist yet."""
        return self._directory / f"{_PREFIX}{quote(tenant, safe='')}"

    @contextmanager
    def open_trial(self) -> Iterator[Path]:
        """A folder for an index that is deleted at the end."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=_TRIAL_PREFIX, dir=self._directory) as folder:
            yield Path(folder) / "index"

    def remove_others(self, tenants: Container[str]) -> None:
        """Delete the folders of all other tenants, and the trials that a killed process left behind."""
        for path in self._directory.iterdir() if self._directory.exists() else ():
            is_gone = path.name.startswith(_PREFIX) and unquote(path.name[len(_PREFIX) :]) not in tenants
            if is_gone or path.name.startswith(_TRIAL_PREFIX):
                shutil.rmtree(path)
