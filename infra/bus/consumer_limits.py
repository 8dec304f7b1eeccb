"""Limits on what one consumer holds in memory, and the current use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from schemas.ports import Record


@dataclass(frozen=True, slots=True)
class ConsumerLimits:
    """Limits of one consumer. Counts are records, ``bytes_held`` is bytes, times are seconds."""

    held: int = 10_000
    bytes_held: int = 64 * 1024 * 1024
    held_per_tenant: int = 6_000
    bytes_per_tenant: int = 38 * 1024 * 1024
    held_per_lane: int = 50
    span: int = 20_000
    """Offsets of one partition between the oldest unfinished record and the newest one read."""
    running: int = 6_000
    running_per_tenant: int = 5_000
    drain: float = 30.0
    commit_every: float = 0.5
    attempts: int = 5
    poll: float = 0.1
    poll_records: int = 32
    """Records per poll: this many lanes may start in one turn of the loop. ``bytes_held`` and ``span`` may be exceeded
    by as much."""
    rest: float = 0.004
    """Pause after a full poll, so that running lanes make progress while thousands start."""
    min_page: int = 10
    """Parked records that a lane may read in any case, even when the others leave no room: for every working lane this
    many more may be held."""


class MemoryUsage:
    """Records and bytes in memory, in all and by tenant: waiting, being handled, or on their way to the store."""

    def __init__(self) -> None:
        self.held = 0
        self.bytes_held = 0
        self._promised = 0
        self._by_tenant: Counter[str] = Counter()
        self._bytes_by_tenant: Counter[str] = Counter()

    def of_tenant(self, tenant: str) -> int:
        return self._by_tenant[tenant]

    def exceeds_share(self, tenant: str, limits: ConsumerLimits) -> bool:
        """Return whether the tenant holds more than its share, which would stop the reading for everybody else."""
        return (
            self._by_tenant[tenant] > limits.held_per_tenant or self._bytes_by_tenant[tenant] > limits.bytes_per_tenant
        )

    def take(self, record: Record) -> None:
        self.held += 1
        self.bytes_held += record.size
        tenant = tenant_of(record)
        self._by_tenant[tenant] += 1
        self._bytes_by_tenant[tenant] += record.size

    def release(self, records: Iterable[Record]) -> None:
        for record in records:
            self.held -= 1
            self.bytes_held -= record.size
            tenant = tenant_of(record)
            self._by_tenant[tenant] -= 1
            self._bytes_by_tenant[tenant] -= record.size

    def room(self, limits: ConsumerLimits) -> int:
        """The number of records to poll: at least one, since a poll also keeps the membership alive."""
        typical = self.bytes_held / self.held if self.held else 1.0
        by_bytes = int((limits.bytes_held - self.bytes_held) / max(typical, 1.0))
        return max(1, min(limits.poll_records, limits.held - self.held, by_bytes))

    @contextmanager
    def promise(self, tenant: str, limits: ConsumerLimits) -> Iterator[int]:
        """Reserve room for parked records that a lane reads back; yields how many it may read."""
        left = min(limits.held - self.held, limits.held_per_tenant - self._by_tenant[tenant]) - self._promised
        page = min(limits.held_per_lane, max(limits.min_page, left))
        self._promised += page
        try:
            yield page
        finally:
            self._promised -= page

    def is_full(self, limits: ConsumerLimits, share: float) -> bool:
        return self.held >= share * limits.held or self.bytes_held >= share * limits.bytes_held


def tenant_of(record: Record) -> str:
    return record.headers.get("ce_tenant", "")
