"""Metrics tell what really happened, in the process where it happened."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from infra.deploy.local_redis import LocalRedis
from schemas import topics
from schemas.envelope import Envelope
from tests.harness.contract_client import ContractClient, Visitor, wait_for
from tests.harness.installation import QUESTIONS, UNLIMITED, Installation
from tests.harness.processes import ForkServer
from tests.telemetry.conftest import ENGINES, Start, open_starter
from tests.telemetry.metrics_page import Page, scrape

STAGES = {"fold", "wait", "load", "retrieve", "route", "answer", "commit", "publish", "total"}


def configure_tenants() -> dict[str, Any]:
    """The shop, a tenant that waits for more, and one that may hear one message a minute."""
    few = {"web": {"main": {"messages_per_minute": 1}}}
    shop = {"channels": {"web": {"main": {"messages_per_minute": 100_000}}}, "knowledge": {"paths": ["knowledge"]}}
    return {
        "plantstore": {"name": "Plants", "fold": {"web": 0.05}, "limits": UNLIMITED, **shop},
        "patient": {"name": "Patient", "fold": {"web": 4.0}, "channels": {"web": {"main": {}}}},
        "few": {"name": "Few", "fold": {"web": 0.0}, "channels": few},
    }


@pytest.fixture(scope="module", params=ENGINES)
async def shop(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ContractClient]:
    """One installation of each engine for all tests here: they look at how much its counters move."""
    folder, prefix = tmp_path_factory.mktemp("metrics"), f"t-{uuid.uuid4().hex[:8]}."
    async with open_starter(request, fork_server, folder, prefix) as start:
        yield await start(tenants=configure_tenants())


async def test_one_conversation_moves_every_counter_it_should(shop: ContractClient) -> None:
    """The first of the installation, so that every counter begins at 0."""
    before = [await scrape(shop, role) for role in ("edge", "worker", "connectors")]
    visitor = await shop.visitor()
    await visitor.ask(QUESTIONS[0])
    assert (await visitor.post(client_msg_id="m1", text=QUESTIONS[0])).status == 202, "the same again"

    async def sent() -> Page | None:
        page = await scrape(shop, "connectors")
        counted = page.value("parley_outbound_total", channel="web", result="sent")
        return page if counted and page.value("parley_send_seconds_count", channel="web") else None

    async def worked() -> Page | None:
        """A turn is counted when all is done, and the answer is seen before."""
        page = await scrape(shop, "worker")
        return page if page.value("parley_turn_seconds_count", channel="web", stage="total") else None

    connectors, worker, edge = await wait_for(sent), await wait_for(worked), await scrape(shop, "edge")
    assert edge.value("parley_inbound_total", tenant="plantstore", channel="web") == 2
    assert edge.value("parley_duplicates_total", where="edge") == 1
    assert connectors.value("parley_send_seconds_count", channel="web") == 1
    assert worker.value("parley_turns_total", channel="web", route="local", outcome="answer", model="local") == 1
    assert worker.labels("parley_turn_seconds_count", "stage") == STAGES
    for stage in STAGES:
        assert worker.value("parley_turn_seconds_count", channel="web", stage=stage) == 1, stage
    parts = sum(worker.value("parley_turn_seconds_sum", stage=stage) for stage in STAGES - {"total"})
    assert worker.value("parley_turn_seconds_sum", stage="total") >= parts * 0.9
    for page in before:
        for name in ("parley_inbound_total", "parley_turns_total", "parley_outbound_total"):
            assert page.value(name) == 0, name


async def test_conversations_are_counted_by_owner(shop: ContractClient) -> None:
    visitor = await shop.visitor()
    await visitor.ask(QUESTIONS[0])

    async def owned(owner: str) -> bool:
        return (await scrape(shop, "edge")).value("parley_conversations", owner=owner) >= 1

    await wait_for(lambda: owned("agent"))
    assert (await scrape(shop, "edge")).value("parley_conversations", owner="person") == 0
    body = {"to": "person", "epoch": 0}
    assert (await shop.admin("POST", f"conversations/{visitor.conversation}/owner", json=body)).status == 200
    await wait_for(lambda: owned("person"))


async def waiting(visitor: Visitor) -> tuple[Page, float]:
    page = await scrape(visitor.outside, "worker")
    return page, page.value("parley_oldest_waiting_seconds", channel="web")


async def test_a_message_that_waits_shows_its_age_its_lag_and_its_load(shop: ContractClient) -> None:
    """The fold waits four seconds: meanwhile the record is the oldest, and uncommitted; afterwards nothing is."""
    visitor = await shop.visitor("patient")
    said = time.monotonic()
    await visitor.say(QUESTIONS[0])

    async def old() -> Page | None:
        page, age = await waiting(visitor)
        lag = page.value("parley_lag_records", topic="parley.inbound.web", group="parley.worker.web")
        return page if age >= 1 and lag == 1 else None

    page = await wait_for(old)
    assert 1 <= page.value("parley_oldest_waiting_seconds", channel="web") <= time.monotonic() - said + 1
    assert 0 < page.value("parley_worker_load", channel="web") < 0.01
    await visitor.until("agent")

    async def idle() -> bool:
        page, age = await waiting(visitor)
        return age == 0 and page.value("parley_lag_records") == 0 and page.value("parley_worker_load") == 0

    await wait_for(idle)


@pytest.mark.parametrize("start", [pytest.param("scaled", marks=pytest.mark.scaled)], indirect=True)
async def test_when_no_worker_runs_the_edge_tells_what_waits(start: Start) -> None:
    shop = await start()
    await shop.installation.kill("worker")
    visitor = await shop.visitor()
    await visitor.say(QUESTIONS[0])

    async def stands() -> bool:
        page = await scrape(shop, "edge")
        lag = page.value("parley_lag_records", topic="parley.inbound.web", group="parley.worker.web")
        return lag == 1 and page.value("parley_oldest_waiting_seconds", channel="web") >= 4

    await wait_for(stands)
    await shop.installation.start("worker")
    await visitor.until("agent")

    async def moves() -> bool:
        page = await scrape(shop, "edge")
        lag = page.value("parley_lag_records", group="parley.worker.web")
        return lag == 0 and page.value("parley_oldest_waiting_seconds") == 0

    await wait_for(moves)


async def test_refused_requests_are_counted_by_status(shop: ContractClient) -> None:
    before = (await scrape(shop, "edge")).value("parley_refused_total", status="429")
    visitor = await shop.visitor("few")
    await visitor.say(QUESTIONS[0])
    assert (await visitor.post(client_msg_id="more", text="again")).code == "rate_limited"
    async with visitor.tab() as tab:
        await tab.send(type="message", client_msg_id="even-more", text="again")
        await tab.frame("error")

    async def both() -> float | None:
        refused = (await scrape(shop, "edge")).value("parley_refused_total", status="429") - before
        return refused if refused >= 2 else None

    assert await wait_for(both) == 2


async def test_every_process_tells_that_its_parts_are_ready(shop: ContractClient) -> None:
    for role in ("edge", "worker", "connectors"):
        name = role if shop.installation.scaled else "dev"
        page = await wait_for(lambda role=role, name=name: ready_page(shop, role, name))  # type: ignore[misc]
        searches = set() if role == "connectors" and shop.installation.scaled else {"knowledge"}
        assert page.labels("parley_ready", "part") == {"bus", "state"} | searches


async def ready_page(shop: ContractClient, role: str, name: str) -> Page | None:
    page = await scrape(shop, role)
    parts = [value for (known, labels), value in page.samples.items() if known == "parley_ready"]
    assert page.labels("parley_ready", "role") <= {name}
    return page if parts and all(parts) else None


async def test_a_record_that_cannot_be_used_is_counted_by_its_code(shop: ContractClient) -> None:
    """The last of the installation: embedded, it is started again meanwhile."""
    visitor = await shop.visitor()
    await visitor.ask(QUESTIONS[0])
    poison = Envelope(
        id="poison",
        type="parley.message.unheard.v1",
        source="/test",
        tenant="plantstore",
        data=b"{}",
        time=datetime.now(UTC),
        channel="web",
        conversation=visitor.conversation,
    )
    await shop.installation.append(topics.inbound("web"), [poison])

    async def counted() -> bool:
        return (await scrape(shop, "worker")).value("parley_deadletters_total", code="unknown_event_type") == 1

    await wait_for(counted)


@pytest.mark.scaled
async def test_a_store_that_is_away_shows_as_not_ready(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, stoppable_redis: LocalRedis, topic_prefix: str
) -> None:
    made = Installation.make(
        fork_server, tmp_path, kafka=kafka_bootstrap, redis=stoppable_redis.url, prefix=topic_prefix
    )
    await made.prepare()
    await made.start("edge")
    async with aiohttp.ClientSession() as http:
        shop = ContractClient(made, http)

        async def is_ready(value: float) -> bool:
            page = await scrape(shop, "edge")
            return "state" in page.labels("parley_ready", "part") and page.value("parley_ready", part="state") == value

        await wait_for(lambda: is_ready(1))
        stoppable_redis.kill()
        await wait_for(lambda: is_ready(0))
        stoppable_redis.start()
        await wait_for(lambda: is_ready(1))
    await made.stop()
