"""Breaks the links and freezes processes as the plan says, several at once, and heals them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping

from tests.harness.proxy import Proxy
from tests.torture.plan import Fault
from tests.torture.process_kills import RoleSupervisor

MOMENTARY = ("reset", "half_open")
LONGEST = 15.0
"""Seconds that a fault waits to be felt."""


class NetworkFaults:
    """``links``: place → proxy. One fault at a time at each place; places do not wait for each other."""

    def __init__(
        self, links: Mapping[str, Proxy], keepers: Mapping[str, RoleSupervisor], accepted: Callable[[], int]
    ) -> None:
        self._links = links
        self._keepers = keepers
        self._accepted = accepted
        self._busy: dict[str, asyncio.Lock] = {}
        self.frozen: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()

    async def blow(self, faults: list[Fault]) -> None:
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                while self._accepted() < fault.due:  # noqa: ASYNC110  # fifty people count, none tells
                    await asyncio.sleep(0.05)
                group.create_task(self._strike(fault))

    @property
    def fired(self) -> dict[str, int]:
        """Effects by kind; see Proxy.fired."""
        total = Counter(self.frozen)
        for link in self._links.values():
            total.update(link.fired)
        return dict(sorted(total.items()))

    async def _strike(self, fault: Fault) -> None:
        async with self._busy.setdefault(fault.place, asyncio.Lock()):
            self.struck[f"{fault.kind} {fault.place}"] += 1
            if fault.kind == "freeze":
                await self._freeze(fault)
                return
            link = self._links[fault.place]
            try:
                await felt(link, fault)
            finally:
                await link.heal()

    async def _freeze(self, fault: Fault) -> None:
        keeper = self._keepers[fault.place]
        await keeper.born.wait()
        pid = keeper.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self.frozen["freeze"] += 1
            try:
                await asyncio.sleep(fault.seconds)
            finally:
                os.kill(pid, signal.SIGCONT)


async def felt(link: Proxy, fault: Fault) -> None:
    """Let it last, and longer if need be until somebody felt it: a link may be idle, or its process dead just now."""
    before, give_up = link.fired[fault.kind], time.monotonic() + LONGEST
    begin(link, fault)
    await asyncio.sleep(fault.seconds)
    while link.fired[fault.kind] == before and time.monotonic() < give_up:
        await asyncio.sleep(0.05)
        if fault.kind in MOMENTARY:
            begin(link, fault)


def begin(link: Proxy, fault: Fault) -> None:
    match fault.kind:
        case "latency":
            link.delay(fault.amount, jitter=fault.amount / 2)
        case "bandwidth":
            link.throttle(fault.amount)
        case "stall":
            link.stall()
        case "reset":
            link.reset()
        case "half_open":
            link.half_open()
        case "blackhole":
            link.blackhole(fault.towards)
        case "refuse":
            link.refuse()
        case _:
            raise ValueError(fault.kind)
