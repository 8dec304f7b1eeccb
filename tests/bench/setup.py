"""The dependencies of a measurement: a folder, servers started on demand, processes that end with it."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.deploy import servers
from infra.deploy.process import free_port
from tests.harness.installation import UNLIMITED, Installation
from tests.harness.processes import ROOT, ForkServer, Process


@dataclass
class Stage:
    """``quick``: a few operations and one round, to see that it works; its figures mean nothing."""

    folder: Path
    quick: bool
    stack: AsyncExitStack = field(repr=False)
    _fork_server: ForkServer | None = field(default=None, repr=False)
    _kafka: str = ""
    _redis: str = ""
    _count: int = 0

    @property
    def engines(self) -> tuple[str, ...]:
        """A quick look is content with the one that needs no servers."""
        return ("sqlite",) if self.quick else ("sqlite", "kafka")

    def times(self, whole: int, quick: int) -> int:
        return quick if self.quick else whole

    async def fork_server(self) -> ForkServer:
        if self._fork_server is None:
            self._fork_server = ForkServer()
            await self._fork_server.start()
            self.stack.push_async_callback(self._fork_server.close)
        return self._fork_server

    async def engine(self, scaled: bool) -> dict[str, str]:
        """What ``Installation.make`` takes: nothing for SQLite, else running servers and a prefix of its own."""
        if not scaled:
            return {}
        if not self._kafka:
            # Starting them blocks for seconds.
            self._kafka = await asyncio.to_thread(self.stack.enter_context, servers.kafka())
            self._redis = await asyncio.to_thread(self.stack.enter_context, servers.redis())
        return {"kafka": self._kafka, "redis": self._redis, "prefix": f"bench-{uuid.uuid4().hex[:8]}."}

    async def installation(self, scaled: bool, **changes: Any) -> Installation:
        """Configured, its topics made, nothing started. Questions are compared by word vectors: what a sentence encoder
        takes is its own time, not Parley's."""
        changes = {"encoder": "light"} | changes
        self._count += 1
        folder = self.folder / f"{self._count}-{'scaled' if scaled else 'embedded'}"
        installation = Installation.make(await self.fork_server(), folder, **await self.engine(scaled), **changes)
        await installation.prepare()
        self.stack.push_async_callback(installation.stop)
        return installation

    async def program(self, module: str, *args: str, port: int = 0) -> Process:
        """Start ``python -m module PORT args``; ready once it answers /readyz, ended with the stage. It has an
        interpreter of its own, which nothing has warmed. A quick look does without the seconds that this takes."""
        port = port or free_port()
        return await self._start(module, [str(port), *args], port, {})

    async def command(self, *args: str) -> Process:
        """Start ``parley args``; as ``program`` otherwise."""
        port = free_port()
        return await self._start("gateway.cli", list(args), port, {"PARLEY_MODEL": "local", "PARLEY_PORT": str(port)})

    async def _start(self, module: str, args: list[str], port: int, env: dict[str, str]) -> Process:
        self._count += 1
        (log := self.folder / f"{self._count}-program.log").touch()
        if self.quick:
            parent, words = await self.fork_server(), ["-P", "-m", module, *args]
            process = await parent.spawn(module, words, port=port, log=log, env=env, program="python")
        else:
            process = await _start_interpreter(module, args, port=port, log=log, env=env)

        async def end() -> None:
            if process.alive:
                await process.kill()

        self.stack.push_async_callback(end)
        return process


async def _start_interpreter(module: str, args: list[str], *, port: int, log: Path, env: dict[str, str]) -> Process:
    with log.open("wb") as out:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *args, cwd=ROOT, stdout=out, stderr=out, env={**os.environ, **env}
        )
    return Process(module, child.pid, log, port, asyncio.ensure_future(child.wait()))


@asynccontextmanager
async def stage(
    folder: Path, *, quick: bool = False, fork_server: ForkServer | None = None, kafka: str = "", redis: str = ""
) -> AsyncIterator[Stage]:
    """Nursery and servers are started when they are needed, unless they are given."""
    async with AsyncExitStack() as stack:
        yield Stage(folder, quick, stack, fork_server, kafka, redis)


def tenants(fold: float = 0.0, **more: Any) -> dict[str, Any]:
    """One tenant whose limits are never reached."""
    tenant = {
        "name": "Plant store",
        "fold": {"web": fold, "others": fold},
        "limits": {**UNLIMITED, "turns_at_once": 100_000},
        "channels": {"web": {"main": {"messages_per_minute": 1_000_000}}},
        "knowledge": {"paths": ["knowledge"]},
    }
    return {"plantstore": {**tenant, **more}}
