"""A scaled installation whose servers may be broken: its own Kafka and Redis, reached over links that can be cut."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.deploy.local_kafka import LocalKafka
from infra.deploy.local_redis import LocalRedis
from infra.deploy.process import free_port
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.harness.proxy import Proxy

IMPATIENT = {"session_timeout_ms": 5_000, "heartbeat_ms": 500, "rebalance_timeout_ms": 10_000, "append_deadline": 2.0}
"""Sessions and appends short enough to wait for their end; everything else as in production."""
FAR = "worker#far"


class ForkedKafka(LocalKafka):
    """A broker with a door for the test, and others that it advertises behind proxies, because a client dials what the
    broker says and not what it was told."""

    def __init__(self, bench: bool = False, doors: Sequence[str] = ("NEAR", "FAR")) -> None:
        super().__init__(bench)
        self.doors = {name: (free_port(), Proxy(0)) for name in doors}
        config = self.home / "server.properties"
        lines = config.read_text().splitlines()
        config.write_text("\n".join(map(self._opened, lines)) + "\n")
        for port, proxy in self.doors.values():
            proxy.target_port = port

    def _opened(self, line: str) -> str:
        name = line.partition("=")[0]
        added = {
            "listeners": [f"{door}://127.0.0.1:{port}" for door, (port, _) in self.doors.items()],
            "advertised.listeners": [f"{door}://{proxy.address}" for door, (_, proxy) in self.doors.items()],
            "listener.security.protocol.map": [f"{door}:PLAINTEXT" for door in self.doors],
        }.get(name, [])
        return ",".join([line, *added])


@dataclass
class FaultyInstallation:
    """``near`` are the links of the installation, ``far`` those of the worker ``FAR`` alone: Kafka's, then Redis's."""

    kafka: ForkedKafka
    redis: LocalRedis
    near: tuple[Proxy, Proxy]
    far: tuple[Proxy, Proxy]
    parley: Installation

    async def start_far(self, **env: str) -> None:
        """A second worker, over links of its own."""
        kafka, redis = self.far
        await self.parley.start(
            FAR,
            env={
                "TEST_KAFKA_PROFILE": json.dumps(IMPATIENT),
                "PARLEY_BUS": f"kafka://{kafka.address}",
                "PARLEY_STATE": f"redis://{redis.address}/0",
                **env,
            },
            wait=False,
        )
        await self.parley.roles[FAR].ready()

    async def start(self, *roles: str, **env: str) -> None:
        for role in roles or self.parley.all_roles:
            await self.parley.start(
                role,
                env={"TEST_KAFKA_PROFILE": json.dumps(IMPATIENT), **env},
                wait=False,
                flags=["--log-level", "info"],
            )
        for role in roles or self.parley.all_roles:
            await self.parley.roles[role].ready()

    def pids(self) -> dict[str, int]:
        """Of what runs; the same afterwards means that nothing was restarted."""
        return {role: process.pid for role, process in self.parley.roles.items() if process.alive}

    async def heal(self) -> None:
        """Whatever a failed test left broken."""
        for proxy in (*self.near, *self.far):
            await proxy.heal()
        await asyncio.to_thread(self.kafka.start)
        await asyncio.to_thread(self.redis.start)


@asynccontextmanager
async def open_world(
    fork_server: ForkServer, folder: Path, *, bench: bool = False, **changes: Any
) -> AsyncIterator[FaultyInstallation]:
    """Servers, links, and the three roles with their documents searchable."""
    async with AsyncExitStack() as stack:
        kafka, redis = ForkedKafka(bench), LocalRedis()
        for server in (kafka, redis):
            stack.callback(server.close)
        near, far = ((kafka.doors[door][1], Proxy(redis.port)) for door in ("NEAR", "FAR"))
        for proxy in (*near, *far):
            await stack.enter_async_context(proxy)
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in (kafka, redis)))
        parley = Installation.make(
            fork_server,
            folder,
            kafka=near[0].address,
            redis=f"redis://{near[1].address}/0",
            prefix=f"t-{uuid.uuid4().hex[:8]}.",
            **changes,
        )
        world = FaultyInstallation(kafka, redis, near, far, parley)
        await parley.prepare()
        await world.start()
        stack.push_async_callback(parley.stop)
        await parley.put_documents()
        yield world
        await world.heal()
