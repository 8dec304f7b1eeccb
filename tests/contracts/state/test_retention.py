"""Retention removes what is older than a tenant keeps, in every place of the store, and says what else is to be
removed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas.conversation import DeadLetter, Turn
from schemas.messages import Address
from schemas.ports import ContactUpdate, Removal, RetentionPeriods, State
from tests.contracts.state.retention_samples import (
    TENANT,
    days_ago,
    hold_conversation,
    list_removals,
    retention_of,
    sweep,
)
from tests.contracts.state.samples import (
    attachment,
    begin_turn,
    conversation_of,
    later,
    line,
    make_delivered,
    make_intended,
    make_settled,
    origin,
    outbound,
)


async def test_an_expired_conversation_is_gone_with_everything_that_belonged_to_it(state: State) -> None:
    where = origin(channel="slack")
    conversation = await hold_conversation(state, days=[50, 40], where=where)
    sent = outbound(expires_at=days_ago(39))
    await state.deliveries.begin_send(conversation, sent, deadline=5, now=days_ago(40))
    await state.deliveries.record(conversation, make_delivered(sent.id, "sent", at=days_ago(40), external_id="x1"))
    await state.deliveries.bind(TENANT, "slack", "main", "x1", conversation, sent.id)
    await state.turns.add(conversation, Turn(id="t", handled=[], route="local", at=days_ago(40)))
    await sweep(state)
    assert await state.conversations.get(conversation) is None
    assert await state.conversations.snapshot(conversation) is None
    assert await state.transcript.read(conversation) == []
    assert await state.transcript.head(conversation) == 0
    assert await state.turns.list_newest(conversation) == []
    assert await state.deliveries.outcome(conversation, sent.id) is None
    assert (await state.conversations.list_page(TENANT)).items == []
    assert (await state.conversations.counts())["agent"] == 0
    assert await state.contact_search.list_conversations(TENANT, ["contact-1"]) in ({}, {"contact-1": []})
    begun = await begin_turn(state, conversation, "event-0", "event-1", where=where)
    assert begun.handled == frozenset()
    assert begun.outbox == []


async def test_what_is_younger_stays(state: State) -> None:
    conversation = await hold_conversation(state, days=[29])
    await state.turns.add(conversation, Turn(id="t", handled=[], route="local", at=days_ago(9)))
    before = await state.conversations.snapshot(conversation)
    assert await sweep(state) == 0
    assert await state.conversations.snapshot(conversation) == before
    assert len(await state.transcript.read(conversation)) == 1
    assert len(await state.turns.list_newest(conversation)) == 1
    assert await list_removals(state) == []


async def test_old_lines_and_turns_of_a_conversation_that_goes_on_are_removed(state: State) -> None:
    conversation = await hold_conversation(state, days=[50, 40, 20, 1])
    for age in (50, 20, 11, 9):
        await state.turns.add(conversation, Turn(id=f"t{age}", handled=[], route="local", at=days_ago(age)))
    await sweep(state)
    assert [each.seq for each in await state.transcript.read(conversation)] == [3, 4]
    assert [turn.id for turn in await state.turns.list_newest(conversation)] == ["t9"]
    assert await state.transcript.head(conversation) == 4
    begun = await begin_turn(state, conversation, "event-3", "event-9")
    assert begun.handled == {"event-3"}
    assert begun.conversation.version == 4
    snapshot = await state.conversations.snapshot(conversation)
    assert snapshot is not None
    assert [one.seq for one in snapshot.recent] == [3, 4]


async def test_a_conversation_longer_than_one_step_is_removed_whole(state: State) -> None:
    where = origin()
    conversation = conversation_of(where)
    for number in range(450):
        await state.transcript.add(conversation, line(id=f"m{number}", created_at=days_ago(60)))
    await hold_conversation(state, days=[59], where=where)
    await sweep(state)
    assert await state.transcript.read(conversation) == []
    assert await state.conversations.get(conversation) is None


async def test_many_conversations_are_swept_in_one_round(state: State) -> None:
    for _ in range(230):
        where = origin()
        await state.conversations.open(conversation_of(where), where, now=days_ago(40))
    kept = await hold_conversation(state, days=[3])
    assert await sweep(state) == 230
    assert [item.id for item in (await state.conversations.list_page(TENANT, limit=300)).items] == [kept]


async def test_conversations_of_other_tenants_stay(state: State) -> None:
    conversation = await hold_conversation(state, days=[400], where=origin(tenant="other"))
    assert await sweep(state) == 0
    assert await state.conversations.get(conversation) is not None


async def test_numbers_of_a_web_conversation_go_on_when_the_visitor_comes_back(state: State) -> None:
    """A client with a higher number than the conversation's would miss messages."""
    where = origin()
    conversation = await hold_conversation(state, days=[50, 45, 40], where=where)
    await sweep(state)
    assert await state.conversations.get(conversation) is None
    assert await state.transcript.head(conversation) == 3
    assert await state.transcript.add(conversation, line(id="again")) == 4
    begun = await begin_turn(state, conversation, "new", where=where)
    assert (begun.conversation.version, begun.conversation.head_seq) == (0, 4)
    await sweep(state, now=later(days=500), periods=RetentionPeriods(*[timedelta(days=900)] * 3))
    assert await state.transcript.head(conversation) == 4


