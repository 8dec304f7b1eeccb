"""Redis loses everything under running processes: noticed, refused meanwhile, rebuilt from the log, nobody restarts."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
import redis.asyncio

from infra.deploy.local_redis import LocalRedis
from tests.faults.traffic import check_conversations, open_traffic, wait_for_messages
from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import ForkServer

pytestmark = pytest.mark.scaled


async def flush(url: str) -> None:
    client = redis.asyncio.from_url(url)
    assert await client.dbsize() > 0, "there must be something to lose"
    await client.flushall()
    await client.aclose()


@pytest.fixture
async def parley(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, stoppable_redis: LocalRedis, topic_prefix: str
) -> Installation:
    """A scaled installation with a Redis of its own."""
    made = Installation.make(
        fork_server, tmp_path, kafka=kafka_bootstrap, redis=stoppable_redis.url, prefix=topic_prefix
    )
    await made.prepare()
    await made.start()
    await made.put_documents()
    return made


@pytest.mark.timeout(240)
async def test_flushall_twice_under_traffic_loses_doubles_and_reorders_nothing(
    parley: Installation, stoppable_redis: LocalRedis
) -> None:
    pids = {role: process.pid for role, process in parley.roles.items()}
    async with open_traffic(parley) as contacts:
        for _ in range(2):
            await wait_for_messages(contacts)
            await flush(stoppable_redis.url)
        await wait_for_messages(contacts)
    found = await check_conversations(parley, contacts)
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
