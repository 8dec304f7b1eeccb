"""How much one consumer holds: records and bytes, by tenant, exact even when partitions come and go."""

from __future__ import annotations

from collections import Counter, defaultdict

from schemas.ports import Record, TopicPartition


class Budget:
    def __init__(self) -> None:
        self.held = 0
        self.bytes_held = 0
        self._by_tenant: Counter[str] = Counter()
        self._by_source: defaultdict[TopicPartition, Counter[str]] = defaultdict(Counter)
        self._bytes_by_source: Counter[TopicPartition] = Counter()

    def of_tenant(self, tenant: str) -> int:
        return self._by_tenant[tenant]

    def take(self, record: Record, tenant: str) -> None:
        self._move(record, tenant, 1)

    def release(self, record: Record, tenant: str) -> None:
        self._move(record, tenant, -1)

    def _move(self, record: Record, tenant: str, sign: int) -> None:
        size = sign * record.size
        self.held += sign
        self.bytes_held += size
        self._by_tenant[tenant] += sign
        self._by_source[record.source][tenant] += sign
        self._bytes_by_source[record.source] += size

    def drop(self, source: TopicPartition) -> None:
        """The partition is gone, and with it whatever was held of it."""
        counts = self._by_source.pop(source, Counter())
        self._by_tenant.subtract(counts)
        self.held -= counts.total()
        self.bytes_held -= self._bytes_by_source.pop(source, 0)
