"""Limit on the indexes that hold threads and descriptors at once, so that both do not grow with the tenants."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from agent_worker.knowledge.index.tenant_index import TenantIndex

MAX_OPEN = 16


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
