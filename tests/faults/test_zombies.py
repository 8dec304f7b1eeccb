"""Workers that are cut off or frozen until their partitions are somebody else's, and come back as if nothing was."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.faults.outage import assert_refused_well, until
from tests.faults.test_kills import findings_of, talking
from tests.faults.test_state_lost import three_more
from tests.faults.world import FAR, World
from tests.harness.client import Contact
from tests.harness.processes import Process

pytestmark = [pytest.mark.scaled, pytest.mark.timeout(240)]


@asynccontextmanager
async def two_workers(world: World, **env: str) -> AsyncIterator[list[Contact]]:
    """People write while a second worker has a share of the partitions. Afterwards everything is as it should be, and
    the two have both survived."""
    await world.start_far(**env)
    pids = world.pids()
    async with talking(world.parley, people=8) as contacts:
        yield contacts
        await three_more(contacts)
    found = await findings_of(world.parley, contacts)
    print(found)
    assert found.faults == []
    assert_refused_well([attempt for contact in contacts for attempt in contact.attempts])
    assert world.pids() == pids
    assert await world.parley.roles[FAR].stop() == 0


async def test_a_worker_that_was_partitioned_away_comes_back_as_a_zombie(world: World) -> None:
    """All bytes from and to it vanish until others have its partitions; what it then tries to commit is refused."""
    async with two_workers(world) as contacts:
        await eventually_works(world, FAR)
        before = refusals_in(world.parley.roles[FAR])
        for proxy in world.far:
            proxy.blackhole()
        await all_answered(contacts)
        lost = [proxy.fired["blackhole"] for proxy in world.far]
        assert all(lost), "nothing was swallowed: was the worker cut off?"
        for proxy in world.far:
            await proxy.heal()
        handled = await turns_of(world, FAR)
        await until_more_turns(world, FAR, handled)
        refused = refusals_in(world.parley.roles[FAR]) - before
        print(f"swallowed: {lost[0]} pieces of Kafka's, {lost[1]} of Redis's; {refused} refusals")
        assert refused > 0


async def test_a_worker_that_was_frozen_between_model_and_commit_comes_back_as_a_zombie(world: World) -> None:
    """It stops itself there; others answer what it had begun; then its commit is refused: by the store, where it finds
    a newer token, or by the group, where its questions to the store had waited too long to be answered at all."""
    async with two_workers(world, TEST_STOP_AT="worker.after_model:3") as contacts:
        frozen = world.parley.roles[FAR]
        await until(lambda: is_stopped(frozen.pid), 120, "the worker passes the point and freezes")
        await all_answered(contacts)
        before = refusals_in(frozen)
        os.kill(frozen.pid, signal.SIGCONT)
        await until(lambda: refusals_in(frozen) > before, 120, "its commit is refused")
        await eventually_works(world, FAR)


async def all_answered(contacts: Sequence[Contact]) -> None:
    """What each has written by now, and one more, is answered: by whoever has the partitions then."""
    await three_more(list(contacts))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        for contact in contacts:
            reader = Contact(contact.base, http, contact.name, token=contact.token, conversation=contact.conversation)
            await reader.answered(contact.sent[-1].message_id)


async def eventually_works(world: World, role: str) -> None:
    await until_more_turns(world, role, await turns_of(world, role))


async def until_more_turns(world: World, role: str, than: float) -> None:
    async with asyncio.timeout(120):
        while await turns_of(world, role) <= than:  # noqa: ASYNC110  # another process counts
            await asyncio.sleep(0.1)


async def turns_of(world: World, role: str) -> float:
    """How many turns this process has published."""
    url = f"http://127.0.0.1:{world.parley.port(role)}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        found = re.search(r'^parley_turn_seconds_count\{[^}]*stage="publish"[^}]*\} (\S+)', await answer.text(), re.M)
    return float(found[1]) if found else 0.0


def refusals_in(process: Process) -> int:
    """How often it was told that it holds nothing any more: by the group, or by the state store."""
    text = process.log.read_text()
    return text.count('"event":"commit_failed"') + text.count('"code":"fenced"')


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
