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
_PREFIX = "t-"
_TRIAL_PREFIX = "trial-"


class OpenIndexes:
    """Closes the index that was not used for longest. Thread-safe; blocking, so callers run it in a thread."""

    def __init__(self) -> None:
        self._open: OrderedDict[TenantIndex, None] = OrderedDict()
        self._lock = Lock()

    def use(self, index: TenantIndex) -> None:
        """Call it before each use."""
        with self._lock:
            self._open[index] = None
            self._open.move_to_end(index)
            unused = self._open.popitem(last=False)[0] if len(self._open) > MAX_OPEN else None
        if unused is not None:
            unused.close()


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
