"""One run: load, kills and weather together; then quiet; then the verdict."""

from __future__ import annotations

import asyncio
import resource
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp

from tests.harness.processes import ForkServer
from tests.torture import tortured_installation as scenes
from tests.torture.load import Load
from tests.torture.log_audit import judge, read_ledger
from tests.torture.network_faults import NetworkFaults
from tests.torture.plan import ROLES, SERVERS, Options, Plan, make_plan
from tests.torture.process_kills import KillCounts, RoleKiller, RoleSupervisor
from tests.torture.report import Outcome, Say
from tests.torture.tortured_installation import TorturedInstallation
from tests.torture.writers import Person

START = 90.0
"""Seconds until all processes have to be ready."""
GROUPS = 3
"""Consumer groups of one channel."""
CLIENT = aiohttp.ClientTimeout(total=12)


class Run:
    def __init__(self, plan: Plan, scene: TorturedInstallation, http: aiohttp.ClientSession, say: Say) -> None:
        self.plan, self.scene, self._say = plan, scene, say
        options = plan.options
        self.tolls = KillCounts()
        self.killers = {role: RoleKiller(kills, self._accepted, self.tolls) for role, kills in plan.kills.items()}
        self.keepers = {
            role: RoleSupervisor(scene.parley, role, scene.env[role], self.killers[role], self.tolls)
            for role in ROLES[options.engine]
            if role not in SERVERS
        }
        self.weather = NetworkFaults(scene.links, self.keepers, self._accepted)
        self.unrest: list[str] = []
        """What had not come to rest at the deadline."""
        self._torments: asyncio.Task[None] | None = None
        self.load = Load(
            scene.base,
            http,
            options.seed,
            options.messages,
            options.people,
            enough=lambda: self._torments is not None and self._torments.done(),
            until=time.monotonic() + options.seconds,
        )

    def _accepted(self) -> int:
        return self.load.accepted

    async def whole(self) -> Outcome:
        for keeper in self.keepers.values():
            keeper.start()
        await self._all_ready()
        await self.scene.put_documents()
        begun = time.monotonic()
        await self._torment()
        seconds = time.monotonic() - begun
        self._say(f"load over after {seconds:.0f} s; settling")
        transcripts = await self._settle()
        settled = time.monotonic() - begun - seconds
        self._say(f"settled after {settled:.1f} s; stopping")
        await asyncio.gather(*(keeper.stop() for keeper in self.keepers.values()))
        self._say(f"stopped after {time.monotonic() - begun - seconds - settled:.1f} s; reading the log")
        ledger = await read_ledger(self.scene.parley)
        found = judge(self.load.people, transcripts, ledger)
        return Outcome(self.plan, self.load, self.tolls, self.weather, ledger, found, seconds, settled, self.unrest)

    # ── the storm ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _torment(self) -> None:
        self._torments = asyncio.create_task(self._all_torments())
        progress = asyncio.create_task(self._progress())
        try:
            await self.load.run()
        finally:
            progress.cancel()
            self._torments.cancel()
            await asyncio.gather(self._torments, progress, return_exceptions=True)
        if not self._torments.cancelled() and (error := self._torments.exception()):
            raise error
        for killer in self.killers.values():
            killer.end()
        for link in self.scene.links.values():
            await link.heal()
        for server in self.scene.servers.values():
            await asyncio.to_thread(server.start)

    async def _all_torments(self) -> None:
        async with asyncio.TaskGroup() as group:
            for role, killer in self.killers.items():
                if role in SERVERS:
                    group.create_task(killer.starve(self.scene.servers[role]))
                else:
                    group.create_task(killer.hunt(self.keepers[role]))
            group.create_task(self.weather.blow(self.plan.faults))

    async def _progress(self) -> None:
        begun = time.monotonic()
        while True:
            await asyncio.sleep(10)
            left = {role: len(killer.left) for role, killer in self.killers.items()}
            self._say(
                f"{time.monotonic() - begun:5.0f} s: {self.load.accepted} accepted, {len(self.load.people)} people, "
                f"{sum(self.tolls.kills.values())} kills (left: {left}), {sum(self.weather.struck.values())} faults, "
                f"{len(self.load.late)} late"
            )

    # ── the quiet ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _all_ready(self) -> None:
        async with asyncio.timeout(START):
            for keeper in self.keepers.values():
                await keeper.ready.wait()

    async def _settle(self) -> dict[str, list[dict[str, Any]]]:
        """Every person's transcript, once all is answered and no group has anything left to read. What is still
        missing at the deadline is for the verdict."""
        await self._all_ready()
        until = time.monotonic() + self.plan.options.settle
        transcripts: dict[str, list[dict[str, Any]]] = {}
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
            waiting = list(self.load.people)
            while waiting and time.monotonic() < until:
                await self._read(http, waiting, transcripts)
                waiting = [person for person in waiting if _still(person, transcripts[person.name])]
                await asyncio.sleep(0.2 if waiting else 0)
            self.unrest = [f"{person.name} waits for an answer" for person in waiting]
            while (lags := await self._lags(http)) and time.monotonic() < until:  # noqa: ASYNC110  # gauges do not call
                await asyncio.sleep(0.5)
            self.unrest += lags
            await self._read(http, self.load.people, transcripts)
        return transcripts

    async def _read(
        self, http: aiohttp.ClientSession, people: list[Person], transcripts: dict[str, list[dict[str, Any]]]
    ) -> None:
        slots = asyncio.Semaphore(8)

        async def one(person: Person) -> None:
            async with slots:
                person.http, person.base = http, self.scene.parley.base
                transcripts[person.name] = await person.transcript()

        await asyncio.gather(*map(one, people))

    async def _lags(self, http: aiohttp.ClientSession) -> list[str]:
        """Groups that have something left to read, by their own gauges."""
        lines: list[str] = []
        for role in self.keepers:
            async with http.get(f"http://127.0.0.1:{self.scene.parley.port(role)}/metrics") as answer:
                lines += [line for line in (await answer.text()).splitlines() if line.startswith("parley_lag_records{")]
        if len(lines) < GROUPS:
            return ["not every group has reported yet"]
        return [line for line in lines if float(line.rpartition(" ")[2])]


def _still(person: Person, lines: list[dict[str, Any]]) -> bool:
    for line in lines:
        person.show(line)
    return person.waits


async def torture(options: Options, folder: Path, fork_server: ForkServer, say: Say) -> Outcome:
    """Run as planned from the seed. ``folder`` keeps logs and data."""
    plan = make_plan(options)
    say(f"seed {options.seed}: {plan.summary()}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    env = {"TEST_MUTANT": options.mutant} if options.mutant else {}
    opened = scenes.embedded if options.engine == "embedded" else scenes.scaled
    async with AsyncExitStack() as stack:
        scene = await stack.enter_async_context(opened(fork_server, folder, **env))
        connector = aiohttp.TCPConnector(limit=0)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, timeout=CLIENT))
        return await Run(plan, scene, http, say).whole()
