"""Primaries of a Redis Cluster are replaced, and slots move, under traffic: nothing is lost or doubled, and after a
failover only the end of the log is read again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.bus.partitioner import SHARDS, shard_of
from infra.state.contact_merging import contacts_key
from infra.state.redis.cluster.topology import SLOTS
from tests.faults.outage import assert_refused_well, first_answer, wait_until
from tests.faults.traffic import check_conversations, open_traffic, wait_for_messages
from tests.harness.cluster import RedisCluster
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.harness.sentinel import ask
from tests.harness.sizes import size

FAILOVERS = size(2, full=50)
FAULTS = ("kill", "command", "freeze")
TENANT_SHARD = shard_of(contacts_key("plantstore"))
"""On this shard are the contacts of the tenant: without it nobody is accepted."""
pytestmark = [pytest.mark.scaled, pytest.mark.timeout(180 + 60 * FAILOVERS)]


@pytest.fixture
async def servers() -> AsyncIterator[RedisCluster]:
    async with RedisCluster().running() as group:
        yield group


@pytest.fixture
async def parley(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, servers: RedisCluster, topic_prefix: str
) -> AsyncIterator[Installation]:
    made = Installation.make(fork_server, tmp_path, kafka=kafka_bootstrap, redis=servers.url, prefix=topic_prefix)
    async with made.serving():
        yield made


async def test_replaced_primaries_and_a_moved_slot_lose_and_double_nothing(
    parley: Installation, servers: RedisCluster
) -> None:
    pids = {role: process.pid for role, process in parley.roles.items()}
    async with open_traffic(parley) as contacts:
        await wait_until(lambda: have_checkpoints(servers), 60, "there are checkpoints")
        for number in range(FAILOVERS):
            await asyncio.to_thread(servers.wait_until_synchronized)
            await wait_for_messages(contacts)
            fault, slot = FAULTS[number % len(FAULTS)], SLOTS[(TENANT_SHARD + 37 * number) % SHARDS]
            took, recovery = await fail_over(parley, servers, fault, slot)
            print(f"{number + 1} {fault}: replaced after {took:.1f} s, first new answer {recovery:.1f} s later")
        await wait_for_messages(contacts)
        await asyncio.to_thread(servers.wait_until_synchronized)
        await asyncio.to_thread(move_slots, servers, [SLOTS[shard_of(one.conversation)] for one in contacts[:2]])
        await wait_for_messages(contacts)
    found = await check_conversations(parley, contacts)
    print(found)
    assert found.faults == []
    assert_refused_well([attempt for contact in contacts for attempt in contact.attempts])
    assert {role: process.pid for role, process in parley.roles.items() if process.alive} == pids
    logs = "".join(process.log.read_text() for process in parley.roles.values())
    assert logs.count('"event":"redis_primary_replaced"') >= FAILOVERS
    assert logs.count('"partial":true') >= FAILOVERS
    assert '"event":"gave_up"' not in logs
    assert '"event":"rebuild_skipped"' not in logs, "a record could not be read"


def have_checkpoints(servers: RedisCluster) -> bool:
    return all("checkpoint" in ask(node.port, "KEYS *}:checkpoint") for node in servers.list_primaries())


async def fail_over(parley: Installation, servers: RedisCluster, fault: str, slot: int) -> tuple[float, float]:
    """Break the primary of a slot. Returns the seconds until its replica has replaced it, and from then on those until
    a stranger is answered."""
    before = await asyncio.to_thread(servers.find_primary, slot)
    replica = await asyncio.to_thread(servers.find_replica, before)
    begun = time.monotonic()
    if fault == "command":
        await asyncio.to_thread(servers.start_failover, replica, slot)
    else:
        await asyncio.to_thread({"kill": before.kill, "freeze": before.pause}[fault])
    await asyncio.to_thread(servers.wait_for_failover, replica, slot)
    replaced = time.monotonic()
    before.resume()
    await asyncio.to_thread(before.start)
    return replaced - begun, await first_answer(parley) - replaced


def move_slots(servers: RedisCluster, slots: list[int]) -> None:
    """Move slots to other primaries, one after the other."""
    for slot in slots:
        source = servers.find_primary(slot)
        servers.move_slot(slot, next(node for node in servers.list_primaries() if node is not source))
