"""Redis dies, or comes back with older data, under traffic: nothing lost or doubled, nobody restarts."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from tests.faults.faulty_installation import FaultyInstallation
from tests.faults.outage import outage, wait_until
from tests.faults.traffic import check_conversations, open_traffic, wait_for_messages

pytestmark = [pytest.mark.scaled, pytest.mark.timeout(240)]


async def test_a_redis_that_is_killed_and_one_that_comes_back_with_older_data(world: FaultyInstallation) -> None:
    """Each time work goes on by itself; after the second the state is rebuilt from the log."""
    pids = world.pids()
    redis = world.redis
    async with open_traffic(world.parley) as contacts:
        await wait_for_messages(contacts)
        seen = await outage(
            world.parley,
            contacts,
            lambda: asyncio.to_thread(redis.kill),
            lambda: asyncio.to_thread(redis.start),
            lasts=1.0,
        )
        print(f"Redis kill -9: {seen}")
        older = redis.home / "older"
        shutil.copytree(redis.data_dir, older)
        await wait_for_messages(contacts)

        async def roll_back() -> None:
            await asyncio.to_thread(redis.kill)
            shutil.rmtree(redis.data_dir)
            older.rename(redis.data_dir)
            await asyncio.to_thread(redis.start)

        seen = await outage(world.parley, contacts, roll_back, _nothing, lasts=0.5)
        print(f"Redis rolled back: {seen}")
        await wait_until(lambda: rebuilt(world), 60, "a rebuild is told")
        await wait_for_messages(contacts)
    found = await check_conversations(world.parley, contacts)
    print(found)
    assert found.faults == []
    assert world.pids() == pids


def rebuilt(world: FaultyInstallation) -> bool:
    return any('"event":"rebuild_finished"' in p.log.read_text() for p in world.parley.roles.values())


async def _nothing() -> None:
    """It mends itself."""
