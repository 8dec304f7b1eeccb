"""Owner: one compare-and-set decides who may speak, and a commit cannot slip past it."""

from __future__ import annotations

import asyncio

import pytest

from schemas import ids, topics
from schemas.conversation import Owner, OwnerChanged
from schemas.errors import NotFound
from schemas.ports import OwnershipResult, State
from tests.contracts.state.samples import begin_turn, commit_turn, conversation_of, later, new_id, origin, reply


async def own(state: State, conversation: str, to: Owner, epoch: int, request: str = "") -> OwnershipResult:
    return await state.conversations.own(
        conversation,
        to,
        expected_epoch=epoch,
        request_id=request or new_id(),
        by="colleague",
        reason="asked for",
        now=later(10),
    )


async def test_a_claim_raises_the_epoch_and_says_so_in_the_outbox(state: State) -> None:
    where = origin(channel="whatsapp")
    conversation, request = conversation_of(where), new_id()
    await begin_turn(state, conversation, where=where)
    assert await own(state, conversation, "person", 0, request) == OwnershipResult(True, "person", 1)
    held = await state.conversations.get(conversation)
    assert held is not None
    assert (held.owner, held.epoch, held.agent_floor, held.updated_at) == ("person", 1, 1, later(10))
    (event,) = await state.conversations.read_outbox(conversation)
    assert (event.id, event.type) == (ids.derived_id(request, "owner"), topics.OWNER_CHANGED)
    assert (event.tenant, event.channel, event.account) == ("plantstore", "whatsapp", "main")
    assert (event.conversation, event.causation_id, event.time) == (conversation, request, later(10))
    changed = OwnerChanged(owner="person", epoch=1, by="colleague", reason="asked for", at=later(10))
    assert event.payload(OwnerChanged) == changed


async def test_only_a_claim_by_people_raises_the_floor_under_the_agent(state: State) -> None:
    conversation = new_id()
    await begin_turn(state, conversation)
    floors = []
    steps: list[Owner] = ["queue", "person", "agent", "closed", "agent", "queue"]
    for epoch, to in enumerate(steps):
        assert (await own(state, conversation, to, epoch)).won
        held = await state.conversations.get(conversation)
        assert held is not None
        floors.append(held.agent_floor)
    assert floors == [1, 2, 2, 2, 2, 6]


async def test_a_claim_on_another_epoch_loses_and_learns_what_holds(state: State) -> None:
    conversation = new_id()
    await begin_turn(state, conversation)
    assert (await own(state, conversation, "queue", 0)).won
    for epoch in (0, 2):
        assert await own(state, conversation, "person", epoch) == OwnershipResult(False, "queue", 1)
    assert len(await state.conversations.read_outbox(conversation)) == 1


async def test_of_fifty_concurrent_claims_one_wins(state: State) -> None:
    conversation = new_id()
    await begin_turn(state, conversation)
    results = await asyncio.gather(*(own(state, conversation, "person", 0) for _ in range(50)))
    assert [result.won for result in results].count(True) == 1
    assert {(result.owner, result.epoch) for result in results} == {("person", 1)}
    assert len(await state.conversations.read_outbox(conversation)) == 1


async def test_a_repeated_request_gets_its_first_answer_and_changes_nothing(state: State) -> None:
    conversation, request = new_id(), new_id()
    await begin_turn(state, conversation)
    first = await own(state, conversation, "person", 0, request)
    assert await own(state, conversation, "person", 0, request) == first
    assert (await own(state, conversation, "agent", 1)).won
    assert await own(state, conversation, "person", 0, request) == first
    held = await state.conversations.get(conversation)
    assert held is not None
    assert (held.owner, held.epoch) == ("agent", 2)
    assert len(await state.conversations.read_outbox(conversation)) == 2


async def test_one_request_id_means_nothing_in_another_conversation(state: State) -> None:
    one, two, request = new_id(), new_id(), new_id()
    for conversation in (one, two):
        await begin_turn(state, conversation)
        assert (await own(state, conversation, "person", 0, request)).won
        held = await state.conversations.get(conversation)
        assert held is not None
        assert held.owner == "person"


async def test_nobody_owns_a_conversation_that_never_began(state: State) -> None:
    with pytest.raises(NotFound):
        await own(state, new_id(), "person", 0)


async def test_a_commit_from_before_a_claim_is_stale(state: State) -> None:
    conversation = new_id()
    start = await begin_turn(state, conversation)
    await own(state, conversation, "person", 0)
    assert await commit_turn(state, conversation, start, handled=["e1"], outbox=[reply(conversation)]) == "stale"
    after = await begin_turn(state, conversation, "e1")
    assert after.handled == frozenset()
    assert [event.type for event in after.outbox] == [topics.OWNER_CHANGED]
    assert await commit_turn(state, conversation, after, handled=["e1"]) == "committed"


async def test_commits_and_claims_that_race_leave_a_history_in_which_no_commit_follows_the_claim(state: State) -> None:
    async def race(claim_first: bool) -> None:
        conversation = new_id()
        start = await begin_turn(state, conversation)
        commit = commit_turn(state, conversation, start, outbox=[reply(conversation)])
        claim = own(state, conversation, "person", 0)
        if claim_first:
            won, result = await asyncio.gather(claim, commit)
        else:
            result, won = await asyncio.gather(commit, claim)
        assert won == OwnershipResult(True, "person", 1)
        kinds = [event.type for event in await state.conversations.read_outbox(conversation)]
        sent_first = [topics.MESSAGE_SEND, topics.OWNER_CHANGED]
        assert kinds == (sent_first if result == "committed" else [topics.OWNER_CHANGED])

    await asyncio.gather(*(race(bool(n % 2)) for n in range(40)))


async def test_the_commit_that_succeeded_before_a_claim_is_still_committed_when_repeated(state: State) -> None:
    conversation = new_id()
    start = await begin_turn(state, conversation)
    assert await commit_turn(state, conversation, start, handled=["e1"]) == "committed"
    await own(state, conversation, "person", 0)
    assert await commit_turn(state, conversation, start, handled=["e1"]) == "committed"
