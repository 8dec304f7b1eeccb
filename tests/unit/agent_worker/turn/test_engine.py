"""One turn, from the inbound topic to the outbound topic."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_worker.settings import FoldRules
from agent_worker.turn import reply_stream
from agent_worker.voice import DEFAULT_VOICE
from schemas import topics
from schemas.conversation import DeadLetter, Snapshot
from schemas.conversation_activity import ContactChanged, ReactionChanged, TypingSignal, typing_topic
from schemas.envelope import Envelope
from schemas.errors import Fenced, UndecodableRecord
from schemas.messages import Author, ChoiceSelection, OutboundMessage, Receipt, ReplyBegun, TranscriptMessage
from schemas.runtime.fair_rotation import PARTY_HEADER, waiting_key
from schemas.runtime.restore_time import save_restore_time
from tests.unit.agent_worker.worker_environment import (
    ACCOUNT,
    CHANNEL,
    RETURNS,
    SHIPPING,
    TENANT,
    LaneStub,
    WorkerEnvironment,
    wait_until,
    world_at,
)

HEAT = "Do you add a heat pack in winter?"
RETURN = "Within how many days can I return pots?"


@asynccontextmanager
async def frames(world: WorkerEnvironment) -> AsyncIterator[list[dict[str, Any]]]:
    """Everything that is signalled to the contact's sockets meanwhile."""
    seen: list[dict[str, Any]] = []
    source = world.state.signals.subscribe(f"conversation:{world.conversation}")

    async def read() -> None:
        async for payload in source:
            seen.append(json.loads(payload))  # noqa: PERF401 (others look at it meanwhile)

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    yield seen
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)


async def test_answer_cites_its_source_verbatim(world: WorkerEnvironment) -> None:
    """A question the documents answer gets their sentence, with a citation whose quote stands in the document."""
    await world.handle(world.said("m1", HEAT))
    (reply,) = await world.replies()
    assert "heat pack to every parcel" in reply.text
    assert "[1]" in reply.text
    assert reply.author == Author(kind="agent", name="Fern")
    assert reply.citations[0].document == "shipping"
    assert reply.citations[0].heading == "Winter"
    assert reply.citations[0].version > 0
    assert all(citation.quote in SHIPPING for citation in reply.citations)
    assert (reply.expires_at - reply.created_at).total_seconds() == 24 * 3600


async def test_two_questions_that_wait_together_are_both_answered_in_one_reply(world: WorkerEnvironment) -> None:
    """Each from where its answer stands, with a source of its own, a paragraph each."""
    await world.handle(world.said("m1", HEAT), world.said("hi", "Hello!"), world.said("m2", RETURN))
    (reply,) = await world.replies()
    first, second = reply.text.split("\n\n")
    assert "heat pack to every parcel" in first
    assert "[1]" in first
    assert "30 days" in second
    assert f"[{len(reply.citations)}]" in second
    assert [one.n for one in reply.citations] == list(range(1, len(reply.citations) + 1))
    assert {one.document for one in reply.citations} == {"shipping", "returns"}
    (turn,) = await world.turns()
    assert {one.document for one in turn.passages if one.cited} == {"shipping", "returns"}


@pytest.mark.parametrize(
    ("texts", "documents"),
    [
        ([HEAT, "Do you add heat packs in winter to parcels?"], ["shipping"]),
        ([HEAT, "And with which parcels?"], ["shipping"]),
        ([HEAT, "Do you sell spaceships?"], ["shipping"]),
        (["Do you sell spaceships?", "Who is the king of France?"], []),
        ([f"{question} ({n})" for n, question in enumerate((HEAT, RETURN) * 4)], ["returns", "shipping"]),
    ],
    ids=["the same twice", "one that leans on the other", "one that the documents do not answer", "none", "very many"],
)
async def test_nothing_is_said_twice_and_nothing_is_answered_with_what_is_beside_it(
    world: WorkerEnvironment, texts: list[str], documents: list[str]
) -> None:
    await world.handle(*(world.said(f"m{n}", text) for n, text in enumerate(texts)))
    (reply,) = await world.replies()
    assert sorted({one.document for one in reply.citations}) == documents
    assert len({one.quote for one in reply.citations}) == len(reply.citations)


