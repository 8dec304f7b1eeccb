"""Redis loses everything under running processes: noticed, refused meanwhile, rebuilt from the log, nobody restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
import redis.asyncio

from infra.deploy.local_redis import LocalRedis
from tests.faults.test_kills import findings_of, talking
from tests.harness.client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import Nursery

pytestmark = pytest.mark.scaled


async def flush(url: str) -> None:
    client = redis.asyncio.from_url(url)
    assert await client.dbsize() > 0, "there must be something to lose"
    await client.flushall()
    await client.aclose()


@pytest.fixture
async def parley(
    nursery: Nursery, tmp_path: Path, kafka_bootstrap: str, stoppable_redis: LocalRedis, topic_prefix: str
) -> Installation:
    """A scaled installation with a Redis of its own."""
    made = Installation.make(nursery, tmp_path, kafka=kafka_bootstrap, redis=stoppable_redis.url, prefix=topic_prefix)
    await made.prepare()
    await made.start()
    await made.put_documents()
    return made


@pytest.mark.timeout(240)
async def test_flushall_twice_under_traffic_loses_doubles_and_reorders_nothing(
    parley: Installation, stoppable_redis: LocalRedis
) -> None:
    pids = {role: process.pid for role, process in parley.roles.items()}
    async with talking(parley, people=8) as contacts:
        for _ in range(2):
            await three_more(contacts)
            await flush(stoppable_redis.url)
        await three_more(contacts)
    found = await findings_of(parley, contacts)
    print(found)
    assert found.faults == []
    assert sum(contact.refusals.get(503, 0) for contact in contacts) > 0, "nobody was refused: was anything lost?"
    assert {role: process.pid for role, process in parley.roles.items() if process.alive} == pids
    await parley.stop()


@pytest.mark.timeout(300)
async def test_a_rebuilt_transcript_keeps_its_numbers_and_texts(
    parley: Installation, stoppable_redis: LocalRedis
) -> None:
    async with aiohttp.ClientSession() as http:
        contact = Contact(parley.base, http, "ann")
        await contact.open()
        for question in QUESTIONS:
            await contact.answered((await contact.say(question)).message_id)
        shown = [(line["seq"], line["id"], line["text"]) for line in await contact.transcript()]
        await flush(stoppable_redis.url)
        after = await contact.answered((await contact.say(QUESTIONS[0])).message_id)
        lines = await contact.transcript()
    assert [(line["seq"], line["id"], line["text"]) for line in lines[: len(shown)]] == shown
    assert after["seq"] > shown[-1][0]
    await parley.stop()


async def three_more(contacts: list[Contact]) -> None:
    """Until every contact has had three more messages accepted."""
    goal = min(len(contact.sent) for contact in contacts) + 3
    async with asyncio.timeout(120):
        while min(len(contact.sent) for contact in contacts) < goal:  # noqa: ASYNC110  # nothing here tells us
            await asyncio.sleep(0.05)
