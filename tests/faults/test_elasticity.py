"""Workers come and go under load: order is kept, nothing is lost and nothing is done twice."""

from __future__ import annotations

import asyncio
import json

import pytest

from infra.bus.partitioner import partition_of
from tests.faults.faulty_installation import IMPATIENT, FaultyInstallation
from tests.faults.traffic import check_conversations, count_turns, open_traffic, wait_for_messages

pytestmark = [pytest.mark.scaled, pytest.mark.timeout(240)]

MORE = ("worker#2", "worker#3")


async def test_from_one_worker_to_three_and_back_under_load(world: FaultyInstallation) -> None:
    """The new ones take their share at once, and give it back when they are asked to stop."""
    parley = world.parley
    async with open_traffic(parley) as contacts:
        await wait_for_messages(contacts)
        await asyncio.gather(*(parley.start(role, env=passing(), wait=False) for role in MORE))
        await asyncio.gather(*(parley.roles[role].ready() for role in MORE))
        await all_at_work(world, len({partition_of(contact.conversation, 3) for contact in contacts}))
        await wait_for_messages(contacts)
        assert await asyncio.gather(*(parley.roles[role].stop() for role in MORE)) == [0, 0]
        await wait_for_messages(contacts)
    found = await check_conversations(parley, contacts)
    print(found)
    assert found.faults == []


def passing() -> dict[str, str]:
    """No lasting name: a member that leaves for good gives its partitions back at once."""
    return {"PARLEY_MEMBER": "", "TEST_KAFKA_PROFILE": json.dumps(IMPATIENT)}


async def all_at_work(world: FaultyInstallation, partitions: int) -> None:
    """As many workers handle turns as there are partitions with conversations."""
    roles = ("worker", *MORE)
    before = {role: await count_turns(world, role) for role in roles}
    async with asyncio.timeout(120):
        while sum([await count_turns(world, role) > before[role] for role in roles]) < partitions:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
