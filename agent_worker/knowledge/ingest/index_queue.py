"""Document changes that are read from the log but not searchable yet; tenants take turns at being indexed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.ports import Record


@dataclass(slots=True)
class Waiting:
    """The newest change of one document, and the log offsets that are applied together with it."""

    record: Record
    offsets: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.record.value or b"")


@dataclass(slots=True)
class Backlog:
    """One tenant's changes. ``unapplied``: by partition, the offsets that a search cannot see yet, ascending."""

    waiting: OrderedDict[str, Waiting] = field(default_factory=OrderedDict)
    unapplied: dict[int, OrderedDict[int, None]] = field(default_factory=dict)
    busy: bool = False


class IndexQueue:
    """For one event loop. Later changes of a document replace earlier ones that still wait.

    A batch is taken by :meth:`take` and ends with :meth:`settle`; meanwhile no other batch of that tenant is given out,
    so that an index never has two writers and a document's changes stay in order.
    """

    def __init__(self) -> None:
        self._backlogs: OrderedDict[str, Backlog] = OrderedDict()
        self._read: dict[int, int] = {}
        self.size = 0
        """Bytes of the documents that wait."""

    def put(self, tenant: str, document: str, record: Record) -> bool:
        """Add what was read. False for a record that was read before, as after a lost connection."""
        if record.offset <= self._read.get(record.partition, -1):
            return False
        self._read[record.partition] = record.offset
        backlog = self._backlogs.setdefault(tenant, Backlog())
        before = backlog.waiting.get(document)
        self.size += len(record.value or b"") - (before.size if before else 0)
        backlog.waiting[document] = Waiting(record, [*(before.offsets if before else ()), record.offset])
        backlog.unapplied.setdefault(record.partition, OrderedDict())[record.offset] = None
        return True

    def take(self, most: int) -> tuple[str, list[tuple[str, Waiting]]] | None:
        """The next tenant with its oldest changes, at most ``most``; None when nobody's can be taken now."""
        free = (name for name, each in self._backlogs.items() if each.waiting and not each.busy)
        tenant = next(free, None)
        if tenant is None:
            return None
        backlog = self._backlogs[tenant]
        self._backlogs.move_to_end(tenant)
        backlog.busy = True
        taken = [backlog.waiting.popitem(last=False) for _ in range(min(most, len(backlog.waiting)))]
        self.size -= sum(each.size for _, each in taken)
        return tenant, taken

    def settle(self, tenant: str, applied: Iterable[Waiting], left: Iterable[tuple[str, Waiting]]) -> None:
        """End a batch: what is searchable now, and what goes back to be taken again, in the order of the batch."""
        backlog = self._backlogs[tenant]
        for each in applied:
            offsets = backlog.unapplied[each.record.partition]
            for offset in each.offsets:
                offsets.pop(offset, None)
        for document, each in reversed(list(left)):
            newer = backlog.waiting.get(document)
            if newer is not None:
                newer.offsets[:0] = each.offsets
                continue
            backlog.waiting[document] = each
            backlog.waiting.move_to_end(document, last=False)
            self.size += each.size
        backlog.busy = False
        if not backlog.waiting and not any(backlog.unapplied.values()):
            del self._backlogs[tenant]

    @property
    def position(self) -> Mapping[int, int]:
        """The offset that was read last, by partition."""
        return dict(self._read)

    def reached(self, tenant: str, head: Mapping[int, int]) -> bool:
        """Whether a search sees all of the tenant's changes up to these offsets, given by partition."""
        if any(self._read.get(partition, -1) < offset for partition, offset in head.items()):
            return False
        backlog = self._backlogs.get(tenant)
        return backlog is None or _applied(backlog, head)

    def all_reached(self, position: Mapping[int, int]) -> bool:
        """Whether searches see every tenant's changes up to these offsets."""
        return all(_applied(backlog, position) for backlog in self._backlogs.values())

    def waiting(self, tenant: str) -> int:
        """How many of the tenant's changes a search cannot see yet."""
        backlog = self._backlogs.get(tenant)
        return sum(map(len, backlog.unapplied.values())) if backlog else 0


def _applied(backlog: Backlog, position: Mapping[int, int]) -> bool:
    return all(
        next(iter(offsets)) > position.get(partition, -1) for partition, offsets in backlog.unapplied.items() if offsets
    )
