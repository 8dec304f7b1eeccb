"""A store whose shards were lost is filled from the log; the same on SQLite and on Redis."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from infra.bus.partitioner import shard_of
from infra.state.rebuild import RebuildReport, rebuild
from infra.state.transcript_replay import GAP
from schemas import topics
from schemas.conversation import DeliveryOutcome, Snapshot
from schemas.conversation_activity import FilesStored, MessageDeleted, MessageEdited, SessionEnded
from schemas.envelope import envelope
from schemas.errors import SchemaMismatch
from schemas.messages import Author, InboundMessage, Receipt, Speech, TranscriptMessage
from schemas.ports import Bus, State
from tests.contracts.bus.engines import open_kafka
from tests.contracts.state.engines import ALL_SHARDS, server_state
from tests.contracts.state.recorded_history import (
    CHANNELS,
    TENANT,
    RecordedConversation,
    build_envelope,
    record_conversation,
)
from tests.contracts.state.samples import NOW, attachment, new_id, outbound
from tests.contracts.state.test_access_tokens import revoke, token


class Clock:
    """Each look is a millisecond later: records on the log differ in time."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def rebuild_again(
    state: State, bus: Bus, shards: frozenset[int] = ALL_SHARDS, limit: int = 10_000
) -> RebuildReport:
    return await rebuild(bus, state.rebuild, shards, channels=CHANNELS, grace=0, now=NOW, limit=limit)


async def test_everything_that_is_on_the_log_comes_back_as_it_was(state: State, bus: Bus) -> None:
    lives = [await record_conversation(state, bus, f"visitor-{n}", turns=n % 3 + 1) for n in range(9)]
    before = [await life.picture() for life in lives]
    report = await rebuild_again(state, bus)
    assert [await life.picture() for life in lives] == before
    assert (report.conversations, report.contacts, report.messages, report.rounds) == (9, 9, 36, 1)
    assert await state.rebuild.check() == frozenset()


