"""A vendor's time: windows and tokens run out when a test says so, and waits of hours take moments."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class VendorClock:
    """``now`` is wall time in seconds since 1970, and ``scale`` how many of our seconds one second of waiting takes.

    The two are apart on purpose: a webhook may be tried again after milliseconds while a window of 24 hours stays open
    for the whole test, until ``forward`` puts it behind us."""

    def __init__(self, *, scale: float = 1.0, now: Callable[[], float] = time.time) -> None:
        self.scale = scale
        self._now = now
        self._ahead = 0.0
        self._moved = asyncio.Event()

    def now(self) -> float:
        return self._now() + self._ahead

    def forward(self, seconds: float) -> None:
        """Whoever waits has waited so much longer."""
        self._ahead += seconds
        self._moved.set()
        self._moved = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Let so many of the vendor's seconds pass."""
        left = seconds
        while left > 0 and self.scale > 0:
            began, ahead = time.monotonic(), self._ahead
            try:
                await asyncio.wait_for(self._moved.wait(), left * self.scale)
            except TimeoutError:
                return
            left -= (time.monotonic() - began) / self.scale + self._ahead - ahead


class Bucket:
    """A limit with a burst: each piece takes a token, and a token comes back every ``every`` seconds. ``now`` is its
    clock, which a test may hold."""

    def __init__(self, burst: int, every: float, now: Callable[[], float]) -> None:
        self.burst = burst
        self.every = every
        self.now = now
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key: str = "") -> bool:
        """False when nothing is left; nothing is taken then."""
        now = self.now()
        left, since = self._left.get(key, (float(self.burst), now))
        left = min(float(self.burst), left + (now - since) / self.every)
        taken = left >= 1
        self._left[key] = (left - 1 if taken else left, now)
        return taken
