"""Token buckets of the one process: in memory, for a restart that forgets them only lets one burst more through."""

from __future__ import annotations

from datetime import datetime

from infra.state import rules

IDLE = 3_600_000_000
"""A bucket not drawn from for this many microseconds is forgotten: full again, unless it refills slower than that."""
SWEEP_AT = 10_000


class ProcessLimiter:
    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, int]] = {}  # tokens, microseconds of the last draw

    async def take(self, key: str, *, per_second: float, burst: int, now: datetime) -> float:
        at = rules.micros(now)
        tokens, since = self._buckets.pop(key, (float(burst), at))
        tokens, wait = rules.draw(tokens, at - since, per_second=per_second, burst=burst)
        self._buckets[key] = (tokens, max(at, since))
        if len(self._buckets) > SWEEP_AT:
            self._sweep(at)
        return wait

    def _sweep(self, now: int) -> None:
        # Drawing moves a bucket to the end, so the front is the longest idle; over the bound, it goes in any case.
        for key, (_, since) in list(self._buckets.items()):
            if now - since < IDLE and len(self._buckets) <= SWEEP_AT:
                return
            del self._buckets[key]
