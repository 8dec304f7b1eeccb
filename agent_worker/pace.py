"""Who may go on now: a few turns at a time, and tenants take turns.

All turns of a process share one event loop. When a thousand of them are under way, each of their steps waits for a step
of all the others, and somebody whose only message came last waits for the whole flood. So only a few are let in at
once. A turn that waits for something (a model, a broker) computes nothing, and must not keep others out: whenever the
loop proves idle although all places are taken, more are let in, at first one, then two, four …
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PLACES = 8
TICK_S = 0.005
IDLE_S = 0.002
"""A timer that is late by less than this has met an idle loop."""
MOST_AT_ONCE = 16

Waiting = deque["asyncio.Future[None]"]


class Pace:
    """For one event loop. ``places`` turns are always let in."""

    def __init__(self, places: int = PLACES) -> None:
        self._places = places
        self._inside = 0
        self._waiting: OrderedDict[str, Waiting] = OrderedDict()
        self._step = 1
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[bool]:
        """Inside, the turn may compute. Tells whether it had to wait."""
        waited = await self._enter(tenant)
        try:
            yield waited
        finally:
            self._leave()

    async def _enter(self, tenant: str) -> bool:
        if self._inside < self._places and not self._waiting:
            self._inside += 1
            return False
        loop = asyncio.get_running_loop()
        admitted = loop.create_future()
        self._waiting.setdefault(tenant, deque()).append(admitted)
        if self._timer is None:
            self._step = 1
            self._timer = loop.call_later(TICK_S, self._tick, loop.time() + TICK_S)
        try:
            await admitted
        except asyncio.CancelledError:
            if admitted.done() and not admitted.cancelled():
                self._leave()  # let in and cancelled in the same moment
            raise
        return True

    def _leave(self) -> None:
        self._inside -= 1
        if self._inside < self._places:
            self._admit(1)

    def _admit(self, most: int) -> None:
        while most and self._waiting:
            tenant, queue = self._waiting.popitem(last=False)
            admitted = queue.popleft()
            if queue:
                self._waiting[tenant] = queue  # behind the other tenants
            if not admitted.done():
                admitted.set_result(None)
                self._inside += 1
                most -= 1

    def _tick(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        idle = loop.time() - due < IDLE_S
        self._admit(self._step if idle else 0)
        self._step = min(2 * self._step, MOST_AT_ONCE) if idle else 1
        self._timer = loop.call_later(TICK_S, self._tick, loop.time() + TICK_S) if self._waiting else None
