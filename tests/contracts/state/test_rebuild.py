"""Rebuild: a shard that was emptied refuses work, and comes back from snapshots and log as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import permutations

import pytest

from infra.bus.partitioner import shard_of
from schemas.conversation import Facts, Snapshot, TranscriptNumber
from schemas.errors import StateLost
from schemas.messages import Address
from schemas.ports import ContactUpdate, RecordedLine, State
from tests.contracts.state.engines import ALL_SHARDS, OpenState
from tests.contracts.state.samples import (
    NOW,
    begin_turn,
    commit_turn,
    conversation_of,
    later,
    line,
    make_delivered,
    new_id,
    origin,
    outbound,
    reply,
)


@pytest.fixture
async def other(open_state: OpenState) -> AsyncIterator[State]:
    """A second store that knows nothing of the first."""
    async with open_state() as state:
        yield state


async def record_conversation(state: State) -> str:
    """A conversation that has seen some life: commits, a claim, a transcript, an outbox."""
    where = origin(channel="whatsapp")
    conversation = conversation_of(where)
    for turn in range(3):
        start = await begin_turn(state, conversation, where=where, now=later(turn))
        await state.transcript.add(conversation, line(text=f"question {turn}"))
        await commit_turn(
            state,
            conversation,
            start,
            handled=[new_id(), f"plain-{turn}"],
            outbox=[reply(conversation), reply(conversation)],
            facts=Facts(turns=turn + 1, locale="de"),
            now=later(turn),
        )
    await state.conversations.own(conversation, "person", expected_epoch=0, request_id="r", by="x", now=later(9))
    pending = await state.conversations.read_outbox(conversation)
    await state.conversations.published(conversation, [pending[0].id])
    return conversation


async def snapshot(state: State, conversation: str) -> Snapshot:
    found = await state.conversations.snapshot(conversation)
    assert found is not None
    return found


async def test_a_store_that_was_set_up_has_lost_nothing(state: State) -> None:
    assert await state.rebuild.check() == frozenset()
    await state.check_ready()


async def test_a_restored_snapshot_is_the_same_conversation(state: State, other: State) -> None:
    conversation = await record_conversation(state)
    taken = Snapshot.model_validate_json((await snapshot(state, conversation)).model_dump_json())
    assert len(taken.handled) == 6
    assert len(taken.recent) == 3
    assert len(taken.outbox) == 6
    await other.rebuild.prepare(ALL_SHARDS)
    await other.rebuild.restore(taken)
    await other.rebuild.finish(ALL_SHARDS)
    assert await snapshot(other, conversation) == taken
    assert await other.conversations.get(conversation) == await state.conversations.get(conversation)
    assert await other.conversations.read_outbox(conversation) == await state.conversations.read_outbox(conversation)
    events = [item.id for item in taken.handled]
    again = await begin_turn(other, conversation, *events, "new")
    assert again.handled == set(events)
    assert await commit_turn(other, conversation, again, handled=["new"]) == "committed"
    assert await other.conversations.counts() == {"agent": 0, "queue": 0, "person": 1, "closed": 0}
    assert [item.id for item in (await other.conversations.list_page("plantstore", owner="person")).items] == [
        conversation
    ]
    assert await other.conversations.list_unpublished(before=later(days=1), limit=9) == [conversation]


async def test_the_snapshot_carries_the_last_fifty_numbers(state: State) -> None:
    conversation = new_id()
    await begin_turn(state, conversation)
    messages = [line(text=f"message {n}") for n in range(60)]
    for message in messages:
        await state.transcript.add(conversation, message)
    taken = await snapshot(state, conversation)
    assert taken.recent == [TranscriptNumber(id=messages[n].id, seq=n + 1) for n in range(10, 60)]
    assert taken.conversation.head_seq == 60


async def test_messages_read_back_get_their_old_numbers_and_new_ones_come_above(state: State, other: State) -> None:
    conversation = new_id()
    await begin_turn(state, conversation)
    messages = [line(text=f"message {n}") for n in range(55)]
    for message in messages:
        await state.transcript.add(conversation, message)
    taken = await snapshot(state, conversation)
    await other.rebuild.prepare(ALL_SHARDS)
    await other.rebuild.restore(taken)
    assert await other.rebuild.check() == ALL_SHARDS
    await other.rebuild.restore_message(conversation, messages[50])
    await other.rebuild.restore_message(conversation, messages[50])
    await other.rebuild.restore_message(conversation, messages[2].model_copy(update={"seq": 3}))
    unnumbered = line(text="not in the snapshot")
    await other.rebuild.restore_message(conversation, unnumbered)
    await other.rebuild.finish(ALL_SHARDS)
    assert [(kept.id, kept.seq) for kept in await other.transcript.read(conversation)] == [
        (messages[2].id, 3),
        (messages[50].id, 51),
        (unnumbered.id, 56),
    ]
    assert await other.transcript.find(conversation, messages[52].id) is None, "promised, not yet read back"
    assert await other.transcript.add(conversation, messages[52]) == 53
    sent = make_delivered(messages[53].id, "sent")
    assert await other.deliveries.record(conversation, sent, line=messages[53]) == RecordedLine(54, is_new=True)
    assert await other.transcript.add(conversation, line()) == 57
    assert await other.transcript.head(conversation) == 57


@pytest.mark.parametrize("order", list(permutations(("snapshot", "first", "second"))))
async def test_numbers_of_the_log_win_over_those_of_an_older_snapshot(
    state: State, other: State, order: tuple[str, ...]
) -> None:
    """The older snapshot has the first message at the number that the second one has now."""
    conversation = new_id()
    await begin_turn(state, conversation)
    first, second = line(text="first"), line(text="second")
    await state.transcript.add(conversation, line(text="before both"))
    await state.transcript.add(conversation, first)
    taken = await snapshot(state, conversation)
    steps = {
        "snapshot": lambda: other.rebuild.restore(taken),
        "first": lambda: other.rebuild.restore_message(conversation, first.model_copy(update={"seq": 1})),
        "second": lambda: other.rebuild.restore_message(conversation, second.model_copy(update={"seq": 2})),
    }
    await other.rebuild.prepare(ALL_SHARDS)
    for step in order:
        await steps[step]()
    await other.rebuild.finish(ALL_SHARDS)
    assert [(kept.id, kept.seq) for kept in await other.transcript.read(conversation)] == [
        (first.id, 1),
        (second.id, 2),
    ]


@pytest.mark.parametrize("seq", [0, 2])
async def test_a_number_that_was_promised_and_is_taken_is_not_given_twice(state: State, other: State, seq: int) -> None:
    conversation = new_id()
    await begin_turn(state, conversation)
    promised = [line(text=f"message {n}") for n in range(4)]
    for message in promised:
        await state.transcript.add(conversation, message)
    taken = await snapshot(state, conversation)
    kept = line(text="kept")
    await other.rebuild.prepare(ALL_SHARDS)
    await other.rebuild.restore_message(conversation, kept.model_copy(update={"seq": 2}))
    await other.rebuild.restore(taken)
    await other.rebuild.restore_message(conversation, promised[1].model_copy(update={"seq": seq}))
    await other.rebuild.restore_message(conversation, promised[0])
    await other.rebuild.finish(ALL_SHARDS)
    await other.transcript.add(conversation, promised[2])
    found = [(shown.id, shown.seq) for shown in await other.transcript.read(conversation)]
    assert found == [(promised[0].id, 1), (kept.id, 2), (promised[2].id, 3), (promised[1].id, 5)]
    await other.rebuild.prepare(ALL_SHARDS)
    await other.rebuild.restore(taken)
    await other.rebuild.restore_message(conversation, kept.model_copy(update={"seq": 2}))
    await other.rebuild.finish(ALL_SHARDS)
    assert await other.transcript.add(conversation, promised[1]) == 5, "a later line does not get it either"
    assert await other.transcript.add(conversation, promised[3]) == 4


async def test_the_newer_of_two_snapshots_holds_whatever_their_order(state: State, other: State) -> None:
    conversation = new_id()
    await commit_turn(
        state, conversation, await begin_turn(state, conversation), handled=["e1"], outbox=[reply(conversation)]
    )
    old = await snapshot(state, conversation)
    pending = await state.conversations.read_outbox(conversation)
    await state.conversations.published(conversation, [pending[0].id])
    await commit_turn(
        state, conversation, await begin_turn(state, conversation), handled=["e2"], outbox=[reply(conversation)]
    )
    new = await snapshot(state, conversation)
    for order in ([old, new], [new, old], [new, new]):
        await other.rebuild.prepare(ALL_SHARDS)
        for taken in order:
            await other.rebuild.restore(taken)
        await other.rebuild.finish(ALL_SHARDS)
        assert await snapshot(other, conversation) == new


async def test_restored_outcomes_stop_a_second_send(state: State) -> None:
    conversation, sent = new_id(), outbound()
    await state.rebuild.prepare(ALL_SHARDS)
    for _ in range(2):
        await state.rebuild.restore_delivery(conversation, make_delivered(sent.id, "sent", external_id="x"))
    await state.rebuild.finish(ALL_SHARDS)
    assert await state.deliveries.begin_send(conversation, sent, deadline=30, now=NOW) == "already_sent"


async def test_a_restored_outcome_binds_its_external_id_to_the_account_of_its_conversation(state: State) -> None:
    where = origin(channel="whatsapp")
    conversation = conversation_of(where)
    await begin_turn(state, conversation, where=where)
    await state.deliveries.bind("plantstore", "whatsapp", "main", "wamid.1", conversation, "m-1")
    taken = await snapshot(state, conversation)
    await state.rebuild.prepare(ALL_SHARDS)
    await state.rebuild.restore(taken)
    await state.rebuild.restore_delivery(conversation, make_delivered("m-1", "sent", external_id="wamid.1"))
    await state.rebuild.finish(ALL_SHARDS)
    found = await state.deliveries.by_external_id("plantstore", "whatsapp", "main", "wamid.1")
    assert found == (conversation, "m-1")


async def test_a_worker_from_before_the_rebuild_cannot_commit_after_it(state: State) -> None:
    conversation = new_id()
    zombies = [await begin_turn(state, conversation) for _ in range(3)]
    taken = await snapshot(state, conversation)
    await state.rebuild.prepare(ALL_SHARDS)
    await state.rebuild.restore(taken)
    await state.rebuild.finish(ALL_SHARDS)
    start = await begin_turn(state, conversation)
    assert start.token > max(zombie.token for zombie in zombies)
    for zombie in zombies:
        assert await commit_turn(state, conversation, zombie, handled=["e"]) == "stale"
    assert await commit_turn(state, conversation, start, handled=["e"]) == "committed"


async def test_restored_contacts_are_found_by_each_address_whatever_their_order(state: State) -> None:
    scoped = Address(channel="whatsapp", value="scoped", assurance="channel")
    phone = Address(channel="whatsapp", value="49170", assurance="channel")

    async def resolve(*addresses: Address, at: float) -> tuple[object, str]:
        return await state.contacts.resolve(
            "plantstore", "whatsapp", "meta", addresses[0].value, addresses, now=later(at)
        )

    older, conversation = await state.contacts.resolve(
        "plantstore", "whatsapp", "meta", "49170", [phone], now=NOW, change=ContactUpdate(at=NOW, name="Ann")
    )
    younger, _ = await state.contacts.resolve(
        "plantstore",
        "whatsapp",
        "meta",
        "scoped",
        [scoped],
        now=later(1),
        change=ContactUpdate(at=later(1), name="Ann Bloom"),
    )
    merged, _ = await state.contacts.resolve("plantstore", "whatsapp", "meta", "scoped", [scoped, phone], now=later(2))
    assert merged.name == "Ann Bloom"
    for order in ([older, younger, merged], [younger, older, merged], [merged, younger], [younger, merged]):
        await state.rebuild.prepare(ALL_SHARDS)
        for contact in order:
            await state.rebuild.restore_contact(contact)
        await state.rebuild.finish(ALL_SHARDS)
        assert await resolve(phone, at=9) == (merged, conversation)
        assert await resolve(scoped, at=9) == (merged, conversation)
        assert await state.contacts.get("plantstore", younger.id) == merged


async def test_a_lost_shard_refuses_its_own_conversations_until_it_is_finished(state: State) -> None:
    gone, stays = new_id(), new_id()
    while shard_of(gone) == shard_of(stays):
        stays = new_id()
    lost = frozenset({shard_of(gone)})
    zombie = await begin_turn(state, gone)
    await begin_turn(state, stays)
    await state.rebuild.prepare(lost)
    assert await state.rebuild.check() == lost
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: begin_turn(state, gone),
        lambda: commit_turn(state, gone, zombie),
        lambda: state.conversations.own(gone, "person", expected_epoch=0, request_id="r", by="x", now=NOW),
        lambda: state.conversations.get(gone),
        lambda: state.conversations.read_outbox(gone),
        lambda: state.transcript.add(gone, line()),
        lambda: state.transcript.read(gone),
        lambda: state.deliveries.begin_send(gone, outbound(), deadline=30, now=NOW),
        lambda: state.check_ready(),
    ]
    for call in calls:
        with pytest.raises(StateLost) as caught:
            await call()
        assert caught.value.shards >= lost
    assert await commit_turn(state, stays, await begin_turn(state, stays)) == "committed"
    assert await state.leases.acquire("rebuild", "me", ttl=30, now=NOW) is not None, "the rebuild itself needs a lease"
    await state.rebuild.finish(lost)
    assert await state.rebuild.check() == frozenset()
    await state.check_ready()
    fresh = await begin_turn(state, gone)
    assert fresh.conversation.version == 0


async def test_preparing_empties_only_the_shards_that_were_named(state: State) -> None:
    gone, stays = new_id(), new_id()
    while shard_of(gone) == shard_of(stays):
        stays = new_id()
    for conversation in (gone, stays):
        start = await begin_turn(state, conversation)
        await state.transcript.add(conversation, line())
        await commit_turn(state, conversation, start, handled=["e"], outbox=[reply(conversation)])
    before = await snapshot(state, stays)
    await state.rebuild.prepare(frozenset({shard_of(gone)}))
    await state.rebuild.finish(frozenset({shard_of(gone)}))
    assert await state.conversations.get(gone) is None
    assert await state.conversations.read_outbox(gone) == []
    assert await state.transcript.head(gone) == 0
    assert (await begin_turn(state, gone, "e")).handled == frozenset()
    assert await snapshot(state, stays) == before
    listed = await state.conversations.list_page("plantstore")
    assert {item.id for item in listed.items} == {gone, stays}
