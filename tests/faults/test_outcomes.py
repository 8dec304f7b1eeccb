"""Outcomes are counted from the log, so neither kills nor the loss of Redis change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis.asyncio

from infra.deploy.local_redis import LocalRedis
from tests.faults.traffic import check_conversations, open_traffic, wait_for_messages
from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import ForkServer


async def read_total(installation: Installation) -> dict[str, Any]:
    figures: dict[str, Any] = (await installation.admin("GET", "outcomes"))["total"]
    return figures


@pytest.mark.timeout(300)
async def test_kills_change_no_figure(fork_server: ForkServer, tmp_path: Path) -> None:
    """Each conversation is counted once, and as resolved exactly if its last line quotes the documents."""
    installation = Installation.make(fork_server, tmp_path)
    await installation.start()
    async with open_traffic(installation) as contacts:
        for _ in range(8):
            await wait_for_messages(contacts, 1)
            await installation.kill("dev")
            await installation.start("dev")
    assert (await check_conversations(installation, contacts)).faults == []
    async with aiohttp.ClientSession() as http:
        answered = 0
        for contact in contacts:
            contact.http = http
            replies = [line for line in await contact.transcript() if line["author"]["kind"] == "agent"]
            answered += bool(replies[-1]["citations"])
    total = await read_total(installation)
    assert (total["conversations"], total["handed_off"], total["reopened"]) == (len(contacts), 0, 0)
    assert total["autonomous"] == total["durable"] == total["provisional"] == answered > 0
    await installation.kill("dev")
    await installation.start("dev")
    assert await read_total(installation) == total
    await installation.stop()


@pytest.mark.scaled
@pytest.mark.timeout(240)
async def test_a_rebuild_changes_no_figure(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, stoppable_redis: LocalRedis, topic_prefix: str
) -> None:
    installation = Installation.make(
        fork_server, tmp_path, kafka=kafka_bootstrap, redis=stoppable_redis.url, prefix=topic_prefix
    )
    await installation.prepare()
    await installation.start()
    await installation.put_documents()
    async with aiohttp.ClientSession() as http:
        contact = Contact(installation.base, http, "ann")
        await contact.open()
        for question in QUESTIONS:
            await contact.answered((await contact.say(question)).message_id)
        before = await read_total(installation)
        assert before["conversations"] == before["autonomous"] == 1
        client = redis.asyncio.from_url(stoppable_redis.url)
        await client.flushall()
        await client.aclose()
        await contact.answered((await contact.say(QUESTIONS[0])).message_id)
        after = await read_total(installation)
    assert after == before
    await installation.stop()
