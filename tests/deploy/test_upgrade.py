"""From one release to the next without a stop: processes of both side by side, and none ends before it has drained."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from gateway.wiring.compose import STOP_TIMEOUT
from schemas import topics
from schemas.ports import Record
from tests.deploy.other_release import CAME_LATE
from tests.faults.traffic import check_conversations, open_traffic
from tests.harness.chat_client import Contact
from tests.harness.contract_client import ContractClient, wait_for
from tests.harness.installation import Installation
from tests.harness.kafka_log import open_kafka_log
from tests.harness.processes import ForkServer
from tests.telemetry.metrics_page import scrape

pytestmark = [pytest.mark.scaled, pytest.mark.timeout(240)]
PASSING = {"PARLEY_MEMBER": ""}
"""A member that leaves for good gives its partitions back at once."""


@pytest.fixture
async def parley(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, redis_url: str, topic_prefix: str
) -> AsyncIterator[Installation]:
    made = Installation.make(fork_server, tmp_path, kafka=kafka_bootstrap, redis=redis_url, prefix=topic_prefix)
    await made.prepare()
    yield made
    await made.stop()


def turns_of(parley: Installation, role: str) -> int:
    return parley.roles[role].log.read_text(errors="replace").count('"turn_done"')


async def more_turns(parley: Installation, *roles: str, turns: int = 5) -> None:
    """Until each of these has done that many more."""
    before = {role: turns_of(parley, role) for role in roles}

    async def done() -> bool:
        return all(turns_of(parley, role) >= before[role] + turns for role in roles)

    await wait_for(done)


async def ended(parley: Installation, role: str) -> None:
    """SIGTERM; it ends by itself, in good order and in time."""
    assert await parley.roles[role].stop(timeout=STOP_TIMEOUT) == 0, parley.roles[role].tail()


async def no_lag(parley: Installation) -> bool:
    async with aiohttp.ClientSession() as http:
        page = await scrape(ContractClient(parley, http), "edge")
    return page.value("parley_lag_records", group="parley.worker.web") == 0


async def shared_by_two(bootstrap: str, group: str) -> bool:
    """Whether two members have partitions of the group, and none is coming or going."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    ((_, _, state, _, _, members, *_),) = answer.groups
    return state == "Stable" and len(members) == 2


async def events_of(parley: Installation) -> AsyncIterator[Record]:
    async def records() -> AsyncIterator[Record]:
        async with open_kafka_log(parley.config) as bus:
            async for record in await bus.read(topics.EVENTS):
                yield record

    return records()


def style(record: Record) -> str:
    """Which release wrote it."""
    if "ce_laterattribute" in record.headers:
        return "newer"
    value = json.loads(record.value or b"{}")
    late = CAME_LATE.get(record.headers["ce_type"], set())
    return "older" if late and not late & value.keys() else "ours"


@pytest.mark.parametrize(("running", "rolled_out"), [("older", ""), ("", "newer")])
async def test_two_releases_side_by_side_lose_double_and_reorder_nothing(
    parley: Installation, running: str, rolled_out: str
) -> None:
    """Every role is replaced while people write: from the release before to ours, and from ours to the one after."""
    old, new = {**PASSING, "TEST_RELEASE": running}, {**PASSING, "TEST_RELEASE": rolled_out}
    await parley.start("edge", "worker", "connectors", env=old)
    await parley.put_documents()
    async with open_traffic(parley) as contacts:
        await more_turns(parley, "worker")
        await parley.start("worker#2", "connectors#2", env=new)
        await more_turns(parley, "worker", "worker#2")
        await ended(parley, "worker")
        await ended(parley, "connectors")
        await more_turns(parley, "worker#2")
        await ended(parley, "edge")
        await parley.start("edge", env=new)
        await more_turns(parley, "worker#2")
    found = await check_conversations(parley, contacts)
    assert found.faults == []
    assert found.messages > 50
    styles = [style(record) async for record in await events_of(parley)]
    assert styles.count(running or rolled_out) > 5, "the other release was one"
    assert styles.count("ours") > 5
    await wait_for(lambda: no_lag(parley))


async def test_a_worker_that_is_asked_to_stop_finishes_its_turns_and_hands_over_the_rest(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, redis_url: str, topic_prefix: str
) -> None:
    """Sixty turns wait for their fold when SIGTERM comes: no answer is lost, none comes twice, and the lag ends."""
    fold = {"web": 4.0, "others": 4.0}
    channels = {"web": {"main": {"messages_per_minute": 100_000}}}
    parley = Installation.make(
        fork_server,
        tmp_path,
        kafka=kafka_bootstrap,
        redis=redis_url,
        prefix=topic_prefix,
        tenants={"plantstore": {"name": "Plants", "fold": fold, "channels": channels}},
    )
    await parley.prepare()
    await parley.start("edge", "worker", "connectors", env=PASSING)
    await parley.start("worker#2", env=PASSING)
    # A worker is ready before it has its share of the partitions.
    await wait_for(lambda: shared_by_two(kafka_bootstrap, f"{topic_prefix}parley.worker.web"))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        contacts = [Contact(parley.base, http, f"c{n}") for n in range(60)]
        for contact in contacts:
            await contact.open()

        async def busy() -> bool:
            page = await scrape(ContractClient(parley, http), "worker")
            return page.value("parley_oldest_waiting_seconds") > 0

        await asyncio.gather(wait_for(busy), *(contact.say("What is in stock?") for contact in contacts))
        await ended(parley, "worker")
        handled = turns_of(parley, "worker")
        found = await parley.findings(contacts)
        assert found.faults == []
        assert found.messages == 60
        await wait_for(lambda: no_lag(parley))
        both = handled + turns_of(parley, "worker#2")
        assert both == 60, "each was answered by one of the two"
        assert 0 < handled < 60
    await parley.stop()
