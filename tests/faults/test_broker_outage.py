"""Kafka goes away, or is slow, under traffic: refused while it lasts, nothing lost or doubled, nobody restarts."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.faults.faulty_installation import FaultyInstallation
from tests.faults.outage import outage
from tests.faults.traffic import check_conversations, open_traffic, wait_for_messages
from tests.harness.sizes import size

SILENCE = size(11, full=20)
"""Seconds: more than two sessions of a consumer, more than five times what an append waits."""

pytestmark = [pytest.mark.scaled, pytest.mark.timeout(240)]


async def test_a_broker_that_is_killed_and_one_that_is_stopped(world: FaultyInstallation) -> None:
    pids = world.pids()
    async with open_traffic(world.parley) as contacts:
        for name, ends in (("kill -9", world.kafka.kill), ("stop", world.kafka.stop)):
            await wait_for_messages(contacts)
            seen = await outage(
                world.parley,
                contacts,
                lambda ends=ends: asyncio.to_thread(ends),  # type: ignore[misc]
                lambda: asyncio.to_thread(world.kafka.start),
                lasts=2.0,
            )
            print(f"Kafka {name}: {seen}")
        await wait_for_messages(contacts)
    found = await check_conversations(world.parley, contacts)
    print(found)
    assert found.faults == []
    assert world.pids() == pids


async def test_a_broker_that_is_slow_and_then_silent_for_longer_than_a_session(world: FaultyInstallation) -> None:
    """Slow answers are borne, by taking that long; none at all is refused until it is over."""
    pids = world.pids()
    link = world.near[0]
    async with open_traffic(world.parley) as contacts:
        await wait_for_messages(contacts)
        link.delay(0.2)
        await wait_for_messages(contacts)
        begun = time.monotonic()

        async def fall_silent() -> None:
            link.delay(0)
            link.stall()

        seen = await outage(world.parley, contacts, fall_silent, link.heal, lasts=SILENCE)
        print(f"slow broker: {seen}; held: {dict(link.fired)}")
        assert link.fired["latency"] > 0
        assert link.fired["stall"] > 0
        assert time.monotonic() - begun > SILENCE
        await wait_for_messages(contacts)
    found = await check_conversations(world.parley, contacts)
    print(found)
    assert found.faults == []
    assert world.pids() == pids
