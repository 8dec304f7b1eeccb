"""An event loop whose time passes only when nothing else can happen: hours of retries run in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class _Instant(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen again")
        self.now += max(timeout, 0.0)
        # The loop's own pipe is always there, and nobody but threads writes to it: the system is asked only when there
        # is more. To ask costs as much as all that happens in such an instant.
        return super().select(0) if len(self.get_map()) > 1 else []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._instant = _Instant()
        super().__init__(self._instant)

    def time(self) -> float:
        return self._instant.now

    def compute(self, seconds: float) -> None:
        """Whoever calls it has kept the loop for so long."""
        self._instant.now += seconds


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a loop of its own; leaves the test session's loop alone."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def now() -> datetime:
    return BEGINNING + timedelta(seconds=asyncio.get_running_loop().time())
