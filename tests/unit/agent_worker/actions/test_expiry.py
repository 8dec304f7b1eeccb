"""Of an approval that nobody gave in time the contact hears, without having to ask, once, and nothing stays open."""

from __future__ import annotations

import asyncio

import pytest

from agent_worker.actions.execution.resolver import RESEND_AFTER
from schemas import topics
from schemas.conversation import OwnerRequested
from tests.unit.agent_worker.actions.shop import Shop, another_worker
from tests.unit.agent_worker.actions.test_approval import EXPIRED, ask_for_approval
from tests.unit.agent_worker.worker_environment import LaneStub


async def list_replies(shop: Shop) -> list[str]:
    return [reply.text for reply in await shop.world.replies()]


async def test_an_approval_that_has_time_left_stays_open(shop: Shop) -> None:
    await ask_for_approval(shop)
    shop.world.clock.advance(hours=23)
    assert await shop.resolve() == 0
    assert len((await shop.memory()).approvals) == 1


async def test_one_that_has_expired_is_told_and_settled_and_the_conversation_is_given_back(shop: Shop) -> None:
    await ask_for_approval(shop)
    shop.world.clock.advance(hours=25)
    assert await shop.resolve() == 1
    assert await shop.last() == EXPIRED
    assert shop.payments.done == []
    assert (await shop.memory()).approvals == []
    (record,) = await shop.records()
    assert (record.outcome, record.reason) == ("refused", "expired")
    asked = await shop.world.payloads(topics.inbound("web"), topics.OWNER_REQUESTED, OwnerRequested)
    assert [request.to for request in asked] == ["queue", "agent"]


async def test_nothing_is_told_again_once_it_was(shop: Shop) -> None:
    await ask_for_approval(shop)
    shop.world.clock.advance(hours=25)
    await shop.resolve()
    before = await list_replies(shop)
    for _ in range(3):
        shop.world.clock.advance(minutes=2)
        assert await shop.resolve() == 0
    assert await list_replies(shop) == before


async def test_two_processes_that_tell_it_at_the_same_time_tell_it_once(shop: Shop) -> None:
    await ask_for_approval(shop)
    shop.world.clock.advance(hours=25)
    other = another_worker(shop)
    told = await asyncio.gather(shop.worker.resolve(), other.resolve())
    assert sum(told) == 1, "of two processes one holds the lease"
    shop.world.clock.advance(seconds=RESEND_AFTER.total_seconds() + 1)
    assert await other.resolve() == 1, "nobody has heard it yet, so it is said once more"
    events = await shop.resolved()
    assert len(events) == 2
    assert len({event.id for event in events}) == 1
    read = await shop.world.bus.read(topics.inbound("web"))
    for record in [record async for record in read if record.headers["ce_type"] == topics.APPROVAL_EXPIRED]:
        await shop.worker.handle(LaneStub([record]))
    assert (await list_replies(shop)).count(EXPIRED) == 1


async def test_a_yes_on_its_way_that_comes_after_it_does_nothing(shop: Shop) -> None:
    approval = await ask_for_approval(shop)
    shop.world.clock.advance(hours=25)
    await shop.resolve()
    await shop.hear(await shop.decided(approval, "approve", "late"))
    assert shop.payments.done == []
    assert (await list_replies(shop)).count(EXPIRED) == 1


async def test_a_decision_that_came_first_leaves_nothing_to_expire(shop: Shop) -> None:
    approval = await ask_for_approval(shop)
    await shop.hear(await shop.decided(approval, "deny", "one"))
    shop.world.clock.advance(hours=25)
    assert await shop.resolve() == 0


async def test_the_word_counts_where_the_clock_of_who_hears_it_is_behind(shop: Shop) -> None:
    await ask_for_approval(shop)
    shop.world.clock.advance(hours=25)
    await shop.worker.resolve()
    shop.world.clock.advance(hours=-2)
    read = await shop.world.bus.read(topics.inbound("web"))
    (record,) = [record async for record in read if record.headers["ce_type"] == topics.APPROVAL_EXPIRED]
    await shop.worker.handle(LaneStub([record]))
    assert await shop.last() == EXPIRED
    assert (await shop.memory()).approvals == []


@pytest.mark.parametrize("owner", ["person", "closed"])
async def test_it_is_settled_too_while_others_have_the_conversation(shop: Shop, owner: str) -> None:
    await ask_for_approval(shop)
    known = await shop.world.known()
    await shop.hear(shop.world.owner_asked(owner, known.epoch, "take"))
    shop.world.clock.advance(hours=25)
    assert await shop.resolve() == 1
    reply = (await shop.world.replies())[-1]
    assert (reply.text, reply.author.kind) == (EXPIRED, "system")
    assert (await shop.world.known()).owner == owner
