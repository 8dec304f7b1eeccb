"""An erased contact leaves nothing in the state store, and everybody else stays; the same on SQLite and on Redis."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from infra.database import Database
from infra.state.sqlite.engine import open_sqlite_state
from schemas.conversation import Facts, Turn
from schemas.messages import Address, Author
from schemas.ports import Bus, ContactUpdate, State
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.recorded_history import TENANT, RecordedConversation, record_conversation
from tests.contracts.state.samples import NOW, later, line, make_intended


async def record(state: State, bus: Bus, visitor: str) -> RecordedConversation:
    """A conversation with everything that may be stored about one."""
    life = await record_conversation(state, bus, visitor)
    begun = await state.conversations.begin(life.conversation, life.origin(), [], now=NOW)
    intended = make_intended(contact_id=life.contact)
    admitted = await state.journal.claim(
        life.conversation,
        intended,
        token=begun.token,
        epoch=begun.conversation.epoch,
        now=NOW,
    )
    assert admitted.verdict == "go"
    await life.answer([await life.hear("more")], "of course", publish=False, snapshot=False)
    return life


async def erase(state: State, life: RecordedConversation) -> dict[str, int]:
    found = await state.contact_erasure.erase_conversation(life.conversation)
    return {**found, **await state.contact_erasure.erase_contact(TENANT, life.contact)}


async def test_nothing_of_an_erased_contact_is_found(state: State, bus: Bus) -> None:
    life = await record(state, bus, "ada")
    lines = await state.transcript.read(life.conversation)
    found = await erase(state, life)
    assert found["messages"] == len(lines) == 6
    assert (found["conversations"], found["contacts"], found["addresses"], found["actions"]) == (1, 1, 1, 1)
    assert await state.conversations.get(life.conversation) is None
    assert await state.transcript.read(life.conversation) == []
    assert await state.turns.list_newest(life.conversation) == []
    assert await state.conversations.read_outbox(life.conversation) == []
    assert await state.journal.entry(life.conversation, "key-1") is None
    assert await state.journal.unresolved(before=later(days=9), limit=9) == []
    assert await state.contacts.get(TENANT, life.contact) is None
    assert (await state.contact_search.search(TENANT, "ada")).items == []
    assert await state.contact_search.list_conversations(TENANT, [life.contact]) == {}
    assert (await state.conversations.list_page(TENANT)).items == []
    assert await state.conversations.list_unpublished(before=later(days=9), limit=9) == []
    assert sum((await state.conversations.counts()).values()) == 0


async def test_an_erasure_may_be_repeated_and_counts_nothing_twice(state: State, bus: Bus) -> None:
    life = await record(state, bus, "ada")
    await erase(state, life)
    assert set((await erase(state, life)).values()) == {0}


async def test_everybody_else_stays(state: State, bus: Bus) -> None:
    gone, kept = await record(state, bus, "ada"), await record(state, bus, "adam")
    before = await kept.picture()
    await erase(state, gone)
    after = await kept.picture()
    counted = dict.fromkeys(("counts", "unpublished"))
    assert before | counted == after | counted
    assert sum(after["counts"].values()) == 1
    assert [each.id for each in (await state.contact_search.search(TENANT, "ada")).items] == [kept.contact]


async def test_a_worker_that_was_at_work_cannot_commit_any_more(state: State, bus: Bus) -> None:
    life = await record(state, bus, "ada")
    begun = await state.conversations.begin(life.conversation, life.origin(), [], now=NOW)
    await erase(state, life)

    async def commit() -> str:
        made = await state.conversations.commit(
            life.conversation,
            token=begun.token,
            version=begun.conversation.version,
            epoch=begun.conversation.epoch,
            facts=Facts(),
            handled=[],
            outbox=[],
            now=NOW,
        )
        return made.verdict

    assert await commit() == "stale"
    anew = await state.conversations.begin(life.conversation, life.origin(), [], now=NOW)
    assert anew.token > begun.token
    assert await commit() == "stale"
    assert await state.transcript.read(life.conversation) == []


async def test_a_contact_is_erased_with_those_that_were_merged_into_it(state: State) -> None:
    first, second = (Address(channel="web", value=name) for name in ("ada", "lovelace"))
    one, _ = await state.contacts.resolve(TENANT, "web", "main", "ada", [first], now=NOW)
    await state.contacts.resolve(TENANT, "web", "main", "lovelace", [second], now=NOW)
    update = ContactUpdate(at=NOW + timedelta(seconds=1), moved=True)
    merged, _ = await state.contacts.resolve(TENANT, "web", "main", "ada", [first, second], now=NOW, change=update)
    ids = await state.contact_search.list_ids(TENANT, merged.id)
    await state.contact_erasure.erase_contact(TENANT, merged.id)
    assert one.id in ids
    for id_ in ids:
        assert await state.contacts.get(TENANT, id_) is None
        assert await state.contact_search.list_ids(TENANT, id_) == [id_]
    for word in ("ada", "lovelace"):
        assert (await state.contact_search.search(TENANT, word)).items == []


async def test_somebody_who_comes_back_is_new(state: State, bus: Bus) -> None:
    life = await record(state, bus, "ada")
    await erase(state, life)
    again = RecordedConversation(state, bus, "ada")
    await again.arrive()
    await again.hear("hello again")
    assert [each.text for each in await state.transcript.read(again.conversation)] == ["hello again"]


async def test_a_lost_store_refuses_to_erase(state: State, bus: Bus) -> None:
    life = await record(state, bus, "ada")
    await state.rebuild.prepare(ALL_SHARDS)
    with pytest.raises(Exception, match="state is"):
        await erase(state, life)


async def test_no_byte_of_what_was_erased_is_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    database = Database.open(path)
    state = open_sqlite_state(database)
    contact, conversation = await state.contacts.resolve(
        TENANT, "web", "main", "canary-4711", [Address(channel="web", value="canary-4711")], now=NOW
    )
    for n in range(300):
        await state.transcript.add(conversation, line(text=f"canary-4711 says {n} {'x' * 500}"))
        await state.transcript.add("other", line(text=f"somebody else says {n} {'y' * 500}"))
    await state.contact_erasure.erase_conversation(conversation)
    await state.contact_erasure.erase_contact(TENANT, contact.id)
    await state.close()
    await database.close()
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"somebody else says 299" in stored
    assert b"canary-4711" not in stored


async def test_lines_in_somebody_elses_conversation_are_emptied_and_their_turns_deleted(state: State, bus: Bus) -> None:
    life = await record(state, bus, "ada")
    kept, gone, *_ = before = await state.transcript.read(life.conversation)
    for id_ in ("kept", "gone"):
        await state.turns.add(life.conversation, Turn(id=id_, handled=[], route="local", at=NOW))
    found = await state.contact_erasure.redact(life.conversation, [gone.id, "unknown"], ["gone", "unknown"])
    assert dict(found) == {"redacted_messages": 1, "turns": 1}
    after = await state.transcript.read(life.conversation)
    assert [each.seq for each in after] == [each.seq for each in before]
    assert (after[1].text, after[1].state, after[1].attachments, after[1].author.kind) == (
        "",
        "deleted",
        [],
        gone.author.kind,
    )
    assert [each for each in after if each.id != gone.id] == [each for each in before if each.id != gone.id]
    assert [each.id for each in await state.turns.list_newest(life.conversation)] == ["kept"]
    assert kept.text


async def test_emptying_a_line_again_counts_nothing_and_a_redelivery_does_not_bring_it_back(
    state: State, bus: Bus
) -> None:
    life = await record(state, bus, "ada")
    first = (await state.transcript.read(life.conversation))[0]
    named = first.model_copy(update={"author": Author(kind="contact", name="Ada"), "id": "named"})
    await state.transcript.add(life.conversation, named)
    for expected in (1, 0):
        found = await state.contact_erasure.redact(life.conversation, ["named"], [])
        assert found["redacted_messages"] == expected
    await state.transcript.add(life.conversation, named)
    line = await state.transcript.find(life.conversation, "named")
    assert line is not None
    assert (line.text, line.author.name) == ("", "")
