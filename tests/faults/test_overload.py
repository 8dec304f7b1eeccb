"""More than can be taken: refused with a word, the rest goes on, and one tenant's flood is not another's wait."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.faults.faulty_installation import FaultyInstallation
from tests.faults.flood import conversation, flood
from tests.faults.outage import wait_until
from tests.faults.test_zombies import is_stopped
from tests.faults.visitors import AnswerCounts, Visitors, memory
from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS, UNLIMITED, Installation
from tests.harness.processes import ForkServer, Process

pytestmark = pytest.mark.timeout(300)

PEOPLE = 1_000
LOUD, FLOOD = "bookshop", 800


async def found_at_once(crowd: Visitors, process: Process) -> AnswerCounts:
    """Everybody writes while the process stands still, so that it finds all of them when it goes on: too many at once,
    however slow the machine."""
    tally = AnswerCounts()
    os.kill(process.pid, signal.SIGSTOP)
    try:
        await wait_until(lambda: is_stopped(process.pid), 60, "it stands still")
        everybody = asyncio.create_task(crowd.once(tally))
        await wait_until(lambda: crowd.waiting == PEOPLE, 60, "everybody has written")
    finally:
        os.kill(process.pid, signal.SIGCONT)
    await everybody
    return tally


@pytest.mark.slow
async def test_an_overloaded_edge_refuses_and_goes_on_accepting(fork_server: ForkServer, tmp_path: Path) -> None:
    """Three times its best, and then a thousand at once: some are accepted and some refused with the time to come
    again, nobody is left waiting, and memory stays. How much is accepted is told by tests/measure/overload.py."""
    tenant = {
        "name": "Plant store",
        "limits": UNLIMITED,
        "channels": {"web": {"main": {"messages_per_minute": 1_000_000}}},
    }
    parley = Installation.make(fork_server, tmp_path, tenants={"plantstore": tenant})
    await parley.start()
    async with Visitors(parley, PEOPLE) as crowd:
        peak = await crowd.all_at_once(2.0, people=64)
        before = memory(parley)["dev"]
        over = await crowd.at_a_rate(3 * peak.accepted / peak.seconds, 4.0)
        burst = await found_at_once(crowd, parley.roles["dev"])
        calm = await crowd.all_at_once(0.5, people=64)
        after = memory(parley)["dev"]
    print(f"peak: {peak}\n3 times that: {over}\na thousand at once: {burst}\nmemory {before} → {after} MiB")
    assert peak.wrong + over.wrong + burst.wrong + calm.wrong == []
    assert peak.accepted > 0
    assert over.accepted > 0
    assert burst.accepted > 0
    assert burst.statuses[503] > 0
    assert "requests_refused" in parley.roles["dev"].log.read_text(), "refused, but not for being too many"
    assert calm.accepted > 0
    assert after < 2 * before
    await parley.stop()


@pytest.mark.scaled
async def test_a_flood_from_one_tenant_does_not_hold_up_another(world: FaultyInstallation) -> None:
    """A message written behind eight hundred waiting conversations is answered while most of those still wait."""
    parley = world.parley
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        quiet = Contact(parley.base, http, "quiet")
        await quiet.open()
        await quiet.answered((await quiet.say(QUESTIONS[0])).message_id)
        envelopes = flood(LOUD, conversations=FLOOD, each=2)
        await parley.append("parley.inbound.web", envelopes)
        await quiet.answered((await quiet.say(QUESTIONS[1])).message_id)
        assert (await parley.findings([quiet])).faults == []
    flooded = {conversation(LOUD, f"flood-{n}") for n in range(FLOOD)}
    turns = await parley.logged_turns(flooded | {quiet.conversation})
    ours = _began(turns[quiet.conversation][-1])
    done = sum(_began(turns[one][0]) < ours for one in flooded & turns.keys())
    print(f"answered when {done} of {FLOOD} conversations of the flood were")
    assert done < FLOOD


def _began(turn: dict[str, Any]) -> datetime:
    """By the worker's own clock: how long a reader of the log takes says nothing."""
    return datetime.fromisoformat(turn["at"])
