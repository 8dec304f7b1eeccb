"""How far a tenant's knowledge is written, as the store said lately: turns that wait together need not each ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from schemas.ports import Heads

KEPT_S = 0.1
"""For so long one answer does for others too."""


class RecentHeads:
    """What a contact asked before the store was asked may rely on all that was written before it wrote: a write is
    acknowledged only once the store knows of it."""

    def __init__(self, heads: Heads, now: Callable[[], float] = time.monotonic) -> None:
        self._heads = heads
        self._now = now
        self._known: dict[str, tuple[float, Mapping[int, int]]] = {}
        """By tenant: when the store was asked last, and its answer."""

    def known(self, tenant: str, since: float) -> Mapping[int, int] | None:
        """An answer to a question put after ``since`` (``time.monotonic``), if there is a recent one."""
        asked, head = self._known.get(tenant, (0.0, {}))
        return head if asked and asked >= since and self._now() - asked <= KEPT_S else None

    async def of(self, tenant: str) -> Mapping[int, int]:
        asked = self._now()
        head = await self._heads.of(tenant)
        if asked >= self._known.get(tenant, (0.0, {}))[0]:
            self._known[tenant] = asked, head
        return head