async def test_a_worker_from_before_the_removal_cannot_commit(state: State) -> None:
    where = origin()
    conversation = await hold_conversation(state, days=[40], where=where)
    old = await begin_turn(state, conversation, "e", now=days_ago(39), where=where)
    await sweep(state)
    again = await begin_turn(state, conversation, "e", where=where)
    assert again.token > old.token


async def test_what_was_removed_is_listed_until_it_is_settled(state: State) -> None:
    where = origin()
    conversation = await hold_conversation(state, days=[50, 40], where=where)
    await state.transcript.attach(conversation, f"{conversation}-0", [attachment()])
    await sweep(state)
    removed = Removal("conversation", conversation, TENANT, "web", "main")
    file = Removal("file", "a" * 64, TENANT, "web", "main", conversation)
    assert await list_removals(state) == [removed, file]
    assert await list_removals(state) == [removed, file]
    retention = retention_of(state)
    assert await retention.forget(removed)
    assert await retention.forget(file)
    assert await retention.forget(file)
    assert await list_removals(state) == []


async def test_a_conversation_that_came_back_is_not_settled_unless_somebody_says_so(state: State) -> None:
    where = origin()
    conversation = await hold_conversation(state, days=[40], where=where)
    await sweep(state)
    await begin_turn(state, conversation, "e", where=where)
    (removed,) = await list_removals(state)
    assert not await retention_of(state).forget(removed)
    assert await list_removals(state) == [removed]
    assert await retention_of(state).forget(removed, revived=True)
    assert await list_removals(state) == []
    assert await state.conversations.get(conversation) is not None


async def resolve(state: State, value: str, age: float, **update: object) -> str:
    change = ContactUpdate(at=days_ago(age), **update) if update else None  # type: ignore[arg-type]
    addresses = [Address(channel="whatsapp", value=value)]
    contact, _ = await state.contacts.resolve(
        TENANT, "whatsapp", "main", value, addresses, now=days_ago(age), change=change
    )
    return contact.id