async def test_turn_is_recorded(world: WorkerEnvironment) -> None:
    """The turn's record names what was handled, the route, the passages and the stages, on the log and in the state."""
    await world.handle(world.said("m1", HEAT))
    (turn,) = await world.turns()
    assert turn.handled == [world.message_id("m1")]
    assert (turn.route, turn.outcome) == ("local", "answer")
    assert any(passage.cited and passage.document == "shipping" for passage in turn.passages)
    assert {"fold", "load", "retrieve", "answer"} <= turn.stages.keys()
    assert (await world.state.turns.list_newest(world.conversation))[0].id == turn.id
    assert b'stage="publish"' in world.metrics.render()


async def test_snapshot_follows_the_commit(world: WorkerEnvironment) -> None:
    """The compacted topic holds the conversation as committed, with the handled id."""
    await world.handle(world.said("m1", HEAT))
    read = await world.bus.read(topics.STATE)
    events = [Envelope.from_wire(record.headers, record.value) async for record in read]
    snapshot = [event for event in events if event.type == topics.CONVERSATION_SNAPSHOT][-1].payload(Snapshot)
    assert snapshot.conversation == await world.known()
    assert world.message_id("m1") in [handled.id for handled in snapshot.handled]


async def test_unknown_is_declined_with_the_offer_of_a_person(world: WorkerEnvironment) -> None:
    """What the documents do not hold is declined in the tenant's words, with a way to a person and no citation."""
    await world.handle(world.said("m1", "Who won the football championship in Brazil?"))
    (reply,) = await world.replies()
    assert reply.text == "Not in our documents."
    assert [choice.id for choice in reply.choices] == ["person"]
    assert reply.citations == []
    assert (await world.known()).facts.declined_in_a_row == 1


async def test_a_receipt_moves_nothing_in_the_conversation(world: WorkerEnvironment) -> None:
    """Receipts have a consumer of their own: for the worker they cost no commit."""
    await world.handle(world.said("m1", HEAT))
    before = await world.known()
    await world.handle(world.receipt("read", "r1"))
    assert await world.known() == before
    assert len(await world.turns()) == 1


async def test_redelivery_is_answered_once(world: WorkerEnvironment) -> None:
    """The same record handled again makes no second reply, and is counted as a repeat."""
    batch = await world.handle(world.said("m1", HEAT))
    await world.worker.handle(LaneStub(batch.records))
    assert len(await world.replies()) == 1
    assert b'parley_duplicates_total{where="worker"} 1.0' in world.metrics.render()


async def test_burst_becomes_one_turn(world: WorkerEnvironment) -> None:
    """Messages that wait together are answered by one reply that considers all of them."""
    await world.handle(world.said("m1", "Hello!"), world.said("m2", "I ordered plants."), world.said("m3", HEAT))
    (reply,) = await world.replies()
    assert reply.in_reply_to == world.message_id("m3")
    assert world.model.asked[0].text == f"Hello!\nI ordered plants.\n{HEAT}"


async def test_quiet_time_gathers_what_still_comes(tmp_path: Path) -> None:
    """A message that arrives in the quiet time joins the turn before the model is asked."""
    async with world_at(tmp_path, fold=FoldRules(quiet={CHANNEL: 5.0})) as world:
        batch = await world.lane(world.said("m1", "I have a question"))
        (later,) = await world.records(world.said("m2", HEAT))
        running = asyncio.create_task(world.worker.handle(batch))
        await asyncio.sleep(0.05)
        assert world.model.asked == []
        batch.arrive(later)
        await wait_until(lambda: len(batch.records) == 2)
        batch.revoking.set()
        await asyncio.wait_for(running, 30)
        assert len(world.model.asked) == 1
        assert HEAT in world.model.asked[0].text


async def test_hurry_ends_the_quiet_time(tmp_path: Path) -> None:
    """When the partition is taken away, the turn is finished at once."""
    async with world_at(tmp_path, fold=FoldRules(quiet={CHANNEL: 30.0})) as world:
        batch = await world.lane(world.said("m1", HEAT))
        batch.revoking.set()
        await asyncio.wait_for(world.worker.handle(batch), 30)
        assert len(await world.replies()) == 1