async def test_of_many_snapshots_the_newest_counts_though_an_older_one_came_last(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor", turns=3)
    older = await state.conversations.snapshot(life.conversation)
    await life.answer([await life.hear("another")], "answer")
    before = await life.picture()
    await bus.append([build_envelope(topics.CONVERSATION_SNAPSHOT, older, life.conversation, new_id())])
    await rebuild_again(state, bus)
    assert await life.picture() == before


async def test_only_the_last_snapshots_of_a_conversation_are_restored(
    state: State, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compaction keeps the last one, but it runs only now and then: a busy hour would take minutes to restore."""
    lives = [await record_conversation(state, bus, f"visitor-{n}", turns=12) for n in range(2)]
    before = [await life.picture() for life in lives]
    versions: dict[str, list[int]] = {}
    restore = state.rebuild.restore

    async def count(snapshot: Snapshot) -> None:
        versions.setdefault(snapshot.conversation.id, []).append(snapshot.conversation.version)
        await restore(snapshot)

    monkeypatch.setattr(state.rebuild, "restore", count)
    await rebuild_again(state, bus)
    assert versions == {life.conversation: [10, 11, 12] for life in lives}
    assert [await life.picture() for life in lives] == before


async def test_a_visitor_who_signed_out_stays_signed_out(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    for session, until in (("over", NOW + timedelta(days=30)), ("long ago", NOW)):
        ended = SessionEnded(session=session, until=until, at=NOW)
        await bus.append([build_envelope(topics.SESSION_ENDED, ended, life.conversation, session)])
    await rebuild_again(state, bus)
    assert await state.tokens.is_revoked(life.conversation, "over", now=NOW)
    assert not await state.tokens.is_revoked(life.conversation, "long ago", now=NOW)


async def test_tokens_come_back_as_they_were_last(state: State, bus: Bus) -> None:
    valid, revoked = token(TENANT), token(TENANT)
    for each in (valid, revoked, revoke(revoked)):
        subject = f"token:{each.id}"
        event = envelope(
            topics.TOKEN_SNAPSHOT, each, id=new_id(), time=NOW, source="test", tenant=TENANT, subject=subject
        )
        await bus.append([event])
    await rebuild_again(state, bus)
    assert await state.access_tokens.get(TENANT, valid.id) == valid
    assert await state.access_tokens.get(TENANT, revoked.id) == revoke(revoked)
    assert len(await state.access_tokens.list_all(TENANT)) == 2


async def test_replies_that_were_committed_but_not_published_are_in_the_outbox_again(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    await life.answer([await life.hear("more")], "of course", publish=False)
    pending = await state.conversations.read_outbox(life.conversation)
    lines = await state.transcript.read(life.conversation)
    await rebuild_again(state, bus)
    assert await state.transcript.read(life.conversation) == lines, "the transcript shows the reply as before"
    assert len(pending) == 1
    assert await state.conversations.read_outbox(life.conversation) == pending
    assert await state.conversations.list_unpublished(before=NOW + timedelta(days=1), limit=9) == [life.conversation]


async def test_handled_events_stay_handled_and_earlier_tokens_stay_fenced(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    question = await life.hear("again?")
    old = await state.conversations.begin(life.conversation, life.origin(), [question], now=NOW)
    await rebuild_again(state, bus)
    handled = [item.id for item in (await life.picture())["snapshot"].handled]
    new = await state.conversations.begin(life.conversation, life.origin(), [*handled, question], now=NOW)
    assert len(handled) == 2
    assert new.handled == set(handled)
    assert new.token > old.token


async def test_messages_that_no_snapshot_names_are_numbered_far_above_it(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    head = await state.transcript.head(life.conversation)
    late = [await life.hear("one more"), await life.hear("and another")]
    await rebuild_again(state, bus)
    lines = await state.transcript.read(life.conversation, after=head)
    assert [(item.id, item.seq) for item in lines] == [(late[0], head + GAP + 1), (late[1], head + GAP + 2)]
    assert await state.transcript.head(life.conversation) == head + GAP + 2


async def test_messages_older_than_those_a_snapshot_names_get_the_numbers_below(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor", turns=35)  # 70 lines, of which a snapshot names the last 50
    before = await state.transcript.read(life.conversation)
    await rebuild_again(state, bus)
    assert len(before) == 70
    assert await state.transcript.read(life.conversation) == before


@pytest.mark.parametrize("overtaken", range(1, 8))
async def test_lines_that_are_not_in_the_order_of_the_log_keep_their_numbers(
    state: State, bus: Bus, overtaken: int
) -> None:
    """A question that was asked before a reply was published has its line below it. The newest snapshot names lines
    from 11 on, those before it from 7 and 9 on."""
    life = await record_conversation(state, bus, "visitor", turns=overtaken - 1)
    question = await life.hear("which?")
    early = await life.write("early")
    await life.answer([question], "this one")
    await life.answer([await life.show(early)], "that one")
    for n in range(29 - overtaken):
        await life.answer([await life.hear(f"later {n}")], f"then {n}")
    before = await state.transcript.read(life.conversation)
    await rebuild_again(state, bus)
    after = await state.transcript.read(life.conversation)
    assert [line.seq for line in after] == list(range(1, 61))
    known_from = 7
    assert [line.id for line in after[known_from - 1 :]] == [line.id for line in before[known_from - 1 :]]


async def test_a_conversation_without_a_snapshot_keeps_its_messages(state: State, bus: Bus) -> None:
    life = RecordedConversation(state, bus, "visitor")
    await life.arrive()
    said = await life.hear("anybody there?")
    await rebuild_again(state, bus)
    assert await state.conversations.get(life.conversation) is None
    (line,) = await state.transcript.read(life.conversation)
    assert (line.id, line.text, line.state, line.seq) == (said, "anybody there?", "received", GAP + 1)


def _edit(line: TranscriptMessage, text: str, revision: int, **common: Any) -> MessageEdited:
    return MessageEdited(message_id=line.id, text=text, edited_at=NOW, revision=revision, **common)


async def test_edits_deletions_and_receipts_are_applied_to_what_comes_back(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor", turns=3)
    questions = [line for line in await state.transcript.read(life.conversation) if line.author.kind == "contact"]
    replies = [line for line in await state.transcript.read(life.conversation) if line.author.kind == "agent"]
    common = {"place": "visitor", "contact_id": life.contact}
    payloads = [
        (topics.MESSAGE_EDITED, _edit(questions[0], "better", 2, **common)),
        (topics.MESSAGE_EDITED, _edit(questions[0], "good", 1, **common)),
        (topics.MESSAGE_DELETED, MessageDeleted(message_id=questions[1].id, deleted_at=NOW, **common)),
        (topics.MESSAGE_EDITED, _edit(questions[1], "taken back", 1, **common)),
        (topics.RECEIPT_RECORDED, Receipt(state="read", at=NOW, up_to_seq=replies[0].seq)),
        (topics.RECEIPT_RECORDED, Receipt(state="delivered", at=NOW, external_id=f"vendor-{replies[1].id}")),
        (topics.RECEIPT_RECORDED, Receipt(state="failed", at=NOW, message_id=replies[2].id)),
    ]
    await bus.append(
        [build_envelope(kind, payload, life.conversation, f"e{n}") for n, (kind, payload) in enumerate(payloads)]
    )
    await rebuild_again(state, bus)
    after = {line.id: line for line in await state.transcript.read(life.conversation)}
    assert [after[line.id].text for line in questions] == ["better", "", "question 2"]
    assert not await state.transcript.edit(life.conversation, questions[0].id, "good", revision=1)
    assert [after[line.id].state for line in questions] == ["answered", "deleted", "answered"]
    assert [after[line.id].state for line in replies] == ["read", "delivered", "failed"]


async def test_edited_and_deleted_replies_are_rebuilt_as_they_read_last(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor", turns=2)
    replies = [line for line in await state.transcript.read(life.conversation) if line.author.kind == "agent"]
    common = {"place": "visitor", "contact_id": life.contact}
    payloads = [
        (topics.MESSAGE_REVISE, _edit(replies[0], "better", 2, **common)),
        (topics.MESSAGE_REVISE, _edit(replies[0], "good", 1, **common)),
        (topics.MESSAGE_RETRACT, MessageDeleted(message_id=replies[1].id, deleted_at=NOW, **common)),
        (topics.DELIVERY_RECORDED, DeliveryOutcome(message_id="e0", part_of=replies[0].id, state="sent", at=NOW)),
        (topics.DELIVERY_RECORDED, DeliveryOutcome(message_id="e2", part_of=replies[1].id, state="sent", at=NOW)),
    ]
    await bus.append(
        [build_envelope(kind, payload, life.conversation, f"e{n}") for n, (kind, payload) in enumerate(payloads)]
    )
    await rebuild_again(state, bus)
    after = {line.id: line for line in await state.transcript.read(life.conversation)}
    assert [(after[line.id].text, after[line.id].state) for line in replies] == [("better", "sent"), ("", "deleted")]


async def test_a_persons_message_is_rebuilt_once_wherever_it_was_written(state: State, bus: Bus) -> None:
    """In the desk it is on its way to the contact as a message of its own; in the vendor's app it was shown already."""
    life = await record_conversation(state, bus, "visitor")
    said: dict[str, Any] = {
        "external_id": "x",
        "place": "visitor",
        "contact_id": life.contact,
        "author": Author(kind="person"),
        "sent_at": NOW,
    }
    desk = InboundMessage(id="desk", text="from the desk", **said)
    app = InboundMessage(id="app", text="from the app", shown=True, **said)
    sent = outbound(id="desk-out", author="person", text="from the desk", place="visitor")
    await bus.append(
        [
            build_envelope(topics.MESSAGE_RECEIVED, desk, life.conversation, "desk"),
            build_envelope(topics.MESSAGE_RECEIVED, app, life.conversation, "app"),
            build_envelope(topics.MESSAGE_SEND, sent, life.conversation, "desk-out"),
        ]
    )
    for line in (TranscriptMessage.of_inbound(app), TranscriptMessage.of_outbound(sent, "pending")):
        await state.transcript.add(life.conversation, line)
    before = await state.transcript.read(life.conversation)
    await rebuild_again(state, bus)
    after = await state.transcript.read(life.conversation)
    assert [(line.id, line.text) for line in after] == [(line.id, line.text) for line in before]


async def test_files_that_were_stored_and_what_an_earlier_release_heard_come_back(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    asked = [line.id for line in await state.transcript.read(life.conversation) if line.author.kind == "contact"]
    facts = [FilesStored(message_id=id_, attachments=[attachment()], text="spoken", at=NOW) for id_ in asked]
    gone = MessageDeleted(message_id=asked[1], deleted_at=NOW, place="visitor", contact_id=life.contact)
    await bus.append(
        [
            *(
                build_envelope(topics.FILES_STORED, fact, life.conversation, f"files-{fact.message_id}")
                for fact in facts
            ),
            build_envelope(topics.MESSAGE_DELETED, gone, life.conversation, "gone"),
        ]
    )
    await rebuild_again(state, bus)
    after = {line.id: line for line in await state.transcript.read(life.conversation)}
    assert [(after[id_].text, after[id_].attachments) for id_ in asked] == [("spoken", [attachment()]), ("", [])]


async def test_what_a_voice_note_says_comes_back_beside_what_was_written(state: State, bus: Bus) -> None:
    """An edit changes only what was written."""
    life = await record_conversation(state, bus, "visitor")
    before = [line for line in await state.transcript.read(life.conversation) if line.author.kind == "contact"]
    heard = attachment().model_copy(update={"speech": Speech(text="spoken", language="en")})
    facts = [FilesStored(message_id=line.id, attachments=[heard], at=NOW) for line in before]
    edit = MessageEdited(message_id=before[1].id, text="new", edited_at=NOW, place="visitor", contact_id=life.contact)
    await bus.append(
        [
            *(
                build_envelope(topics.FILES_STORED, fact, life.conversation, f"files-{fact.message_id}")
                for fact in facts
            ),
            build_envelope(topics.MESSAGE_EDITED, edit, life.conversation, "edit"),
        ]
    )
    await rebuild_again(state, bus)
    after = {line.id: line for line in await state.transcript.read(life.conversation)}
    texts = [after[line.id].text for line in before[:2]]
    assert texts == [f"{before[0].text}\nspoken", "new\nspoken"]
    assert [after[line.id].attachments for line in before[:2]] == [[heard], [heard]]


async def test_files_that_came_with_an_edit_come_back(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    asked = [line.id for line in await state.transcript.read(life.conversation) if line.author.kind == "contact"]
    edit = MessageEdited(
        message_id=asked[0],
        text="much longer …",
        attachments=[attachment("c" * 64)],
        edited_at=NOW,
        place="visitor",
        contact_id=life.contact,
    )
    stored = FilesStored(message_id=asked[0], attachments=[attachment(), attachment("c" * 64)], at=NOW)
    await bus.append(
        [
            build_envelope(topics.MESSAGE_EDITED, edit, life.conversation, "edit"),
            build_envelope(topics.FILES_STORED, stored, life.conversation, "files"),
            build_envelope(topics.MESSAGE_EDITED, edit, life.conversation, "edit"),
        ]
    )
    await rebuild_again(state, bus)
    after = {line.id: line for line in await state.transcript.read(life.conversation)}
    assert after[asked[0]].attachments == [attachment(), attachment("c" * 64)]


async def test_only_the_lost_shards_are_touched(state: State, bus: Bus) -> None:
    lives = [await record_conversation(state, bus, f"visitor-{n}") for n in range(6)]
    lost = frozenset({shard_of(lives[0].conversation)})
    spared = [life for life in lives if shard_of(life.conversation) not in lost]
    for life in spared:
        # On the store alone: it would be gone if its shard were emptied.
        await state.transcript.edit(life.conversation, (await state.transcript.read(life.conversation))[0].id, "mark")
    before = [await life.picture() for life in lives]
    report = await rebuild_again(state, bus, lost)
    assert [await life.picture() for life in lives] == before
    assert report.conversations == len(lives) - len(spared)


async def test_a_log_with_more_ids_than_fit_is_read_in_rounds(state: State, bus: Bus) -> None:
    lives = [await record_conversation(state, bus, f"visitor-{n}") for n in range(12)]
    before = [await life.picture() for life in lives]
    report = await rebuild_again(state, bus, limit=20)
    assert report.rounds > 1
    assert (report.conversations, report.messages) == (12, 48)
    assert [await life.picture() for life in lives] == before


async def test_rebuilding_twice_changes_nothing_more(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    await life.hear("not answered")
    await rebuild_again(state, bus)
    once = await life.picture()
    await rebuild_again(state, bus)
    assert await life.picture() == once


async def test_a_record_that_cannot_be_decoded_is_left_out_and_counted(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    bad = build_envelope(topics.MESSAGE_RECEIVED, Receipt(state="read", at=NOW), life.conversation, "poison")
    await bus.append([bad])
    before = await life.picture()
    report = await rebuild_again(state, bus)
    assert report.undecodable == 2, "it is met at both readings"
    assert await life.picture() == before


async def test_snapshots_of_a_newer_release_are_not_left_out_silently(state: State, bus: Bus) -> None:
    """An older release that met them would bring those conversations back empty: it leaves the shards lost."""
    life = await record_conversation(state, bus, "visitor")
    later = replace(
        build_envelope(topics.CONVERSATION_SNAPSHOT, Receipt(state="read", at=NOW), life.conversation, "later"),
        type=topics.CONVERSATION_SNAPSHOT.replace(".v1", ".v2"),
    )
    await bus.append([later], topic=topics.STATE)
    with pytest.raises(SchemaMismatch, match=r"snapshot\.v2"):
        await rebuild_again(state, bus)
    assert await state.rebuild.check() == ALL_SHARDS


async def test_an_address_learnt_later_still_leads_to_the_conversation(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    who = await state.contacts.get(TENANT, life.contact)
    await rebuild_again(state, bus)
    assert await state.contacts.get(TENANT, life.contact) == who


@pytest.mark.scaled
async def test_kafka_and_redis_together_bring_everything_back(
    redis_url: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    """The pair that runs in production: the same pictures before and after."""
    async with open_kafka(kafka_bootstrap, topic_prefix)() as bus, server_state(redis_url) as state:
        await bus.create_topics(topics.topic_specs(CHANNELS, partitions=3, small=3))
        lives = [await record_conversation(state, bus, f"visitor-{n}") for n in range(5)]
        await lives[0].answer([await lives[0].hear("more")], "of course", publish=False)
        before = [await life.picture() for life in lives]
        report = await rebuild_again(state, bus)
        assert [await life.picture() for life in lives] == before
        assert (report.conversations, report.contacts) == (5, 5)
