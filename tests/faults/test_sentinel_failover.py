"""Sentinel replaces the primary of Redis under traffic: nothing lost or doubled, nobody restarts, and only the end of
the log is read again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.outage import first_answer, wait_until
from tests.faults.traffic import check_conversations, open_traffic, wait_for_messages
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.harness.sentinel import SentinelGroup, ask
from tests.harness.sizes import size

FAILOVERS = size(2, full=50)
FAULTS = ("kill", "freeze", "command")
pytestmark = [pytest.mark.scaled, pytest.mark.timeout(120 + 60 * FAILOVERS)]


@pytest.fixture
async def servers() -> AsyncIterator[SentinelGroup]:
    async with SentinelGroup().running() as group:
        yield group


@pytest.fixture
async def parley(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, servers: SentinelGroup, topic_prefix: str
) -> AsyncIterator[Installation]:
    made = Installation.make(fork_server, tmp_path, kafka=kafka_bootstrap, redis=servers.url, prefix=topic_prefix)
    async with made.serving():
        yield made


async def test_a_replaced_primary_loses_and_doubles_nothing(parley: Installation, servers: SentinelGroup) -> None:
    pids = {role: process.pid for role, process in parley.roles.items()}
    async with open_traffic(parley) as contacts:
        await wait_until(lambda: has_checkpoint(servers), 60, "there is a checkpoint")
        for number in range(FAILOVERS):
            await asyncio.to_thread(servers.wait_until_synchronized)
            await wait_for_messages(contacts)
            fault = FAULTS[number % len(FAULTS)]
            took, recovery = await fail_over(parley, servers, fault)
            print(f"{number + 1} {fault}: replaced after {took:.1f} s, first new answer {recovery:.1f} s later")
        await wait_for_messages(contacts)
    found = await check_conversations(parley, contacts)
    print(found)
    assert found.faults == []
    assert {role: process.pid for role, process in parley.roles.items() if process.alive} == pids
    logs = "".join(process.log.read_text() for process in parley.roles.values())
    assert logs.count('"event":"redis_primary_replaced"') >= FAILOVERS
    assert logs.count('"partial":true') >= FAILOVERS
    assert logs.count('"partial":false') <= 1, "only an empty store is filled from the whole log"


def has_checkpoint(servers: SentinelGroup) -> bool:
    return "checkpoint" in ask(servers.find_primary().port, "KEYS *}:checkpoint")


async def fail_over(parley: Installation, servers: SentinelGroup, fault: str) -> tuple[float, float]:
    """Break the primary. Returns the seconds until another has replaced it, and from then on those until a stranger is
    answered."""
    begun = time.monotonic()
    before = await asyncio.to_thread(servers.find_primary)
    breaks = {"kill": before.kill, "freeze": before.pause, "command": servers.start_failover}[fault]
    await asyncio.to_thread(breaks)
    await asyncio.to_thread(servers.wait_for_failover, before)
    replaced = time.monotonic()
    before.resume()
    await asyncio.to_thread(before.start)
    return replaced - begun, await first_answer(parley) - replaced
