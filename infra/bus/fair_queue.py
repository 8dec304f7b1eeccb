"""A fair queue: which lane runs next when more are ready than may run at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from schemas.runtime.fair_rotation import FairRotation, Party

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Runs at most ``limit`` items in all and ``limit_of(tenant)`` per tenant. Waiting tenants take turns, and in each
    tenant its channels, accounts and parties, whatever the length of their queues, so that a flood from one of them
    delays the others by at most one turn each."""

    def __init__(self, limit: int, limit_of: Callable[[str], int], start: Callable[[T], None]) -> None:
        self._limit = limit
        self._limit_of = limit_of
        self._start = start
        self._running: dict[str, int] = {}
        self._ready: FairRotation[T] = FairRotation()
        self.running = 0

    @property
    def waiting_count(self) -> int:
        return len(self._ready)

    @property
    def contended(self) -> bool:
        """True if another lane waits: work that can continue later should give up the slot between two batches."""
        return bool(self._ready)

    @property
    def load(self) -> float:
        """0–1: the share of the slots that is taken or wanted."""
        return min(1.0, (self.running + self.waiting_count) / self._limit)

    def enter(self, party: Party, item: T) -> None:
        """Start the item now, or when its party's turn comes."""
        self._ready.put(party, item)
        self._advance()

    def leave(self, party: Party) -> None:
        """A started item has ended."""
        tenant = party[0]
        self.running -= 1
        left = self._running[tenant] - 1
        if left:
            self._running[tenant] = left
        else:
            del self._running[tenant]
        self._advance()

    def withdraw(self, leaving: Callable[[T], bool]) -> None:
        """Remove items from the queues; they were never started."""
        self._ready.remove(leaving)

    def _advance(self) -> None:
        while self.running < self._limit and (tenant := self._next()) is not None:
            item = self._ready.take(tenant)
            self.running += 1
            self._running[tenant] = self._running.get(tenant, 0) + 1
            self._start(item)

    def _next(self) -> str | None:
        for tenant in self._ready:
            if self._running.get(tenant, 0) < self._limit_of(tenant):
                return str(tenant)
        return None
