"""A channel gets more partitions: nothing is lost, repeated or answered out of order, and it is refused too early."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import yaml

from gateway.config.loader import load
from gateway.wiring.engines import state_location
from infra.bus.kafka import KafkaBus
from infra.state.registry import load_engine
from schemas import topics
from schemas.errors import BusUnavailable
from schemas.topics import DAY_MS, TopicSpec
from tests.contracts.bus.kafka_members import build_envelope
from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.kafka_log import open_kafka_log
from tests.harness.processes import ForkServer

pytestmark = [pytest.mark.scaled, pytest.mark.timeout(300)]
BEFORE, AFTER = 3, 8
TOPIC, GROUP = topics.inbound("web"), topics.worker_group("web")


def configure(installation: Installation, partitions: int) -> None:
    config = yaml.safe_load(installation.config.read_text()) | {"channel_partitions": {"web": partitions}}
    installation.config.write_text(yaml.safe_dump(config))


async def expand(installation: Installation) -> str:
    """What the command says when it is refused."""
    configure(installation, AFTER)
    status, output = await installation.command("topics", "expand", "--wait", "0")
    configure(installation, BEFORE)
    assert status != 0, output
    return output


async def handle_all(installation: Installation) -> None:
    async with open_kafka_log(installation.config) as bus:
        groups = {GROUP: TOPIC, topics.receipts_group("web"): TOPIC}
        groups[topics.sender_group("web")] = topics.outbound("web")
        async with asyncio.timeout(60):
            while True:
                left = [(await bus.lag(group, [topic]))[topic] for group, topic in groups.items()]
                if not any(left):
                    return
                await asyncio.sleep(0.2)


async def park_or_unpark(installation: Installation) -> None:
    """Set a record aside to be tried again, or let it go."""
    config = load(installation.config)
    state = await load_engine(config.state).open_state(state_location(config))
    async with open_kafka_log(installation.config) as bus:
        record = min([one async for one in await bus.read(TOPIC)], key=lambda one: one.key)
    parked = await state.parking.read(GROUP, record.key, limit=1)
    if parked:
        await state.parking.unpark(GROUP, record.key, parked)
    else:
        await state.parking.park(GROUP, record.key, [record], until=datetime.now(UTC) + timedelta(hours=1))
    await state.close()


async def test_a_channel_gets_more_partitions(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, redis_url: str, topic_prefix: str
) -> None:
    """It is refused while processes run, and while records are not handled. Afterwards conversations go on in other
    partitions, in order."""
    servers = {"kafka": kafka_bootstrap, "redis": redis_url, "prefix": topic_prefix}
    installation = Installation.make(fork_server, tmp_path, **servers)
    # A member with a permanent name would be waited for.
    installation.env["PARLEY_MEMBER"] = ""
    async with aiohttp.ClientSession() as http:
        contacts = [Contact(installation.base, http, f"visitor-{n}") for n in range(6)]
        async with installation.serving():
            for contact in contacts:
                await contact.open()
                await contact.answered((await contact.say(QUESTIONS[0])).message_id)
            assert "processes are running" in await expand(installation)
            await installation.roles["worker"].stop()
            for contact in contacts:
                await contact.say(QUESTIONS[1])
        assert f"of {TOPIC} are not handled by {topics.worker_group('web')}" in await expand(installation)
        await installation.start("worker", "connectors")
        await handle_all(installation)
        await installation.stop()
        await park_or_unpark(installation)
        assert "wait to be tried again" in await expand(installation)
        await park_or_unpark(installation)
        configure(installation, AFTER)
        assert f"{TOPIC}: {BEFORE} → {AFTER} partitions" in await installation.run("topics", "expand")
        assert "all topics have the configured number" in await installation.run("topics", "expand")
        await installation.start()
        try:
            for text in QUESTIONS:
                await asyncio.gather(*(contact.say(text) for contact in contacts))
            found = await installation.findings(contacts)
        finally:
            await installation.stop()
    assert found.faults == []
    async with open_kafka_log(installation.config) as bus:
        places = {(record.key, record.partition) async for record in await bus.read(TOPIC)}
    assert len(places) > len({conversation for conversation, _ in places}) == len(contacts)


async def test_who_has_not_started_anew_appends_nothing(kafka_bootstrap: str, topic_prefix: str) -> None:
    """It would send a conversation's records to another partition than all others do."""
    spec = TopicSpec(TOPIC, BEFORE, DAY_MS)
    left, other = (KafkaBus(kafka_bootstrap, prefix=topic_prefix) for _ in range(2))
    await left.start()
    await left.create_topics([spec])
    await other.start()
    await left.append([build_envelope("c")])
    await other.expand_topics({TOPIC: AFTER})
    with pytest.raises(BusUnavailable, match="more partitions"):
        await left.check_ready()
    with pytest.raises(BusUnavailable, match="more partitions"):
        await left.append([build_envelope("c")])
    await other.check_ready()
    await other.append([build_envelope("c")])
    await left.close()
    await other.close()