async def test_arrival_restarts_the_turn(world: WorkerEnvironment) -> None:
    """A message that arrives while the model writes cancels it; what was shown is taken back; one reply answers all."""
    world.model.gate.clear()
    world.model.says_first = True
    async with frames(world) as seen:
        batch = await world.lane(world.said("m1", "What about plants?"))
        (later,) = await world.records(world.said("m2", HEAT))
        running = asyncio.create_task(world.worker.handle(batch))
        await world.model.next_asked()
        batch.arrive(later)
        await world.model.next_asked()
        world.model.gate.set()
        await asyncio.wait_for(running, 30)
        await wait_until(lambda: sum(frame["type"] == "delta" for frame in seen) >= 3)
    assert world.model.cancelled == 1
    (reply,) = await world.replies()
    aborted = [frame["turn_id"] for frame in seen if frame["type"] == "abort"]
    shown = {frame["turn_id"] for frame in seen if frame["type"] == "delta"}
    assert len(aborted) == 1
    assert shown == {aborted[0], reply.turn_id}
    assert seen[0] == {"type": "typing", "author": {"kind": "agent", "name": "Fern"}}


async def test_deltas_are_the_reply(world: WorkerEnvironment) -> None:
    """The pieces that were streamed, put together in their order, are the text that is sent."""
    async with frames(world) as seen:
        await world.handle(world.said("m1", "When do parcels leave, and when do standard parcels arrive?"))
        (reply,) = await world.replies()
        streamed: list[dict[str, Any]] = []

        def complete() -> bool:
            streamed[:] = [frame for frame in seen if frame["type"] == "delta"]
            return "".join(frame["text"] for frame in streamed) == reply.text

        await wait_until(complete)
    assert [frame["index"] for frame in streamed] == list(range(len(streamed)))
    assert {(frame["turn_id"], frame["epoch"]) for frame in streamed} == {(reply.turn_id, 0)}


