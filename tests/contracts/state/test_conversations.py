"""Conversations: who may commit, what a commit writes, and what is still to be published."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from schemas.conversation import Facts, Holder, Origin
from schemas.errors import InvalidRequest
from schemas.ports import State
from tests.contracts.state.samples import NOW, begin_turn, commit_turn, conversation_of, later, new_id, origin, reply


async def test_the_first_begin_makes_the_conversation_and_later_ones_leave_its_origin_alone(state: State) -> None:
    where = origin(place="visitor-1")
    conversation = conversation_of(where)
    assert await state.conversations.get(conversation) is None
    first = await state.conversations.begin(conversation, where, ["e1"], now=NOW)
    other = Origin(tenant="other", channel="slack", account="x", place="y", contact_id="z")
    second = await state.conversations.begin(conversation, other, ["e1"], now=later(60))
    assert first.conversation == second.conversation == await state.conversations.get(conversation)
    made = first.conversation
    assert made.origin == where
    assert (made.owner, made.epoch, made.agent_floor, made.version, made.head_seq) == ("agent", 0, 0, 0, 0)
    assert made.created_at == made.updated_at == NOW
    assert first.handled == frozenset()
    assert first.outbox == []


async def test_a_commit_writes_facts_handled_ids_and_outbox_and_raises_the_version(state: State) -> None:
    conversation, (e1, e2, e3) = new_id(), [new_id() for _ in range(3)]
    start = await begin_turn(state, conversation, e1, e2)
    sent = [reply(conversation), reply(conversation)]
    facts = Facts(locale="de", turns=1, last_route="strong", person_offered=True)
    result = await commit_turn(state, conversation, start, handled=[e1, e2], outbox=sent, facts=facts, now=later(5))
    assert result == "committed"
    after = await begin_turn(state, conversation, e1, e2, e3, "not a uuid")
    assert after.conversation.version == 1
    assert after.conversation.facts == facts
    assert after.conversation.updated_at == later(5)
    assert after.handled == {e1, e2}
    assert after.outbox == sent == await state.conversations.read_outbox(conversation)


async def test_of_a_hundred_concurrent_begins_only_the_newest_may_commit(state: State) -> None:
    conversation = new_id()
    starts = await asyncio.gather(*(begin_turn(state, conversation, "e") for _ in range(100)))
    tokens = [start.token for start in starts]
    assert len(set(tokens)) == 100
    in_order = sorted(starts, key=lambda start: start.token)
    results = await asyncio.gather(
        *(commit_turn(state, conversation, start, handled=[f"e{start.token}"]) for start in in_order)
    )
    assert results == ["stale"] * 99 + ["committed"]
    after = await begin_turn(state, conversation, *(f"e{token}" for token in tokens))
    assert after.handled == {f"e{in_order[-1].token}"}
    assert after.token > max(tokens)


async def test_tokens_grow_with_every_begin(state: State) -> None:
    conversation = new_id()
    tokens = [(await begin_turn(state, conversation)).token for _ in range(5)]
    assert tokens == sorted(set(tokens))


async def test_a_worker_that_was_replaced_writes_nothing(state: State) -> None:
    conversation = new_id()
    zombie = await begin_turn(state, conversation, "e1")
    await begin_turn(state, conversation, "e1")
    result = await commit_turn(
        state, conversation, zombie, handled=["e1"], outbox=[reply(conversation)], facts=Facts(turns=9)
    )
    assert result == "stale"
    after = await begin_turn(state, conversation, "e1")
    assert after.handled == frozenset()
    assert after.outbox == []
    assert (after.conversation.version, after.conversation.facts) == (0, Facts())


async def test_a_commit_with_another_token_version_or_epoch_is_stale(state: State) -> None:
    conversation = new_id()
    start = await begin_turn(state, conversation)
    assert await commit_turn(state, conversation, start, handled=["e1"], token=start.token + 1) == "stale"
    assert await commit_turn(state, conversation, start, handled=["e1"], token=start.token - 1) == "stale"
    assert await commit_turn(state, conversation, start, handled=["e1"], version=1) == "stale"
    assert await commit_turn(state, conversation, start, handled=["e1"], version=-1) == "stale"
    assert await commit_turn(state, conversation, start, handled=["e1"], epoch=1) == "stale"
    assert (await begin_turn(state, conversation, "e1")).handled == frozenset()


async def test_a_commit_to_a_conversation_that_never_began_is_stale(state: State) -> None:
    start = await begin_turn(state, new_id())
    assert await commit_turn(state, new_id(), start) == "stale"


async def test_one_token_may_commit_again_on_the_new_version(state: State) -> None:
    conversation = new_id()
    start = await begin_turn(state, conversation)
    assert await commit_turn(state, conversation, start, handled=["e1"]) == "committed"
    assert await commit_turn(state, conversation, start, handled=["e2"], version=1) == "committed"
    assert (await begin_turn(state, conversation, "e1", "e2")).handled == {"e1", "e2"}


async def test_a_commit_repeated_after_a_lost_answer_is_committed_and_written_once(state: State) -> None:
    conversation = new_id()
    start = await begin_turn(state, conversation)
    sent = [reply(conversation)]
    assert await commit_turn(state, conversation, start, handled=["e1", "e2"], outbox=sent) == "committed"
    await state.conversations.published(conversation, [sent[0].id])
    await begin_turn(state, conversation)
    repeat = await commit_turn(state, conversation, start, handled=["e2", "e1"], outbox=sent, now=later(9))
    assert repeat == "committed"
    after = await begin_turn(state, conversation)
    assert after.conversation.version == 1
    assert after.outbox == [], "the repeat must not bring a published reply back"


async def test_other_work_on_an_old_version_is_not_taken_for_a_repeat(state: State) -> None:
    conversation = new_id()
    start = await begin_turn(state, conversation)
    assert await commit_turn(state, conversation, start, handled=["e1"]) == "committed"
    assert await commit_turn(state, conversation, start, handled=["e2"]) == "stale"
    assert await commit_turn(state, conversation, start, handled=[]) == "stale"


async def test_the_outbox_keeps_the_order_of_commits_and_drops_what_was_published(state: State) -> None:
    conversation = new_id()
    sent = [reply(conversation) for _ in range(12)]
    for first in range(0, 12, 3):
        start = await begin_turn(state, conversation)
        assert await commit_turn(state, conversation, start, outbox=sent[first : first + 3]) == "committed"
    assert await state.conversations.read_outbox(conversation) == sent
    gone = [sent[0].id, sent[4].id, sent[11].id, "unknown"]
    await state.conversations.published(conversation, gone)
    await state.conversations.published(conversation, gone)
    left = [event for event in sent if event.id not in gone]
    assert await state.conversations.read_outbox(conversation) == left
    assert (await begin_turn(state, conversation)).outbox == left


async def test_unpublished_names_the_conversations_whose_outbox_has_waited(state: State) -> None:
    old, young, done = new_id(), new_id(), new_id()
    for conversation, age in ((old, 0), (young, 100), (done, 0)):
        start = await begin_turn(state, conversation)
        await commit_turn(state, conversation, start, outbox=[reply(conversation)], now=later(age))
    await state.conversations.published(done, [(await state.conversations.read_outbox(done))[0].id])
    assert await state.conversations.list_unpublished(before=later(50), limit=10) == [old]
    assert set(await state.conversations.list_unpublished(before=later(101), limit=10)) == {old, young}
    assert await state.conversations.list_unpublished(before=later(101), limit=1) != []
    assert await state.conversations.list_unpublished(before=later(0), limit=10) == []


async def test_unpublished_forgets_a_conversation_once_all_is_published_and_remembers_the_next(state: State) -> None:
    conversation = new_id()
    for at in (0, 1000):
        start = await begin_turn(state, conversation)
        await commit_turn(state, conversation, start, outbox=[reply(conversation)], now=later(at))
        assert await state.conversations.list_unpublished(before=later(at + 1), limit=10) == [conversation]
        assert await state.conversations.list_unpublished(before=later(at), limit=10) == []
        pending = await state.conversations.read_outbox(conversation)
        await state.conversations.published(conversation, [event.id for event in pending])
        assert await state.conversations.list_unpublished(before=later(at + 1), limit=10) == []


async def test_handled_ids_are_known_for_eight_days_and_dropped_after(state: State) -> None:
    """All but the newest twenty, which stay whatever their age."""
    conversation, early, late = new_id(), new_id(), new_id()
    start = await begin_turn(state, conversation, early)
    await commit_turn(state, conversation, start, handled=[early])
    start = await begin_turn(state, conversation, early, now=later(days=7.99))
    assert start.handled == {early}
    others = [new_id() for _ in range(18)]
    await commit_turn(state, conversation, start, handled=[late, *others], now=later(days=7.99))
    start = await begin_turn(state, conversation, early, late, now=later(days=7.99))
    assert start.handled == {early, late}
    await commit_turn(state, conversation, start, handled=["e3"], now=later(days=8.01))
    assert (await begin_turn(state, conversation, early, late, "e3", now=later(days=8.01))).handled == {late, "e3"}
    snapshot = await state.conversations.snapshot(conversation)
    assert snapshot is not None
    kept = [(item.id, item.at) for item in snapshot.handled if item.id not in others]
    assert kept == [(late, later(days=7.99)), ("e3", later(days=8.01))]


async def test_a_clock_that_jumps_ahead_makes_no_message_new(state: State) -> None:
    """A hundred days, for a moment: a redelivery of what was answered before is still known as one."""
    conversation = new_id()
    for number, days in enumerate((0, 100, 100, 0)):
        start = await begin_turn(state, conversation, "e0", now=later(days=days))
        await commit_turn(state, conversation, start, handled=[f"e{number}"], now=later(days=days))
    again = await begin_turn(state, conversation, "e0", "e1", "e2", "e3")
    assert again.handled == {"e0", "e1", "e2", "e3"}


async def test_a_clock_that_went_back_does_not_make_a_conversation_older(state: State) -> None:
    conversation = new_id()
    for seconds in (100, 50):
        await commit_turn(state, conversation, await begin_turn(state, conversation), now=later(seconds))
    found = await state.conversations.get(conversation)
    assert found is not None
    assert found.updated_at == later(100)


async def test_conversations_do_not_see_each_other(state: State) -> None:
    one, two = new_id(), new_id()
    await commit_turn(state, one, await begin_turn(state, one), handled=["e"], outbox=[reply(one)])
    other = await begin_turn(state, two, "e")
    assert other.handled == frozenset()
    assert other.outbox == []
    assert other.conversation.version == 0
    assert await state.conversations.snapshot(new_id()) is None


async def test_listing_pages_through_a_tenant_newest_first(state: State) -> None:
    made = []
    for n in range(7):
        where = origin(tenant="plantstore")
        conversation = conversation_of(where)
        await state.conversations.begin(conversation, where, [], now=later(n // 2))  # pairs share a time
        made.append((later(n // 2), conversation))
    await state.conversations.begin(new_id(), origin(tenant="elsewhere"), [], now=NOW)
    seen, cursor, pages = [], "", 0
    while pages == 0 or cursor:
        page = await state.conversations.list_page("plantstore", after=cursor, limit=2)
        seen += [(item.updated_at, item.id) for item in page.items]
        cursor, pages = page.next, pages + 1
    assert seen == sorted(made, reverse=True)
    assert pages == 4


async def test_an_item_that_moves_while_somebody_pages_neither_hides_nor_repeats_the_others(state: State) -> None:
    made = []
    for n in range(6):
        where = origin()
        conversation = conversation_of(where)
        await state.conversations.begin(conversation, where, [], now=later(n))
        made.append(conversation)
    first = await state.conversations.list_page("plantstore", limit=3)
    assert [item.id for item in first.items] == [made[5], made[4], made[3]]
    start = await begin_turn(state, made[5])
    await commit_turn(state, made[5], start, now=later(100))
    start = await begin_turn(state, made[3])
    await commit_turn(state, made[3], start, now=later(101))
    rest = await state.conversations.list_page("plantstore", after=first.next, limit=10)
    assert [item.id for item in rest.items] == [made[2], made[1], made[0]]
    assert rest.next == ""
    fresh = await state.conversations.list_page("plantstore", limit=10)
    assert [item.id for item in fresh.items] == [made[3], made[5], made[4], made[2], made[1], made[0]]


async def test_listing_narrows_by_owner_and_channel_and_counts_agree(state: State) -> None:
    places = {channel: origin(channel=channel) for channel in ("web", "slack", "discord")}
    for where in places.values():
        await state.conversations.begin(conversation_of(where), where, [], now=NOW)
    web, slack = conversation_of(places["web"]), conversation_of(places["slack"])
    for conversation in (web, slack):
        await state.conversations.own(
            conversation, "queue", expected_epoch=0, request_id=f"r-{conversation}", by="contact", now=later(1)
        )
    queued = await state.conversations.list_page("plantstore", owner="queue")
    assert {item.id for item in queued.items} == {web, slack}
    assert [
        item.id for item in (await state.conversations.list_page("plantstore", owner="queue", channel="web")).items
    ] == [web]
    assert len((await state.conversations.list_page("plantstore", channel="discord")).items) == 1
    assert (await state.conversations.list_page("plantstore", owner="person")).items == []
    assert await state.conversations.counts() == {"agent": 1, "queue": 2, "person": 0, "closed": 0}
    assert await state.conversations.count("plantstore", "queue") == 2
    assert await state.conversations.count("plantstore", "queue", channel="web") == 1
    assert await state.conversations.count("plantstore", "person") == 0
    assert await state.conversations.count("bakery", "queue") == 0


@pytest.mark.parametrize("cursor", ["nonsense", ":", "-1:a", "1e9:a", "²:a", f"{10**30}:a"])
async def test_a_cursor_that_no_listing_gave_is_refused(state: State, cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        await state.conversations.list_page("plantstore", after=cursor)


async def test_times_keep_their_microseconds(state: State) -> None:
    conversation = new_id()
    odd = NOW + timedelta(microseconds=1)
    await begin_turn(state, conversation, now=odd)
    found = await state.conversations.get(conversation)
    assert found is not None
    assert found.created_at == odd


async def test_the_author_of_an_owner_change_is_known_until_the_next_change(state: State) -> None:
    conversation = new_id()
    await begin_turn(state, conversation, "e")
    before = await state.conversations.get(conversation)
    for epoch, (to, by, name) in enumerate([("queue", "agent", ""), ("person", "slack:U1", "Ann Lee")]):
        await state.conversations.own(
            conversation,
            to,  # type: ignore[arg-type]
            expected_epoch=epoch,
            request_id=new_id(),
            by=by,
            name=name,
            reason="asked",
            now=NOW,
        )
    held = await state.conversations.get(conversation)
    snapshot = await state.conversations.snapshot(conversation)
    assert before is not None
    assert before.holder is None
    assert held is not None
    assert held.holder == Holder(by="slack:U1", name="Ann Lee", reason="asked", since=NOW)
    assert snapshot is not None
    assert snapshot.conversation.holder == held.holder
