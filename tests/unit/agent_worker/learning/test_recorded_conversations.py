"""Conversations that a worker held on either engine, replayed: unchanged, and with one edited document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_worker.learning.replay import ReplayedTurn
from connectors.registry import CHANNELS
from schemas import topics
from schemas.conversation import Turn
from schemas.envelope import Envelope
from tests.harness.sizes import size
from tests.unit.agent_worker.learning.log_reading import replay_log
from tests.unit.agent_worker.learning.recorded_conversations import (
    KINDS,
    WATERING,
    RecordedShop,
    open_recorded_shop,
)
from tests.unit.agent_worker.worker_environment import TENANT

ENGINES = [pytest.param("embedded"), pytest.param("scaled", marks=pytest.mark.scaled)]
CONVERSATIONS = size(26, full=65)


@pytest.fixture(params=ENGINES)
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RecordedShop]:
    """All conversations are held before the test."""
    servers = {}
    if request.param == "scaled":
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    async with open_recorded_shop(tmp_path, **servers) as opened:
        await opened.hold(CONVERSATIONS)
        yield opened


async def replay_all(shop: RecordedShop) -> list[ReplayedTurn]:
    return await replay_log(shop.bus, TENANT, [*CHANNELS], knowledge=shop.library, settings=shop.settings)


async def read_turns(shop: RecordedShop) -> list[Turn]:
    read = await shop.bus.read(topics.EVENTS)
    events = [Envelope.from_wire(record.headers, record.value) async for record in read]
    return list({event.id: event.payload(Turn) for event in events if event.type == topics.TURN_COMPLETED}.values())


async def count_records(shop: RecordedShop) -> int:
    names = [name(channel) for channel in CHANNELS for name in (topics.inbound, topics.outbound)]
    count = 0
    for topic in (*names, topics.EVENTS, topics.STATE):
        async for _ in await shop.bus.read(topic):
            count += 1
    return count


async def test_unchanged_conversations_are_replayed_exactly(shop: RecordedShop) -> None:
    """Every turn has byte-equal text and citations, and nothing joins the log."""
    turns, before = await read_turns(shop), await count_records(shop)
    replayed = await replay_all(shop)
    assert await count_records(shop) == before
    assert {turn.turn for turn in replayed} == {turn.id for turn in turns}
    assert [
        (turn.before.text, turn.after.text, turn.diverged, turn.missing) for turn in replayed if not turn.same
    ] == []
    assert [turn.turn for turn in replayed if turn.after != turn.before] == []
    # The conversations are as varied as they are meant to be.
    assert len(shop.conversations) == CONVERSATIONS
    assert {turn.channel for turn in replayed} == set(CHANNELS)
    outcomes = {turn.outcome for turn in turns}
    assert outcomes == {"answer", "action", "declined", "small_talk", "person"}
    assert {action.outcome for turn in turns for action in turn.actions} >= {"succeeded", "refused"}
    assert len(turns) > 2 * CONVERSATIONS
    assert CONVERSATIONS % len(KINDS) == 0


async def test_an_edited_document_changes_only_answers_that_cite_it_or_now_should(shop: RecordedShop) -> None:
    turns = {turn.id: turn for turn in await read_turns(shop)}
    await shop.put("watering", WATERING.replace("within a few weeks", "within three months"))
    replayed = await replay_all(shop)
    changed = [turn for turn in replayed if not turn.same]
    assert {turn.turn for turn in changed} == {
        id for id, turn in turns.items() if any("few weeks" in reply.text for reply in turn.replies)
    }
    assert changed
    for turn in changed:
        assert {"watering"} <= {each.document for each in turn.before.citations}
        assert "three months" in turn.after.text
        assert not turn.diverged
