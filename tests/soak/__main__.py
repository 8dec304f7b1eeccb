"""python -m tests.soak --engine embedded|scaled [--minutes N] [--rate N] [--retention SECONDS]

Visitors come at a constant rate, with a retention of a twelfth of the time. Prints a report in JSON; exit status 1 if
memory, file, Redis or descriptors grow, and if a message is lost or answered twice."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from redis.asyncio import Redis

from infra.deploy.local_kafka import LocalKafka
from infra.deploy.local_redis import LocalRedis
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.soak.samples import Samples, read_file, read_processes
from tests.soak.visitors import Visitors

SAMPLED_EVERY = 2.0


@dataclass(frozen=True, slots=True)
class SoakInstallation:
    """``redis``: its address where it has one."""

    parley: Installation
    redis: str = ""

    async def sample(self) -> dict[str, float]:
        values = read_processes(process.pid for process in self.parley.roles.values())
        if not self.redis:
            return values | read_file(self.parley.folder / "data" / "parley.db")
        async with Redis.from_url(self.redis) as client:
            memory: dict[str, Any] = await client.info("memory")
            keys = await client.dbsize()
        return values | {"redis_mib": int(memory["used_memory"]) / 1024**2, "redis_keys": float(keys)}


@asynccontextmanager
async def open_installation(engine: str, folder: Path, retention: float) -> AsyncIterator[SoakInstallation]:
    env = {"TEST_RETENTION": str(retention)}
    async with AsyncExitStack() as stack:
        fork_server = ForkServer()
        await fork_server.start()
        stack.push_async_callback(fork_server.close)
        servers: dict[str, str] = {}
        redis = ""
        if engine == "scaled":
            kafka, store = LocalKafka(), LocalRedis()
            for server in (kafka, store):
                stack.callback(server.close)
                await asyncio.to_thread(server.start)
            redis = store.url
            servers = {"kafka": kafka.bootstrap, "redis": redis, "prefix": f"s-{uuid.uuid4().hex[:8]}."}
        parley = Installation.make(fork_server, folder, **servers)
        stack.push_async_callback(parley.stop)
        await parley.prepare(env)
        await parley.start(env=env)
        await parley.put_documents()
        yield SoakInstallation(parley, redis)


async def take_samples(read: Callable[[], Any], samples: Samples, until: float) -> None:
    while time.monotonic() < until:
        samples.add(await read())
        await asyncio.sleep(SAMPLED_EVERY)


async def soak(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    seconds = given.minutes * 60
    retention = given.retention or seconds / 12
    samples = Samples()
    async with (
        open_installation(given.engine, folder, retention) as soaked,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        visitors = Visitors(soaked.parley.base, http, given.rate, seconds)
        async with asyncio.TaskGroup() as group:
            group.create_task(visitors.run())
            group.create_task(take_samples(soaked.sample, samples, time.monotonic() + seconds))
    return {
        "engine": given.engine,
        "minutes": given.minutes,
        "retention_s": retention,
        "rate": given.rate,
        "accepted": visitors.accepted,
        "answered": visitors.answered,
        "lost": visitors.lost,
        "answered_twice": visitors.repeated,
        "ratios": {name: round(ratio, 3) for name, ratio in samples.ratios().items()},
        "last": {name: round(values[-1], 1) for name, values in samples.values.items()},
        "grew": samples.find_growth(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="A load with a short retention.")
    parser.add_argument("--engine", choices=("embedded", "scaled"), required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=40.0, help="messages a second (default 40)")
    parser.add_argument("--retention", type=float, default=0.0, help="seconds (default: a twelfth of the time)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parley-soak-") as folder:
        report = asyncio.run(soak(given, Path(folder)))
    print(json.dumps(report, indent=1))
    return int(bool(report["lost"] or report["answered_twice"] or report["grew"]))


if __name__ == "__main__":
    sys.exit(main())
