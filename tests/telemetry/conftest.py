"""Real processes on both engines that send their traces to a collector of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness.contract_client import ContractClient
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.simulators.otlp_collector import Collector, open_collector

ENGINES = [pytest.param("embedded"), pytest.param("scaled", marks=pytest.mark.scaled)]
Start = Callable[..., Awaitable[ContractClient]]


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with open_collector() as collector:
        yield collector


@asynccontextmanager
async def open_starter(
    request: pytest.FixtureRequest, fork_server: ForkServer, folder: Path, prefix: str
) -> AsyncIterator[Start]:
    """What ``start`` gives; the installation is stopped at the end."""
    async with AsyncExitStack() as stack:

        async def started(*flags: str, **changes: Any) -> ContractClient:
            servers = {}
            if request.param == "scaled":
                kafka, redis = request.getfixturevalue("kafka_bootstrap"), request.getfixturevalue("redis_url")
                servers = {"kafka": kafka, "redis": redis, "prefix": prefix}
            made = Installation.make(fork_server, folder, **servers, **changes)
            await made.prepare()
            stack.push_async_callback(made.stop)
            await made.start(flags=flags)
            if made.scaled:
                await made.put_documents()
            timeout = aiohttp.ClientTimeout(total=30)
            return ContractClient(made, await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout)))

        yield started


@pytest.fixture(params=ENGINES)
async def start(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path: Path, topic_prefix: str
) -> AsyncIterator[Start]:
    """``await start(**configuration)`` gives a running installation of this test alone, seen from outside."""
    async with open_starter(request, fork_server, tmp_path, topic_prefix) as starter:
        yield starter
