"""Keeps the roles running, as an orchestrator would, and kills them as the plan says."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from infra.deploy.process import LocalServer
from tests.harness.installation import Installation
from tests.torture.plan import Kill

POINT_WAIT = 15.0
"""Seconds that a process may live without passing its crash point; then it is killed all the same."""

LOOK_EVERY = 0.1
"""Seconds between two looks at /readyz, which asks every adapter each time."""


@dataclass
class KillCounts:
    """What really happened. ``recoveries``: seconds from a death to the next process's 200 on /readyz, by role."""

    kills: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    """Ends that nobody asked for, other than of a process that starts while its servers are away and says so."""
    starts: Counter[str] = field(default_factory=Counter)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    unreached: Counter[str] = field(default_factory=Counter)


class RoleSupervisor:
    """One role: started again whenever it ends. ``killer`` tells what the next process is armed with."""

    def __init__(
        self, installation: Installation, role: str, env: dict[str, str], killer: RoleKiller, tolls: KillCounts
    ) -> None:
        self.role = role
        self.armed = ""
        """With what the process of now was started."""
        self.ready = asyncio.Event()
        self.born = asyncio.Event()
        self._installation = installation
        self._env = env
        self._killer = killer
        self._tolls = tolls
        self._asked = False
        self._over = False
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        return self._installation.roles[self.role].pid

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name=f"keeper of {self.role}")

    async def stop(self) -> None:
        """SIGTERM, and no new start."""
        self._over = True
        process = self._installation.roles[self.role]
        status = await process.stop() if process.alive else process.exited.result()
        if status != 0:
            self._tolls.crashes.append(f"{self.role} ended its last run with {status}")
        if self._task is not None:
            await self._task

    async def kill(self) -> None:
        """The process of now, or the next when there is none. Returns when it is gone."""
        await self.born.wait()
        process = self._installation.roles[self.role]
        self._asked = True
        self.born.clear()
        self.ready.clear()
        await process.kill()

    async def _keep(self) -> None:
        died = time.monotonic()
        while not self._over:
            self.armed, self._asked = self._killer.point(), False
            env = self._env | ({"PARLEY_CRASH_AT": self.armed} if self.armed else {})
            await self._installation.start(self.role, env=env, wait=False)
            process = self._installation.roles[self.role]
            self._tolls.starts[self.role] += 1
            self.born.set()
            watch = asyncio.create_task(self._watch(died))
            status = await asyncio.shield(process.exited)
            watch.cancel()
            died = time.monotonic()
            self.ready.clear()
            self.born.clear()
            self._note(status)

    def _note(self, status: int) -> None:
        if self._asked and status == -signal.SIGKILL:
            self._tolls.kills[self.role] += 1
        elif self.armed and status == -signal.SIGKILL:
            self._tolls.kills[self.role] += 1
            self._tolls.points[self.armed.partition(":")[0]] += 1
            self._killer.struck(self.armed)
        elif not self._over:
            self._tolls.exits[self.role] += 1
            last = self._installation.roles[self.role].tail(4)
            if "error[unavailable]" not in last:
                self._tolls.crashes.append(f"{self.role} ended by itself with {status}: {last[-600:]}")

    async def _watch(self, died: float) -> None:
        url = f"http://127.0.0.1:{self._installation.port(self.role)}/readyz"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            while True:
                try:
                    async with http.get(url) as answer:
                        if answer.status == 200:
                            break
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(LOOK_EVERY)
        self._tolls.recoveries.setdefault(self.role, []).append(time.monotonic() - died)
        self.ready.set()


class RoleKiller:
    """One role's kills, each when ``accepted`` has come to its due; at a point also earlier, when it comes next."""

    def __init__(self, kills: list[Kill], accepted: Callable[[], int], tolls: KillCounts) -> None:
        self.left = deque(kills)
        self._accepted = accepted
        self._tolls = tolls
        self._hit = asyncio.Event()
        self._over = False

    def point(self) -> str:
        """What a process that is started now has to die at; empty: nothing."""
        head = self.left[0] if self.left and not self._over else None
        return f"{head.point}:{head.nth}" if head is not None and head.point else ""

    def struck(self, point: str) -> None:
        if point == self.point():
            self.left.popleft()
        self._hit.set()

    def end(self) -> None:
        """Nothing more is armed."""
        self._over = True

    async def hunt(self, keeper: RoleSupervisor) -> None:
        while self.left:
            kill = self.left[0]
            await self._due(kill)
            if kill.point:
                await self._at_point(keeper, kill)
            else:
                await (keeper.born if kill.newborn else keeper.ready).wait()
                await asyncio.sleep(kill.delay)
                self.left.popleft()
                await keeper.kill()

    async def starve(self, server: LocalServer) -> None:
        """The same for a server, on the same data."""
        while self.left:
            kill = self.left[0]
            await self._due(kill)
            await asyncio.to_thread(server.kill)
            self._tolls.kills[kill.role] += 1
            died = time.monotonic()
            await asyncio.sleep(kill.delay)
            await asyncio.to_thread(server.start)
            self._tolls.starts[kill.role] += 1
            self._tolls.recoveries.setdefault(kill.role, []).append(time.monotonic() - died - kill.delay)
            self.left.popleft()

    async def _due(self, kill: Kill) -> None:
        while self._accepted() < kill.due and kill in self.left:  # noqa: ASYNC110  # fifty people count, none tells
            await asyncio.sleep(0.05)

    async def _at_point(self, keeper: RoleSupervisor, kill: Kill) -> None:
        """Wait for it; a process that does not come past is killed like any other."""
        give_up = time.monotonic() + POINT_WAIT
        while kill in self.left and time.monotonic() < give_up:
            if keeper.born.is_set() and keeper.armed != self.point():
                await keeper.kill()  # it was started before its turn
            self._hit.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hit.wait(), 0.5)
        if kill in self.left:
            self._tolls.unreached[kill.point] += 1
            self.left.popleft()
            await keeper.kill()
