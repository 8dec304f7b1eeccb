"""More than can be taken: refused with a word, the rest goes on, and one tenant's flood is not another's wait."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.faults.crowd import Crowd, Tally, memory
from tests.faults.flood import conversation, flood
from tests.faults.world import World
from tests.harness.client import Contact
from tests.harness.disk import Disk
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import Nursery

pytestmark = pytest.mark.timeout(300)

LOUD, FLOOD = "bookshop", 800


async def until_accepted(crowd: Crowd) -> Tally:
    """Once the disk answers again, which may take as long as what it was given."""
    async with asyncio.timeout(90):
        while not (tally := await crowd.all_at_once(0.5, people=64)).accepted:
            pass
    return tally


@pytest.mark.slow
async def test_an_overloaded_edge_refuses_and_goes_on_accepting(nursery: Nursery, tmp_path: Path) -> None:
    """Three times its best, and then a thousand at once while the disk is slow: some are accepted and some refused with
    the time to come again, nobody is left waiting, and memory stays. How much is accepted is told by
    tests/measure/overload.py."""
    tenant = {
        "name": "Plant store",
        "limits": {"inbound_per_s": 1_000_000},
        "channels": {"web": {"main": {"messages_per_minute": 1_000_000}}},
    }
    parley = Installation.make(nursery, tmp_path, tenants={"plantstore": tenant})
    disk = Disk(tmp_path / "disk")
    await parley.start(env=disk.env)
    async with Crowd(parley, 1_000) as crowd:
        peak = await crowd.all_at_once(2.0, people=64)
        before = memory(parley)["dev"]
        over = await crowd.at_a_rate(3 * peak.accepted / peak.seconds, 4.0)
        # Whoever is quick enough to write while others wait for the disk: a slow machine's crowd comes one by one.
        disk.slow(0.1)
        burst = await crowd.all_at_once(0.5, people=1_000)
        disk.heal()
        calm = await until_accepted(crowd)
        after = memory(parley)["dev"]
    print(f"peak: {peak}\n3 times that: {over}\na thousand at once: {burst}\nmemory {before} → {after} MiB")
    assert peak.wrong + over.wrong + burst.wrong + calm.wrong == []
    assert peak.accepted > 0
    assert over.accepted > 0
    assert burst.statuses[503] > 0, "nobody was refused: was it overloaded?"
    assert after < 2 * before
    await parley.stop()


@pytest.mark.scaled
async def test_a_flood_from_one_tenant_does_not_hold_up_another(world: World) -> None:
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
