"""Who may go on now: a few turns at a time, and tenants take turns.

All turns of a process share one event loop. When a thousand of them are under way, each of their steps waits for a step
of all the others, and somebody whose only message came last waits for the whole flood. So only a few are let in at
once. A turn that waits for something (a model, a broker) computes nothing, and must not keep others out: whenever the
loop proves idle although all places are taken, more are let in, at first one, then two, four …
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from types import TracebackType

PLACES = 8
TICK_S = 0.005
IDLE_S = 0.002
"""A timer that is late by less than this has met an idle loop."""
MOST_AT_ONCE = 16

Waiting = deque["asyncio.Future[None]"]


class Place:
    """One turn's place among those who are let in."""

    __slots__ = ("_pace", "_tenant")

    def __init__(self, pace: Pace, tenant: str) -> None:
        self._pace = pace
        self._tenant = tenant

    async def __aenter__(self) -> bool:
        return await self._pace.enter(self._tenant)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pace.leave()


class Pace:
    """For one event loop. ``places`` turns are always let in."""

    def __init__(self, places: int = PLACES) -> None:
        self._places = places
        self._inside = 0
        self._waiting: OrderedDict[str, Waiting] = OrderedDict()
        self._step = 1
        self._timer: asyncio.TimerHandle | None = None

    def turn(self, tenant: str) -> Place:
        """Inside the block, the turn may compute. Tells whether it had to wait."""
        return Place(self, tenant)

    async def enter(self, tenant: str) -> bool:
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
                self.leave()  # let in and cancelled in the same moment
            raise
        return True

    def leave(self) -> None:
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
