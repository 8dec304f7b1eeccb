"""Token buckets of the one process, in memory: a restart only lets one more burst through. Daily counters are in the
file."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime

from infra.state import rules
from infra.state.sqlite.store import UNSHARDED, Store

_ADD = (
    "INSERT INTO state_counters (key, name, total, until) VALUES (?, ?, ?, ?) ON CONFLICT (key, name)"
    " DO UPDATE SET total = total + excluded.total, until = excluded.until RETURNING total"
)

IDLE = 3_600_000_000
"""A bucket without a draw for this many microseconds is dropped: full again, unless it refills slower than that."""
SWEEP_AT = 50_000
"""Buckets that are kept: some 15 MB, however many addresses there are."""
SWEPT_AT_ONCE = 4


class SqliteLimiter:
    def __init__(self, store: Store) -> None:
        self._store = store
        # Ordered, because taking from the front of a plain dict again and again costs its whole length each time.
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()  # tokens, microseconds of the last draw

    async def take(self, key: str, *, per_second: float, burst: int, now: datetime) -> float:
        at = rules.to_micros(now)
        tokens, since = self._buckets.pop(key, (float(burst), at))
        tokens, wait = rules.take_token(tokens, at - since, per_second=per_second, burst=burst)
        self._buckets[key] = (tokens, max(at, since))
        if len(self._buckets) > SWEEP_AT:
            self._sweep(at)
        return wait

    def _sweep(self, now: int) -> None:
        # A draw moves a bucket to the end, so the front is the longest idle; over the limit, it goes in any case. Every
        # draw may find the limit reached, so it must not look at all of them.
        for _ in range(SWEPT_AT_ONCE):
            key, (_, since) = next(iter(self._buckets.items()))
            if now - since < IDLE and len(self._buckets) <= SWEEP_AT:
                return
            del self._buckets[key]

    async def add(self, key: str, amounts: Mapping[str, int], *, keep: float, now: datetime) -> dict[str, int]:
        at = rules.to_micros(now)
        until = at + int(keep * 1e6)

        def work(connection: sqlite3.Connection) -> dict[str, int]:
            connection.execute("DELETE FROM state_counters WHERE until <= ?", (at,))
            return {
                name: connection.execute(_ADD, (key, name, amount, until)).fetchone()[0]
                for name, amount in amounts.items()
            }

        return await self._store.write(UNSHARDED, work)
