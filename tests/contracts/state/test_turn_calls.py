"""Combined calls of a turn return the same as their parts called one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson
import pytest

from schemas.conversation import Facts, Owner, Snapshot, Turn
from schemas.envelope import Envelope, envelope
from schemas.ids import turn_record_id
from schemas.ports import CommitResult, State
from schemas.topics import TURN_COMPLETED
from tests.contracts.state.samples import NOW, begin_turn, commit_turn, later, line, new_id, origin, reply
from tests.contracts.state.test_turns import turn


async def commit(
    state: State, conversation: str, *, token: int, version: int, epoch: int = 0, sent: int = 0, handled: str
) -> CommitResult:
    return await state.conversations.commit(
        conversation,
        token=token,
        version=version,
        epoch=epoch,
        facts=Facts(turns=version + 1),
        handled=[handled],
        outbox=[reply(conversation) for _ in range(sent)],
        now=later(version),
    )


async def read_snapshot(state: State, conversation: str, made: CommitResult) -> Snapshot:
    """The snapshot that a commit has answered, which says what is in the store, as it stands on the log."""
    held = await state.conversations.snapshot(conversation)
    assert made.snapshot is not None
    assert held is not None
    state_of = held.conversation
    assert (made.snapshot.id, made.snapshot.version) == (state_of.id, state_of.version)
    assert made.snapshot.origin == state_of.origin
    assert orjson.loads(made.snapshot.data) == held.model_dump(mode="json", exclude_none=True)
    return made.snapshot.unpack()


async def test_a_commit_answers_the_snapshot_that_it_leaves(state: State) -> None:
    """Whether its outbox is alone there, joins an earlier one, or is empty; and to a repeat, the one of now."""
    conversation = new_id()
    token = (await begin_turn(state, conversation)).token
    await state.transcript.add(conversation, line(id="m1"))
    for version, sent in enumerate((2, 1, 0)):
        made = await commit(state, conversation, token=token, version=version, sent=sent, handled=f"e{version}")
        assert made.verdict == "committed"
        await read_snapshot(state, conversation, made)
    pending = await state.conversations.read_outbox(conversation)
    await state.conversations.published(conversation, [event.id for event in pending])
    repeat = await commit(state, conversation, token=token, version=2, handled="e2")
    assert repeat.verdict == "committed"
    assert (await read_snapshot(state, conversation, repeat)).outbox == []
    assert await commit(state, conversation, token=token, version=2, handled="e9") == CommitResult("stale")


async def test_a_commit_answers_who_holds_the_conversation(state: State) -> None:
    conversation = new_id()
    await begin_turn(state, conversation)
    owners: tuple[Owner, ...] = ("person", "agent")
    for epoch, owner in enumerate(owners):
        await state.conversations.own(
            conversation, owner, expected_epoch=epoch, request_id=owner, by="p", reason="asked", now=NOW
        )
    token = (await begin_turn(state, conversation)).token
    made = await commit(state, conversation, token=token, version=0, epoch=2, handled="e1")
    assert made.verdict == "committed"
    assert (await read_snapshot(state, conversation, made)).conversation.holder is not None


async def test_begin_adds_messages_as_add_does_and_reads_the_last_lines(state: State) -> None:
    conversation, where = new_id(), origin()
    known, edited, fresh = line(id="m1"), line(id="m2", text="after an edit"), line(id="m3")
    for message in (known, edited):
        await state.transcript.add(conversation, message)
    start = await state.conversations.begin(
        conversation, where, ["e1"], now=NOW, messages=[known, line(id="m2", text="before it"), fresh, fresh], recent=2
    )
    assert start.reused == {"m2"}
    assert [(message.id, message.seq) for message in start.recent] == [("m2", 2), ("m3", 3)]
    assert list(start.recent) == await state.transcript.read_recent(conversation, limit=2)
    assert start.conversation.head_seq == 3
    again = await state.conversations.begin(conversation, where, ["e1"], now=NOW, messages=[fresh])
    assert (list(again.recent), again.reused, again.conversation.head_seq) == ([], frozenset(), 3)


async def test_begin_names_those_of_the_lines_that_are_deleted(state: State) -> None:
    conversation, where = new_id(), origin()
    for message in (line(id="m1"), line(id="m2")):
        await state.transcript.add(conversation, message)
    await state.transcript.mark(conversation, ["m2"], "deleted")
    start = await state.conversations.begin(
        conversation, where, ["e2"], now=NOW, messages=[line(id="m2"), line(id="m3")], recent=5
    )
    assert start.deleted == {"m2"}
    assert [message.state for message in start.recent] == ["received", "deleted", "received"]


@pytest.mark.parametrize("owner", ["queue", "person", "closed"])
async def test_begin_reads_no_lines_while_the_agent_may_not_answer(state: State, owner: Owner) -> None:
    conversation = new_id()
    await begin_turn(state, conversation)
    await state.conversations.own(conversation, owner, expected_epoch=0, request_id="r", by="p", now=NOW)
    start = await state.conversations.begin(conversation, origin(), [], now=NOW, messages=[line(id="m1")], recent=5)
    assert not start.recent
    assert [message.id for message in await state.transcript.read(conversation)] == ["m1"]


def record(conversation: str, done: Turn) -> Envelope:
    message = reply(conversation)
    return envelope(
        TURN_COMPLETED,
        done,
        id=turn_record_id(done.id),
        time=message.time,
        source=message.source,
        tenant=message.tenant,
        conversation=conversation,
    )


async def test_published_adds_turns_once_and_empties_the_outbox(state: State) -> None:
    conversation = new_id()

    async def done(*turns: Turn, sent: Sequence[Envelope] = ()) -> None:
        records = [record(conversation, each) for each in turns]
        start = await begin_turn(state, conversation)
        assert await commit_turn(state, conversation, start, outbox=[*sent, *records]) == "committed"
        await state.conversations.published(conversation, [each.id for each in (*sent, *records)], turns=turns)

    await done(turn(2), turn(1), sent=[reply(conversation)])
    await done(turn(1, route="person"))
    assert await state.turns.list_newest(conversation) == [turn(1), turn(2)]
    assert await state.conversations.read_outbox(conversation) == []
    assert await state.conversations.list_unpublished(before=later(1000), limit=10) == []
    for number in range(3, 204):
        await done(turn(number))
    assert [kept.id for kept in await state.turns.list_newest(conversation)] == [f"turn-{n}" for n in range(4, 204)]


async def test_a_head_that_was_raised_is_seen_by_everyone_who_asks_after(state: State) -> None:
    """Questions asked at the same time may travel together, but none is answered from before it was asked."""
    tenant = new_id()
    for offset in range(20):
        early = [asyncio.ensure_future(state.heads.of(tenant)) for _ in range(3)]
        await state.heads.advance(tenant, 0, offset)
        found = await asyncio.gather(*(state.heads.of(tenant) for _ in range(5)))
        assert found == [{0: offset}] * 5
        await asyncio.gather(*early)


async def test_a_caller_that_stops_waiting_for_a_head_stops_no_other(state: State) -> None:
    tenant = new_id()
    await state.heads.advance(tenant, 0, 7)
    asking = [asyncio.ensure_future(state.heads.of(tenant)) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    assert await asyncio.gather(*asking[1:]) == [{0: 7}] * 2