async def test_a_connector_that_shows_the_text_is_told_ahead_of_a_slow_reply(
    world: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the reply's own id, and on the same topic."""
    monkeypatch.setattr(reply_stream, "SLOW_S", 0)
    world.settings = replace(world.settings, announced=frozenset({CHANNEL}))
    batch = await world.lane(world.said("m1", HEAT))
    await asyncio.wait_for(world.worker_with().handle(batch), 30)
    read = await world.bus.read(topics.outbound(CHANNEL))
    begun, sent = [Envelope.from_wire(record.headers, record.value) async for record in read]
    assert (begun.type, sent.type) == (topics.REPLY_BEGUN, topics.MESSAGE_SEND)
    told, reply = begun.payload(ReplyBegun), sent.payload(OutboundMessage)
    assert (told.id, told.turn_id, told.place, told.answers, told.epoch) == (
        reply.id,
        reply.turn_id,
        reply.place,
        reply.answers,
        reply.epoch,
    )
    assert begun.conversation == sent.conversation


async def test_a_reply_that_is_complete_at_once_is_not_announced(
    world: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_stream, "SLOW_S", 60)
    world.settings = replace(world.settings, announced=frozenset({CHANNEL}))
    await world.handle(world.said("m1", HEAT))
    read = await world.bus.read(topics.outbound(CHANNEL))
    assert [record.headers["ce_type"] async for record in read] == [topics.MESSAGE_SEND]


async def test_restarts_are_limited(tmp_path: Path) -> None:
    """After two restarts the turn is finished, and what arrived later is left for the next one."""
    async with world_at(tmp_path) as world:
        world.model.gate.clear()
        batch = await world.lane(world.said("m1", HEAT))
        more = await world.records(*(world.said(f"m{n}", f"and more {n}") for n in (2, 3, 4)))
        running = asyncio.create_task(world.worker.handle(batch))
        for record in more:
            await world.model.next_asked()
            batch.arrive(record)
        await asyncio.sleep(0.05)
        world.model.gate.set()
        await asyncio.wait_for(running, 30)
        assert world.model.cancelled == 2
        assert batch.left == [more[-1]]
        (turn,) = await world.turns()
        assert turn.handled == [world.message_id(name) for name in ("m1", "m2", "m3")]


async def test_long_turn_is_not_restarted(tmp_path: Path) -> None:
    """Once the longest wait is over, an arrival does not cancel the turn any more."""
    async with world_at(tmp_path, fold=FoldRules(quiet={CHANNEL: 0.0}, longest=0.0)) as world:
        world.model.gate.clear()
        batch = await world.lane(world.said("m1", HEAT))
        (later,) = await world.records(world.said("m2", "more"))
        running = asyncio.create_task(world.worker.handle(batch))
        await world.model.next_asked()
        batch.arrive(later)
        await asyncio.sleep(0.02)
        world.model.gate.set()
        await asyncio.wait_for(running, 30)
        assert world.model.cancelled == 0
        assert batch.left == [later]


async def test_stale_commit_raises_fenced_and_writes_nothing(world: WorkerEnvironment) -> None:
    """When a person claims while the model writes, the turn is thrown away; the retry handles without a reply."""
    world.model.gate.clear()
    world.model.says_first = True
    async with frames(world) as seen:
        batch = await world.lane(world.said("m1", HEAT))
        running = asyncio.create_task(world.worker.handle(batch))
        await world.model.next_asked()
        claimed = await world.state.conversations.own(
            world.conversation, "person", expected_epoch=0, request_id="claim", by="Rosa", now=world.clock()
        )
        assert claimed.won
        world.model.gate.set()
        with pytest.raises(Fenced):
            await asyncio.wait_for(running, 30)
        await wait_until(lambda: any(frame["type"] == "abort" for frame in seen))
    assert await world.replies() == []
    batch.attempt += 1
    await world.worker.handle(batch)
    assert await world.replies() == []
    assert (await world.state.conversations.read_outbox(world.conversation)) == []


async def test_committed_but_unpublished_is_published_by_the_next_holder(
    world: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that died between commit and publish: the same records publish the outbox and add nothing."""
    batch = await world.lane(world.said("m1", HEAT))
    monkeypatch.setattr(world.bus, "append", _dies)
    with pytest.raises(ConnectionError):
        await world.worker.handle(batch)
    monkeypatch.undo()
    assert await world.replies() == []
    await world.worker.handle(batch)
    assert len(await world.replies()) == 1
    assert len(world.model.asked) == 1


async def _dies(*_: object, **__: object) -> None:
    raise ConnectionError("killed here")


async def test_sweep_publishes_what_was_left_behind(world: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweeper publishes an outbox older than ten seconds, and leaves younger ones to their worker."""
    batch = await world.lane(world.said("m1", HEAT))
    monkeypatch.setattr(world.bus, "append", _dies)
    with pytest.raises(ConnectionError):
        await world.worker.handle(batch)
    monkeypatch.undo()
    assert await world.worker.sweep() == 0
    world.clock.advance(seconds=11)
    assert await world.worker.sweep() == 1
    assert len(await world.replies()) == 1
    assert await world.worker.sweep() == 0


async def test_context_holds_only_what_was_really_said(world: WorkerEnvironment) -> None:
    """Failed, dropped and not yet sent replies are no part of the model's context; sent ones are."""
    texts = {"sent": "We ship.", "failed": "Lost.", "dropped": "Cut off.", "pending": "Not yet."}
    for state, text in texts.items():
        line = TranscriptMessage(
            id=f"r-{state}",
            author=Author(kind="agent"),
            text=text,
            created_at=world.clock(),
            state=state,  # type: ignore[arg-type]
        )
        await world.state.transcript.add(world.conversation, line)
    await world.handle(world.said("m1", HEAT))
    assert [line.text for line in world.model.asked[0].history] == ["We ship."]


async def test_old_messages_are_recorded_and_not_answered(world: WorkerEnvironment) -> None:
    """A message older than eight days joins the transcript, is handled, and gets no reply."""
    old = world.said("m1", HEAT)
    world.clock.advance(days=9)
    await world.handle(old)
    assert await world.replies() == []
    assert [line.text for line in await world.state.transcript.read(world.conversation)] == [HEAT]


async def test_what_was_waiting_in_a_backup_is_recorded_and_not_answered(world: WorkerEnvironment) -> None:
    """The installation that was lost has probably answered it. What is written after the restore is answered."""
    waiting = world.said("m1", HEAT)
    world.clock.advance(hours=2)
    await save_restore_time(world.state.leases, world.clock())
    await world.handle(waiting)
    assert await world.replies() == []
    assert [line.text for line in await world.state.transcript.read(world.conversation)] == [HEAT]
    world.clock.advance(seconds=1)
    await world.handle(world.said("m2", HEAT))
    assert len(await world.replies()) == 1


async def test_undecodable_record_is_set_aside_alone(world: WorkerEnvironment) -> None:
    """One record that cannot be read becomes a dead letter; the message beside it is answered."""
    poison, good = await world.records(world.said("m1", "x"), world.said("m2", HEAT))
    broken = type(poison)(
        poison.topic, poison.partition, poison.offset, poison.key, poison.timestamp_ms, poison.headers, b"{"
    )
    await world.worker.handle(LaneStub([broken, good]))
    letters, _ = await world.state.dead_letters.list_page(TENANT)
    assert [letter.code for letter in letters] == ["undecodable_record"]
    assert any("heat pack" in reply.text for reply in await world.replies())


async def test_unknown_type_is_dead_lettered_without_a_word_to_the_contact(world: WorkerEnvironment) -> None:
    """A type this release does not know is kept for a replay; the contact hears nothing of it."""
    record, good = await world.records(world.said("m1", "x"), world.said("m2", HEAT))
    headers = {**record.headers, "ce_type": "parley.message.sung.v1"}
    strange = type(record)(
        record.topic, record.partition, record.offset, record.key, record.timestamp_ms, headers, record.value
    )
    await world.worker.handle(LaneStub([strange, good]))
    letters, _ = await world.state.dead_letters.list_page(TENANT)
    assert [letter.code for letter in letters] == ["unknown_event_type"]
    assert len(await world.replies()) == 1


async def test_giving_up_is_visible_and_repeatable(world: WorkerEnvironment) -> None:
    """Giving up keeps the record whole and tells the contact once, however often it is repeated."""
    await world.handle(world.said("m0", "Hello"))
    records = await world.records(world.said("m1", HEAT))
    for _ in range(2):
        await world.worker.give_up(world.conversation, records, ValueError("secret"), 5)
    letters, _ = await world.state.dead_letters.list_page(TENANT)
    (letter,) = letters
    assert (letter.code, letter.attempts, letter.reason) == ("handler_failed", 5, "ValueError")
    notices = [reply for reply in await world.replies() if reply.author.kind == "system"]
    assert {notice.text for notice in notices} == {"That went wrong."}
    assert len({notice.id for notice in notices}) == 1
    assert len(await _read(world, topics.DEADLETTER)) == 2


async def _read(world: WorkerEnvironment, typing_topic: str) -> list[Any]:
    return [record async for record in await world.bus.read(typing_topic)]


async def test_a_failure_of_somebody_elses_message_is_not_dead_lettered(world: WorkerEnvironment) -> None:
    """A number that also sends campaigns reports on people whom nobody here knows."""
    told = Receipt(state="failed", at=world.clock(), external_id="wamid.campaign", reason="undeliverable")
    await world.handle(world.wrap(topics.RECEIPT_RECORDED, told, "receipt-1"))
    assert await _read(world, topics.DEADLETTER) == []
    assert await world.state.conversations.get(world.conversation) is None


async def test_replay_of_a_dead_letter_is_answered_once(world: WorkerEnvironment) -> None:
    """A replayed message nobody answered is answered; replayed again, or after an answer, it is not."""
    original = world.said("m1", HEAT)
    records = await world.records(original)
    await world.worker.give_up(world.conversation, records, UndecodableRecord("x"), 1)
    for n in (1, 2):
        await world.handle(world.said("m1", HEAT, event=f"replay-{n}", replay_of=original.id))
    assert len(await world.replies()) == 1


async def test_greeting_is_answered_without_sources(world: WorkerEnvironment) -> None:
    """Small talk is answered briefly and cites nothing."""
    await world.handle(world.said("m1", "Hi there!"))
    (reply,) = await world.replies()
    assert reply.citations == []
    assert reply.choices == []
    assert (await world.turns())[0].outcome == "small_talk"


@pytest.mark.parametrize("how", ["words", "choice"])
async def test_asking_for_a_person_passes_the_conversation_on(world: WorkerEnvironment, how: str) -> None:
    """Words or the choice for a person make the conversation wait for people; later messages get no agent's reply."""
    choice = ChoiceSelection(in_reply_to="earlier", id="person") if how == "choice" else None
    text = "Can I talk to a human please?" if how == "words" else DEFAULT_VOICE.person_choice
    await world.handle(world.said("m1", text, choice=choice))
    (reply,) = await world.replies()
    assert (reply.author.kind, reply.text) == ("system", "A colleague comes.")
    assert (await world.known()).owner == "queue"
    read = await world.bus.read(topics.inbound(CHANNEL))
    asked = [record async for record in read if record.headers["ce_type"] == topics.OWNER_REQUESTED]
    epoch = (await world.known()).epoch
    await world.worker.handle(LaneStub(asked))
    assert (await world.known()).epoch == epoch
    await world.handle(world.said("m2", HEAT))
    assert len(await world.replies()) == 1


async def test_edited_document_changes_the_next_answer(world: WorkerEnvironment) -> None:
    """A turn right after a document was written answers from the new version."""
    await world.handle(world.said("m1", HEAT))
    await world.put("shipping", SHIPPING.replace("4.50", "6.75"))
    await world.handle(world.said("m2", HEAT))
    first, second = await world.replies()
    assert "4.50" in first.text
    assert "6.75" in second.text
    assert second.citations[0].version > first.citations[0].version


async def test_other_tenants_documents_are_never_used(world: WorkerEnvironment) -> None:
    """What only another tenant's documents hold is declined here."""
    await world.put("secret", RETURNS.replace("30 days", "90 days").replace("pots", "saxophones"), tenant="other")
    await world.handle(world.said("m1", "Can I return saxophones?"))
    (reply,) = await world.replies()
    assert "saxophones" not in reply.text
    assert all(citation.document != "secret" for citation in reply.citations)


async def test_reactions_and_news_of_a_contact_are_no_business_of_the_worker(world: WorkerEnvironment) -> None:
    """Also where nothing is known of the conversation: no turn, no dead letter, no conversation."""
    common: dict[str, Any] = {"place": "p", "contact_id": "contact-1", "at": world.clock()}
    reaction = ReactionChanged(external_id="x", emoji="👍", **common)
    news = ContactChanged(opted_out=True, **common)
    await world.handle(
        world.wrap(topics.REACTION_CHANGED, reaction, "e1"), world.wrap(topics.CONTACT_CHANGED, news, "e2")
    )
    assert await world.state.conversations.get(world.conversation) is None
    assert await world.payloads(topics.DEADLETTER, topics.DEADLETTER_RECORDED, DeadLetter) == []
    assert await world.turns() == []


async def test_connectors_are_told_what_is_being_answered_and_again_while_it_takes_long(
    world: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_stream, "TYPING_EVERY", 0.01)
    heard: list[TypingSignal] = []

    async def listen() -> None:
        async for payload in world.state.signals.subscribe(typing_topic(CHANNEL)):
            heard.append(TypingSignal.model_validate_json(payload))  # noqa: PERF401

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    world.settings = replace(world.settings, hinted=frozenset({CHANNEL}))
    world.model.gate.clear()
    answering = asyncio.create_task(world.worker_with().handle(await world.lane(world.said("m1", HEAT))))
    await wait_until(lambda: len(heard) >= 3)
    world.model.gate.set()
    await answering
    listening.cancel()
    assert {(told.tenant, told.account, told.place, told.answers) for told in heard} == {
        (TENANT, "main", "visitor-1", "m1")
    }


async def test_messages_count_as_waiting_until_they_are_answered_or_given_up(world: WorkerEnvironment) -> None:
    """As do those that were folded into the turn of another."""
    said = [replace(world.said(name, "x"), extra={PARTY_HEADER: "hash"}) for name in ("m1", "m2", "m3")]
    key = waiting_key((TENANT, CHANNEL, ACCOUNT, "hash"))

    async def occupy(name: str, limit: int) -> float:
        return await world.state.limiter.occupy(key, name, limit=limit, keep=60, now=world.clock())

    assert [await occupy(event.id, 3) for event in said] == [0, 0, 0]
    await world.handle(*said[:2])
    assert [await occupy("next", 1) > 0, await occupy("next", 2)] == [True, 0]
    await world.worker.give_up(world.conversation, await world.records(said[2]), UndecodableRecord("bad"), 1)
    assert [await occupy("last", 1) > 0, await occupy("last", 2)] == [True, 0]
