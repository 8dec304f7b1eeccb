"""Notifications of the desk: that something changed, and which lines, but never any text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas import topics
from schemas.desk import DeskUpdate
from schemas.envelope import Envelope
from tests.unit.agent_worker.actions.shop import open_shop
from tests.unit.agent_worker.handoff.people_events import (
    ALWAYS,
    HEAT,
    PERSON,
    claim_conversation,
    deliver_replies,
    handed_over,
    read_back,
    resolve_handoff,
    return_conversation,
)
from tests.unit.agent_worker.worker_environment import WorkerEnvironment, world_at


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WorkerEnvironment]:
    async with world_at(tmp_path, desk=ALWAYS) as made:
        yield made


async def _touches(world: WorkerEnvironment) -> list[DeskUpdate]:
    return await world.told(topics.DESK_UPDATE)


async def test_desk_is_told_when_people_are_to_take_over(world: WorkerEnvironment) -> None:
    """Once the conversation waits for people, under the conversation's key on the desk's topic, and without words."""
    await handed_over(world)
    (touched,) = await _touches(world)
    assert touched.owner
    read = await world.bus.read(topics.outbound(topics.DEFAULT_DESK))
    (record,) = [record async for record in read if record.headers["ce_type"] == topics.DESK_UPDATE]
    assert record.key == world.conversation
    assert Envelope.from_wire(record.headers, record.value).channel == world.origin.channel
    assert b"human" not in (record.value or b"")


async def test_every_message_that_people_have_to_answer_touches(world: WorkerEnvironment) -> None:
    """A new message, an edit and a deletion each tell the desk; the latter two say which line."""
    await handed_over(world)
    before = len(await _touches(world))
    await world.handle(world.said("m2", HEAT))
    await world.handle(world.edited("m2", "Do you?"))
    await world.handle(world.deleted("m2"))
    told = (await _touches(world))[before:]
    line = world.message_id("m2")
    assert [(touch.owner, touch.changed) for touch in told] == [(False, []), (False, [line]), (False, [line])]


async def test_each_change_of_owner_touches(world: WorkerEnvironment) -> None:
    """Claim, return, and the reopening of what was closed."""
    await handed_over(world)
    before = len(await _touches(world))
    await claim_conversation(world)
    await return_conversation(world)
    await return_conversation(world, "again", to="closed")
    await world.handle(world.said("m2", HEAT))
    assert [touch.owner for touch in (await _touches(world))[before:]] == [True] * 4


async def test_rating_touches(world: WorkerEnvironment) -> None:
    """People see that the contact was asked, and what it said."""
    await handed_over(world)
    await claim_conversation(world)
    await world.handle(resolve_handoff(world))
    before = len(await _touches(world))
    await world.handle(world.said("m2", "5"))
    assert len(await _touches(world)) == before + 1


async def test_agents_own_conversations_touch_nobody(world: WorkerEnvironment) -> None:
    """While the agent answers, also after people were there, the desk hears nothing."""
    await world.handle(world.said("m1", HEAT))
    assert await _touches(world) == []
    await handed_over(world)
    await return_conversation(world)
    await deliver_replies(world)
    before = len(await _touches(world))
    world.clock.advance(minutes=1)
    await world.handle(world.said("m2", HEAT))
    assert len(await _touches(world)) == before


async def test_turn_that_is_done_again_touches_once(world: WorkerEnvironment) -> None:
    """A repeated record is no second wake-up."""
    await handed_over(world)
    said = world.said("m2", HEAT)
    await world.handle(said)
    before = len(await _touches(world))
    await world.handle(said)
    assert len(await _touches(world)) == before


@pytest.mark.parametrize("word", ["approve", "deny", "nothing"])
async def test_approvals_touch(tmp_path: Path, word: str) -> None:
    """The desk hears when people are asked for one, have decided, or are too late; each gives the conversation back."""
    async with open_shop(tmp_path, desk=ALWAYS) as shop:
        pending = await shop.ask("80.00")
        await shop.hear(shop.yes(pending))
        (approval,) = (await shop.memory()).approvals
        assert len(await _touches(shop.world)) == 1
        await read_back(shop.world)
        before = len(await _touches(shop.world))
        if word == "nothing":
            shop.world.clock.advance(days=2)
            await shop.say("later", "Hello?")
        else:
            await shop.hear(await shop.decided(approval.id, word, "one"))
        assert len(await _touches(shop.world)) == before + 1
        await read_back(shop.world)
        assert (await shop.world.known()).owner == "agent"
        assert [ended.ended for ended in await shop.world.told(topics.HANDOFF_ENDED)] == ["returned"]


async def test_tenant_without_a_desk_has_no_touches(tmp_path: Path) -> None:
    """Where people work in the console alone nothing goes to a desk."""
    async with world_at(tmp_path) as world:
        await world.handle(world.said("m1", PERSON))
        await read_back(world)
        await claim_conversation(world)
        assert await _touches(world) == []