async def test_a_contact_without_a_conversation_is_forgotten(state: State) -> None:
    gone, kept = await resolve(state, "49170", 61), await resolve(state, "49171", 59)
    await sweep(state)
    assert await state.contacts.get(TENANT, gone) is None
    assert await state.contacts.get(TENANT, kept) is not None
    assert [contact.id for contact in (await state.contact_search.search(TENANT, "4917")).items] == [kept]
    assert await list_removals(state) == [Removal("contact", gone, TENANT)]
    retention = retention_of(state)
    assert await retention.list_unused_keys("other", limit=10) == []
    assert await retention.list_unused_keys(TENANT, after=gone, limit=10) == []
    assert await retention.list_unused_keys(TENANT, limit=10) == [gone]
    await retention.forget_key("other", gone)
    assert await retention.list_unused_keys(TENANT, limit=1) == [gone]
    await retention.forget_key(TENANT, gone)
    assert await retention.list_unused_keys(TENANT, limit=10) == []
    assert await resolve(state, "49170", 0) == gone
    assert not await retention_of(state).forget(Removal("contact", gone, TENANT))


async def test_a_contact_with_a_conversation_stays_and_goes_after_it(state: State) -> None:
    contact = await resolve(state, "49170", 100)
    where = origin(channel="whatsapp").model_copy(update={"contact_id": contact})
    await hold_conversation(state, days=[20], where=where)
    await sweep(state)
    assert await state.contacts.get(TENANT, contact) is not None
    await sweep(state, now=later(days=31))
    assert await state.contacts.get(TENANT, contact) is None


@pytest.mark.parametrize("update", [{"opted_out": True}, {"marketing_opted_out": True}])
async def test_whoever_opted_out_is_remembered(state: State, update: dict[str, bool]) -> None:
    contact = await resolve(state, "49170", 500, **update)
    assert await sweep(state) == 0
    assert await state.contacts.get(TENANT, contact) is not None


async def test_a_contact_whose_number_was_somebody_elses_stays(state: State) -> None:
    """Without it the number would lead to the earlier contact's conversation again."""
    await resolve(state, "49170", 500)
    addresses = [Address(channel="whatsapp", value=value) for value in ("user-2", "49170")]
    change = ContactUpdate(at=days_ago(400), moved=True)
    contact, _ = await state.contacts.resolve(
        TENANT, "whatsapp", "main", "user-2", addresses, now=days_ago(400), change=change
    )
    assert contact.before
    await sweep(state)
    assert await state.contacts.get(TENANT, contact.id) is not None


async def test_old_dead_letters_are_removed(state: State) -> None:
    for age in (91, 89):
        at = days_ago(age)
        letter = DeadLetter(
            id=f"l{age}", code="x", reason="", attempts=1, topic="t", partition=0, offset=age, tenant=TENANT,
            first_at=at, last_at=at,
        )  # fmt: skip
        await state.dead_letters.add(letter)
    await sweep(state)
    letters, _ = await state.dead_letters.list_page(TENANT)
    assert [letter.id for letter in letters] == ["l89"]


async def test_actions_and_deliveries_of_the_last_eight_days_are_kept_whatever_the_retention(state: State) -> None:
    shortest = RetentionPeriods(*[timedelta(days=1)] * 3)
    conversation = await hold_conversation(state, days=[9.5])
    begun = await begin_turn(state, conversation, now=days_ago(9))
    intended = make_intended(at=days_ago(7), due=days_ago(7), deadline=days_ago(7))
    claim = await state.journal.claim(conversation, intended, token=begun.token, epoch=0, now=days_ago(7))
    assert claim.verdict == "go"
    await state.journal.record(conversation, make_settled(at=days_ago(7)))
    await sweep(state, periods=shortest)
    assert await state.journal.entry(conversation, "key-1") is not None
    assert await state.conversations.get(conversation) is not None
    await sweep(state, now=later(days=2), periods=shortest)
    assert await state.conversations.get(conversation) is None
    assert await state.journal.entry(conversation, "key-1") is None


async def test_a_sweep_that_is_repeated_removes_nothing_more(state: State) -> None:
    await hold_conversation(state, days=[50, 40])
    await hold_conversation(state, days=[50, 1])
    assert await sweep(state) > 0
    before = await list_removals(state)
    assert await sweep(state) == 0
    assert await list_removals(state) == before
