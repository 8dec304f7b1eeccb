"""Queue of document changes that were read from the log but are not searchable yet, and the throttle of the threads
that apply them. Tenants take turns, and questions go first."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from schemas.ports import Record

_YIELD_S = 0.0005
"""Seconds between changes in any case: splitting is plain Python and holds the GIL."""
_EXPECTED_S = 1.0
"""Seconds after a search for which the next one is expected."""
_REST = 8.0
"""Rest while searches are expected, as a multiple of the work before it. Without it, answers beside an import take more
than twice as long; the import itself takes hardly longer with it, because it waits for commits most of the time."""


@dataclass(slots=True)
class PendingChange:
    """The newest change of one document, and the log offsets that are applied with it."""

    record: Record
    offsets: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.record.value or b"")


@dataclass(slots=True)
class Backlog:
    """One tenant's changes. ``unapplied``: by partition, offsets that are not searchable yet, ascending."""

    pending: OrderedDict[str, PendingChange] = field(default_factory=OrderedDict)
    unapplied: dict[int, OrderedDict[int, None]] = field(default_factory=dict)
    busy: bool = False


class IndexQueue:
    """The queue of one event loop. A later change of a document replaces an earlier one that is still pending. No call
    takes longer because there are more tenants.

    :meth:`take` starts a batch and :meth:`finish` ends it. In between no other batch of that tenant is handed out, so
    an index has one writer and a document's changes stay in order.
    """

    def __init__(self) -> None:
        self._backlogs: dict[str, Backlog] = {}
        self._waiting: OrderedDict[str, None] = OrderedDict()
        """Tenants with pending changes and no batch in progress, in the order of their turns."""
        self._unapplied: dict[int, OrderedDict[int, None]] = {}
        """By partition, offsets of all tenants that are not searchable yet, ascending."""
        self._read: dict[int, int] = {}
        self.size = 0
        """Bytes of all pending documents."""

    def put(self, tenant: str, document: str, record: Record) -> bool:
        """Add a record. False when it was read before, as happens after a lost connection."""
        if record.offset <= self._read.get(record.partition, -1):
            return False
        self._read[record.partition] = record.offset
        backlog = self._backlogs.setdefault(tenant, Backlog())
        before = backlog.pending.get(document)
        self.size += len(record.value or b"") - (before.size if before else 0)
        backlog.pending[document] = PendingChange(record, [*(before.offsets if before else ()), record.offset])
        for unapplied in (backlog.unapplied, self._unapplied):
            unapplied.setdefault(record.partition, OrderedDict())[record.offset] = None
        if not backlog.busy:
            self._waiting.setdefault(tenant)
        return True

    def take(self, most: int) -> tuple[str, list[tuple[str, PendingChange]]] | None:
        """The next tenant with its oldest changes, at most ``most``; None when nothing can be taken now."""
        if not self._waiting:
            return None
        tenant, _ = self._waiting.popitem(last=False)
        backlog = self._backlogs[tenant]
        backlog.busy = True
        taken = [backlog.pending.popitem(last=False) for _ in range(min(most, len(backlog.pending)))]
        self.size -= sum(each.size for _, each in taken)
        return tenant, taken

    def finish(
        self, tenant: str, applied: Iterable[PendingChange], remaining: Iterable[tuple[str, PendingChange]]
    ) -> None:
        """End a batch with the changes that were applied, and those to be taken again, in the batch's order."""
        backlog = self._backlogs[tenant]
        for change in applied:
            for unapplied in (backlog.unapplied, self._unapplied):
                for offset in change.offsets:
                    unapplied[change.record.partition].pop(offset, None)
        for document, change in reversed(list(remaining)):
            newer = backlog.pending.get(document)
            if newer is not None:
                newer.offsets[:0] = change.offsets
                continue
            backlog.pending[document] = change
            backlog.pending.move_to_end(document, last=False)
            self.size += change.size
        backlog.busy = False
        if backlog.pending:
            self._waiting[tenant] = None
        elif not any(backlog.unapplied.values()):
            del self._backlogs[tenant]

    @property
    def position(self) -> Mapping[int, int]:
        """The last offset read, by partition."""
        return dict(self._read)

    def is_searchable(self, tenant: str, head: Mapping[int, int]) -> bool:
        """Return whether a search sees all of the tenant's changes up to these offsets, by partition."""
        if any(self._read.get(partition, -1) < offset for partition, offset in head.items()):
            return False
        backlog = self._backlogs.get(tenant)
        return backlog is None or _is_applied(backlog.unapplied, head)

    def is_everything_searchable(self, position: Mapping[int, int]) -> bool:
        """Return whether searches see every tenant's changes up to these offsets."""
        return _is_applied(self._unapplied, position)

    def count_unsearchable(self, tenant: str) -> int:
        """Number of the tenant's changes that a search cannot see yet."""
        backlog = self._backlogs.get(tenant)
        return sum(map(len, backlog.unapplied.values())) if backlog else 0


def _is_applied(unapplied: Mapping[int, OrderedDict[int, None]], position: Mapping[int, int]) -> bool:
    return all(next(iter(offsets)) > position.get(partition, -1) for partition, offsets in unapplied.items() if offsets)


class IndexThrottle:
    """Rests between changes, so that questions do not wait for an import. Used by several threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._searched_at = -math.inf

    def note_search(self) -> None:
        self._searched_at = self._now()

    def rest_after(self, worked: float) -> float:
        """Seconds to rest after so many seconds of work."""
        is_expected = self._now() - self._searched_at < _EXPECTED_S
        return max(_YIELD_S, worked * _REST) if is_expected else _YIELD_S
