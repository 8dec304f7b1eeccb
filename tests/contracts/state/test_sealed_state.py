"""Words by, to and about contacts are unreadable in the state store, and absent once a key is erased; the same on
SQLite and Redis."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from infra.state.registry import EMBEDDED
from schemas.conversation import DeadLetter, DeliveryOutcome, Facts, Origin
from schemas.messages import Attachment
from schemas.ports import Record, State
from schemas.privacy import sealed_events
from schemas.privacy.key_service import ContactKeyService
from schemas.privacy.sealed_bodies import BodySealer
from tests.contracts.state.engines import embedded_state, open_keys, server_state
from tests.contracts.state.samples import (
    NOW,
    commit_turn,
    conversation_of,
    later,
    line,
    make_intended,
    make_settled,
    new_id,
    outbound,
    reply,
)
from tests.contracts.state.test_turns import turn
from tests.e2e.stored_data import files, read_keys

GROUP = "parley.worker.web"


@dataclass
class Store:
    """A store with sealed bodies. ``read_all`` returns every byte that it has written. ``secrets`` may be changed."""

    state: State
    keys: ContactKeyService
    secrets: list[bytes]
    folder: Path
    url: str
    prefix: str

    def seal(self, *, is_sealing: bool = True) -> None:
        assert self.state.seal_with is not None
        self.state.seal_with(BodySealer(self.keys, is_sealing=is_sealing))

    async def seal_contacts(self) -> None:
        """As the job of an installation does, and then without what the engine keeps of the rows as they were."""
        assert self.state.seal_contacts is not None
        await self.state.seal_contacts("shop")
        await self.state.contact_erasure.remove_copies()

    async def read_stored(self) -> bytes:
        """Every row or key. SQLite may leave bytes of a plain row that it has replaced in unused parts of its pages."""
        if self.url:
            return await self.read_all()
        with closing(sqlite3.connect(self.folder / "parley.db")) as file:
            return "\n".join(file.iterdump()).encode()

    async def read_all(self) -> bytes:
        if self.url:
            return b"\n".join([what async for _, what in read_keys(self.url, f"{self.prefix}:*")])
        return b"".join(file.read_bytes() for file in files(self.folder) if file.name.startswith("parley.db"))


@pytest.fixture(params=[EMBEDDED, pytest.param("redis", marks=pytest.mark.scaled)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    url = "" if request.param == EMBEDDED else str(request.getfixturevalue("redis_url"))
    prefix = f"s{uuid4().hex[:12]}"
    opened = server_state(url, prefix) if url else embedded_state(tmp_path / "parley.db")
    secrets = [b"1" * 32]
    async with opened as state, open_keys(state, tmp_path / "keys.db", secrets) as keys:
        store = Store(state, keys, secrets, tmp_path, url, prefix)
        store.seal()
        yield store


@dataclass
class Person:
    """Somebody whose canary is in everything that is stored about them."""

    origin: Origin
    canary: str
    reply: str = ""

    @property
    def conversation(self) -> str:
        return conversation_of(self.origin)


async def live(state: State) -> Person:
    """Let somebody have a row of each kind."""
    canary = f"canary{uuid4().hex}"
    place = f"place-{canary}"
    person = Person(Origin(tenant="shop", channel="web", account="main", place=place, contact_id=new_id()), canary)
    id_ = person.conversation
    files_said = [Attachment(id="a" * 64, name=f"{canary}.txt", type="text/plain", size=3)]
    said, edited = line(text=canary), line(text=canary)
    begun = await state.conversations.begin(id_, person.origin, [], now=NOW, messages=[said])
    await state.transcript.add(id_, edited)
    assert await state.transcript.edit(id_, edited.id, f"edited {canary}", revision=2)
    assert await state.transcript.attach(id_, edited.id, files_said)
    await state.turns.add(id_, turn(1).model_copy(update={"reasons": [canary]}))
    intended = make_intended(contact_id=person.origin.contact_id, arguments={"address": canary})
    token, epoch = begun.token, begun.conversation.epoch
    claim = await state.journal.claim(id_, intended, token=token, epoch=epoch, now=NOW)
    assert claim.verdict == "go"
    await state.journal.record(id_, make_settled(result={"address": canary}))
    answer = reply(id_, outbound(text=canary, contact_id=person.origin.contact_id))
    assert await commit_turn(state, id_, begun, outbox=[answer], facts=Facts(last_route=canary)) == "committed"
    await state.conversations.own(
        id_, "person", expected_epoch=0, request_id=new_id(), by="eve", reason=canary, now=NOW
    )
    person.reply = answer.id
    outcome = DeliveryOutcome(message_id=answer.id, state="failed", reason=canary, at=NOW)
    await state.deliveries.record(id_, outcome)
    await state.parking.park(GROUP, id_, [make_record(id_, canary)], until=later(60))
    await state.dead_letters.add(make_letter(id_, canary))
    return person


def make_record(conversation: str, canary: str) -> Record:
    return Record("parley.inbound.web", 0, 7, conversation, 0, {"ce_id": "e"}, canary.encode() + b"\xff")


def make_letter(conversation: str, canary: str) -> DeadLetter:
    return DeadLetter(
        id=f"letter-{conversation}",
        code="handler_failed",
        reason=canary,
        attempts=5,
        topic="parley.inbound.web",
        partition=0,
        offset=7,
        tenant="shop",
        conversation_id=conversation,
        value=canary,
        first_at=NOW,
        last_at=NOW,
    )


async def read_rows(state: State, person: Person) -> dict[str, str]:
    """What the ports return about somebody, as text, by kind."""
    id_ = person.conversation
    conversation = await state.conversations.get(id_)
    snapshot = await state.conversations.snapshot(id_)
    assert conversation is not None
    assert snapshot is not None
    begun = await state.conversations.begin(id_, person.origin, [], now=NOW)
    journal = await state.journal.entry(id_, "key-1")
    found = {
        "lines": await state.transcript.read(id_),
        "recent": await state.transcript.read_recent(id_),
        "turns": await state.turns.list_newest(id_),
        "facts": conversation.facts.last_route,
        "place": conversation.origin.place,
        "listed": [each.origin.place for each in (await state.conversations.list_page("shop")).items],
        "packed": snapshot.conversation.origin.place,
        "outcome": await state.deliveries.outcome(id_, person.reply),
        "holder": conversation.holder and conversation.holder.reason,
        "snapshot": [snapshot.conversation.facts.last_route, snapshot.outbox],
        "outbox": [event.data for event in await state.conversations.read_outbox(id_)],
        "pending": [event.data for event in begun.outbox],
        "intended": journal and journal.intended,
        "settled": journal and journal.settled,
        "parked": [each.value for each in await state.parking.read(GROUP, id_, limit=9)],
        "letter": await state.dead_letters.get("shop", f"letter-{id_}"),
    }
    return {kind: repr(value) for kind, value in found.items()}


async def test_no_byte_of_a_body_is_readable_and_every_port_reads_it(store: Store) -> None:
    people = [await live(store.state), await live(store.state)]
    stored = await store.read_all()
    for person in people:
        assert person.conversation.encode() in stored, "ids stay readable"
        assert person.canary.encode() not in stored
        rows = await read_rows(store.state, person)
        assert [kind for kind, text in rows.items() if person.canary not in text] == []
        lines = await store.state.transcript.read(person.conversation)
        assert [each.text for each in lines] == [person.canary, f"edited {person.canary}"]
        assert [each.name for each in lines[1].attachments] == [f"{person.canary}.txt"]


async def test_rows_of_somebody_erased_are_absent_and_stop_nothing(store: Store) -> None:
    gone, kept = await live(store.state), await live(store.state)
    await store.keys.erase("shop", gone.origin.contact_id)
    rows = await read_rows(store.state, gone)
    assert [kind for kind, text in rows.items() if gone.canary in text] == []
    parked = await store.state.parking.read(GROUP, gone.conversation, limit=9)
    assert [sealed_events.is_erased(each) for each in parked] == [True]
    assert await store.state.parking.unpark(GROUP, gone.conversation, parked) == 0
    letters, _ = await store.state.dead_letters.list_page("shop")
    assert {each.conversation_id for each in letters} >= {gone.conversation, kept.conversation}
    assert await store.state.transcript.find(gone.conversation, "unknown") is None
    outcome = await store.state.deliveries.outcome(gone.conversation, gone.reply)
    assert outcome == DeliveryOutcome(message_id=gone.reply, state="failed", at=NOW), "nothing is sent again"
    # What a worker still writes of them is not readable either, and the others are as they were.
    await store.state.transcript.add(gone.conversation, line(text=gone.canary))
    assert gone.canary.encode() not in await store.read_all()
    assert await store.state.transcript.read(gone.conversation) == []
    kept_rows = await read_rows(store.state, kept)
    assert [kind for kind, text in kept_rows.items() if kept.canary not in text] == []


@pytest.mark.parametrize("is_erased", [False, True])
async def test_the_snapshot_of_a_commit_holds_facts_unless_the_contact_was_erased(
    store: Store, is_erased: bool
) -> None:
    state, route = store.state, f"canary{uuid4().hex}"
    origin = Origin(tenant="shop", channel="web", account="main", place=new_id(), contact_id=new_id())
    id_ = conversation_of(origin)
    begun = await state.conversations.begin(id_, origin, [], now=NOW)
    if is_erased:
        await store.keys.erase("shop", origin.contact_id)
    committed = await state.conversations.commit(
        id_,
        token=begun.token,
        version=begun.conversation.version,
        epoch=begun.conversation.epoch,
        facts=Facts(last_route=route),
        handled=[new_id()],
        outbox=[],
        now=NOW,
    )
    assert committed.snapshot is not None
    assert (route.encode() in committed.snapshot.data) is not is_erased


async def test_plain_rows_are_read_as_they_are_and_sealed_when_they_are_written_next(store: Store) -> None:
    store.seal(is_sealing=False)
    person = await live(store.state)
    assert person.canary.encode() in await store.read_all()
    plain_rows = await read_rows(store.state, person)
    assert [kind for kind, text in plain_rows.items() if person.canary not in text] == []
    store.seal()
    rows = await read_rows(store.state, person)
    assert [kind for kind, text in rows.items() if person.canary not in text] == []
    repeated = (await store.state.transcript.read(person.conversation))[0]
    assert await store.state.transcript.add(person.conversation, repeated) == repeated.seq, "a repeat is recognized"
    word = f"word{uuid4().hex}"
    assert await store.state.transcript.edit(person.conversation, repeated.id, word)
    assert word.encode() not in await store.read_all()
    found = await store.state.transcript.find(person.conversation, repeated.id)
    assert found is not None
    assert found.text == word


async def test_a_contact_who_writes_what_looks_like_a_sealed_row_is_quoted(store: Store) -> None:
    text = '{"sealed":["shop","ada",1,"AQ=="]}'
    person = Person(Origin(tenant="shop", channel="web", account="main", place=new_id(), contact_id="ada"), text)
    for is_sealing in (False, True):
        store.seal(is_sealing=is_sealing)
        await store.state.conversations.begin(
            person.conversation, person.origin, [], now=NOW, messages=[line(text=text)]
        )
    assert [each.text for each in await store.state.transcript.read(person.conversation)] == [text, text]
