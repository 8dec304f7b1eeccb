"""Queue of document changes that were read from the log but are not searchable yet. Tenants take turns."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.ports import Record


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
    """The queue of one event loop. A later change of a document replaces an earlier one that is still pending.

    :meth:`take` starts a batch and :meth:`settle` ends it. In between no other batch of that tenant is handed out, so
    an index has one writer and a document's changes stay in order.
    """

    def __init__(self) -> None:
        self._backlogs: OrderedDict[str, Backlog] = OrderedDict()
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
        backlog.unapplied.setdefault(record.partition, OrderedDict())[record.offset] = None
        return True

    def take(self, most: int) -> tuple[str, list[tuple[str, PendingChange]]] | None:
        """The next tenant with its oldest changes, at most ``most``; None when nothing can be taken now."""
        free = (name for name, each in self._backlogs.items() if each.pending and not each.busy)
        tenant = next(free, None)
        if tenant is None:
            return None
        backlog = self._backlogs[tenant]
        self._backlogs.move_to_end(tenant)
        backlog.busy = True
        taken = [backlog.pending.popitem(last=False) for _ in range(min(most, len(backlog.pending)))]
        self.size -= sum(each.size for _, each in taken)
        return tenant, taken

    def settle(
        self, tenant: str, applied: Iterable[PendingChange], remaining: Iterable[tuple[str, PendingChange]]
    ) -> None:
        """End a batch with the changes that were applied, and those to be taken again, in the batch's order."""
        backlog = self._backlogs[tenant]
        for change in applied:
            offsets = backlog.unapplied[change.record.partition]
            for offset in change.offsets:
                offsets.pop(offset, None)
        for document, change in reversed(list(remaining)):
            newer = backlog.pending.get(document)
            if newer is not None:
                newer.offsets[:0] = change.offsets
                continue
            backlog.pending[document] = change
            backlog.pending.move_to_end(document, last=False)
            self.size += change.size
        backlog.busy = False
        if not backlog.pending and not any(backlog.unapplied.values()):
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
        return backlog is None or _is_applied(backlog, head)

    def is_everything_searchable(self, position: Mapping[int, int]) -> bool:
        """Return whether searches see every tenant's changes up to these offsets."""
        return all(_is_applied(backlog, position) for backlog in self._backlogs.values())

    def count_unsearchable(self, tenant: str) -> int:
        """Number of the tenant's changes that a search cannot see yet."""
        backlog = self._backlogs.get(tenant)
        return sum(map(len, backlog.unapplied.values())) if backlog else 0


def _is_applied(backlog: Backlog, position: Mapping[int, int]) -> bool:
    return all(
        next(iter(offsets)) > position.get(partition, -1) for partition, offsets in backlog.unapplied.items() if offsets
    )
