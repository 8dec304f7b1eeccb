"""One installation, several hunting processes, and what has to hold at the end."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.machine import resident_bytes
from tests.bench.setup import tenants
from tests.fuzz.fuzzing_process import Findings, Task, Visitor, hunt
from tests.fuzz.seeds import KnownIds, seeds_of
from tests.harness.chat_client import Contact
from tests.harness.installation import ADMIN_TOKEN, Installation
from tests.harness.processes import ForkServer

MAY_GROW = 400 * 1024 * 1024
"""Bytes. What was accepted is answered and remembered for a while, within bounds."""


@dataclass(slots=True)
class Outcome:
    seed: int
    catch: Findings
    grown: int
    routes: int
    alive: bool

    @property
    def faults(self) -> list[str]:
        found = list(self.catch.wrong)
        if not self.alive:
            found.append("the process has ended")
        if self.grown > MAY_GROW:
            found.append(f"memory has grown by {self.grown >> 20} MiB")
        return found

    def __str__(self) -> str:
        catch = self.catch
        return "\n".join(
            [
                f"seed {self.seed}: {catch.sent:,} requests and frames to {self.routes} operations in "
                f"{catch.seconds:.0f} s ({catch.sent / max(catch.seconds, 1e-3):,.0f}/s), {catch.sound:,} valid pairs "
                f"in between, slowest batch {catch.slowest:.2f} s, memory +{self.grown >> 20} MiB",
                f"answers: {dict(catch.statuses.most_common())}",
                f"slowest: {catch.slow!r}",
                f"mutations: {dict(catch.ways.most_common())}",
                f"{len(self.faults)} faults",
                *self.faults[:20],
            ]
        )


async def campaign(
    fork_server: ForkServer,
    folder: Path,
    *,
    count: int,
    seed: int,
    processes: int,
    lines: int = 6,
    seconds: float = 1e9,
) -> Outcome:
    installation = Installation.make(fork_server, folder, tenants=tenants(), encoder="light")
    await installation.start(flags=["--log-level", "error"])
    try:
        async with aiohttp.ClientSession() as http:
            visitors = [await _visitor(installation, http) for _ in range(processes * lines)]
        server = installation.roles["dev"]
        before = resident_bytes(server.pid)
        tasks = [
            Task(server.port, tuple(visitors[number::processes]), seed, number, count // processes, seconds)
            for number in range(processes)
        ]
        catch = await _run(tasks)
        alive = server.alive
        grown = resident_bytes(server.pid) - before if alive else 0
        return Outcome(seed, catch, grown, len(visitors[0].seeds), alive)
    finally:
        await installation.stop()


async def _visitor(installation: Installation, http: aiohttp.ClientSession) -> Visitor:
    """Has been answered once; with a seed for every operation that the running process documents."""
    contact = Contact(installation.base, http, "fuzz")
    await contact.open()
    said = await contact.say("Do you add a heat pack in winter?")
    reply = await contact.answered(said.message_id)
    async with http.get(f"{installation.base}/v1/openapi.json") as answer:
        openapi: dict[str, Any] = await answer.json()
    leaving = Contact(installation.base, http, "leaving")
    await leaving.open()
    seeds = seeds_of(openapi, KnownIds(contact.token, leaving.token, ADMIN_TOKEN, contact.conversation))
    return Visitor(contact.token, reply["id"], tuple(seeds))


async def _run(tasks: list[Task]) -> Findings:
    if len(tasks) == 1:
        return await asyncio.to_thread(hunt, tasks[0])
    loop = asyncio.get_running_loop()
    whole = Findings()
    with ProcessPoolExecutor(len(tasks), mp_context=multiprocessing.get_context("spawn")) as pool:
        for catch in await asyncio.gather(*(loop.run_in_executor(pool, hunt, task) for task in tasks)):
            whole.add(catch)
    return whole
