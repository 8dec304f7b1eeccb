"""Conversations that were opened: they exist before any worker began, and nobody's work is fenced by it."""

from __future__ import annotations

import asyncio

from schemas.conversation import Facts
from schemas.ports import State
from tests.contracts.state.samples import NOW, begin_turn, commit_turn, conversation_of, later, new_id, origin, reply


async def test_an_opened_conversation_is_there_for_all_who_look(state: State) -> None:
    where = origin(place="visitor-1")
    conversation = conversation_of(where)
    await state.conversations.open(conversation, where, now=NOW)
    made = await state.conversations.get(conversation)
    assert made is not None
    assert (made.id, made.origin, made.facts) == (conversation, where, Facts())
    assert (made.owner, made.epoch, made.agent_floor, made.version, made.head_seq) == ("agent", 0, 0, 0, 0)
    assert made.created_at == made.updated_at == NOW
    assert (await state.conversations.list_page("plantstore")).items == [made]
    assert (await state.conversations.list_page("plantstore", owner="agent", channel="web")).items == [made]
    assert await state.conversations.counts() == {"agent": 1, "queue": 0, "person": 0, "closed": 0}
    assert await state.conversations.read_outbox(conversation) == []


async def test_an_opened_conversation_can_be_claimed_before_any_worker_began(state: State) -> None:
    where = origin()
    conversation = conversation_of(where)
    await state.conversations.open(conversation, where, now=NOW)
    owned = await state.conversations.own(
        conversation, "person", expected_epoch=0, request_id="r", by="mo", now=later(1)
    )
    assert (owned.won, owned.owner, owned.epoch) == (True, "person", 1)
    assert (await state.conversations.list_page("plantstore", owner="agent")).items == []
    assert [item.id for item in (await state.conversations.list_page("plantstore", owner="person")).items] == [
        conversation
    ]
    await state.conversations.open(conversation, where, now=later(2))
    assert await state.conversations.counts() == {"agent": 0, "queue": 0, "person": 1, "closed": 0}
    begin = await begin_turn(state, conversation, "e1", where=where)
    assert (begin.conversation.owner, begin.conversation.epoch, begin.conversation.agent_floor) == ("person", 1, 1)


async def test_opening_does_not_fence_who_has_begun(state: State) -> None:
    conversation = new_id()
    start = await begin_turn(state, conversation, "e1")
    await state.conversations.open(conversation, origin(), now=later(1))
    assert await commit_turn(state, conversation, start, handled=["e1"]) == "committed"


async def test_the_first_begin_of_an_opened_conversation_takes_it_as_it_is(state: State) -> None:
    where, other = origin(), origin(tenant="other", channel="slack")
    conversation = conversation_of(where)
    await state.conversations.open(conversation, where, now=NOW)
    start = await state.conversations.begin(conversation, other, ["e1"], now=later(60))
    assert start.conversation == await state.conversations.get(conversation)
    assert (start.conversation.origin, start.conversation.created_at) == (where, NOW)
    assert (start.handled, start.outbox) == (frozenset(), [])
    assert (await state.conversations.counts())["agent"] == 1
    assert await commit_turn(state, conversation, start, handled=["e1"]) == "committed"


async def test_opening_what_is_there_changes_nothing(state: State) -> None:
    opened, lived = origin(), origin()
    first, second = conversation_of(opened), conversation_of(lived)
    await state.conversations.open(first, opened, now=NOW)
    start = await begin_turn(state, second, where=lived)
    sent = [reply(second)]
    await commit_turn(state, second, start, handled=["e1"], outbox=sent, facts=Facts(turns=3), now=later(5))
    before = [await state.conversations.snapshot(one) for one in (first, second)]
    for one in (first, second):
        await state.conversations.open(one, origin(tenant="other", channel="slack"), now=later(60))
    assert [await state.conversations.snapshot(one) for one in (first, second)] == before
    assert [item.id for item in (await state.conversations.list_page("plantstore")).items] == [second, first]
    assert (await state.conversations.list_page("other")).items == []
    assert (await state.conversations.counts())["agent"] == 2
    assert (await begin_turn(state, second)).token == start.token + 1


async def test_fifty_concurrent_opens_make_one_conversation(state: State) -> None:
    where = origin()
    conversation = conversation_of(where)
    await asyncio.gather(*(state.conversations.open(conversation, where, now=later(n)) for n in range(50)))
    (made,) = (await state.conversations.list_page("plantstore")).items
    assert made == await state.conversations.get(conversation)
    assert made.created_at == made.updated_at
    assert (await state.conversations.counts())["agent"] == 1
