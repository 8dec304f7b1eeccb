"""The files of inbound messages: fetched when a turn loads, and never in the way of an answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from schemas import topics
from schemas.conversation import Origin
from schemas.conversation_activity import FilesStored
from schemas.errors import (
    CredentialsRevoked,
    Fenced,
    NotFound,
    RateLimited,
    RetryLater,
    StorageFull,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)
from schemas.messages import Attachment, RemoteFile, Speech, TranscriptMessage
from tests.unit.agent_worker.worker_environment import VOICE, WorkerEnvironment

LEAF = RemoteFile(ref="v-1", name="leaf.jpg", kind="image", type="image/jpeg", size=9)
NOTE = RemoteFile(ref="v-2", kind="voice", type="audio/ogg")
VCARD = RemoteFile(ref="v-3", name="ana.vcf", type="text/vcard", size=9)
HEAT = "Do you add a heat pack in winter?"


class Vendor:
    """Has files until told otherwise; counts what was asked for."""

    def __init__(self, *script: Exception) -> None:
        self.script = list(script)
        self.asked: list[tuple[str, str]] = []

    async def fetch(self, conversation: str, origin: Origin, file: RemoteFile) -> Attachment:
        self.asked.append((origin.account, file.ref))
        if self.script:
            raise self.script.pop(0)
        return stored_attachment(file)


def stored_attachment(file: RemoteFile, n: int = 1) -> Attachment:
    return Attachment(id=f"{n:064x}", name=file.name or file.kind, type=file.type, size=9)


async def handle(world: WorkerEnvironment, *envelopes: Any, **more: Any) -> None:
    await asyncio.wait_for(world.worker_with(**more).handle(await world.lane(*envelopes)), 30)


async def line(world: WorkerEnvironment, name: str = "m1") -> TranscriptMessage:
    found = await world.state.transcript.find(world.conversation, world.message_id(name))
    assert found is not None
    return found


async def facts(world: WorkerEnvironment) -> list[FilesStored]:
    return await world.payloads(topics.EVENTS, topics.FILES_STORED, FilesStored)


async def test_a_file_is_in_the_transcript_known_to_the_model_and_told_on_the_log(world: WorkerEnvironment) -> None:
    vendor = Vendor()
    await handle(world, world.said("m1", HEAT, files=[LEAF]), fetch=vendor.fetch)
    assert (await line(world)).attachments == [stored_attachment(LEAF)]
    assert world.model.asked[-1].files == [stored_attachment(LEAF)]
    assert [(fact.message_id, fact.attachments) for fact in await facts(world)] == [
        (world.message_id("m1"), [stored_attachment(LEAF)])
    ]
    assert "heat pack" in (await world.replies())[0].text
    assert vendor.asked == [("main", "v-1")]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotFound("gone"), "gone"),
        (TooLarge("large"), "too_large"),
        (StorageFull("the tenant's quota"), "over_quota"),
        (RateLimited("the contact's day"), "over_quota"),
        (UnsupportedMediaType("zip"), "unsupported_type"),
        (TimeoutError(), "timeout"),
        (RetryLater("later"), "timeout"),
        (CredentialsRevoked("token"), "refused"),
        (ValueError("a bug"), "failed"),
    ],
)
async def test_a_file_that_cannot_be_had_leaves_a_gap_with_its_reason_and_the_message_is_answered(
    world: WorkerEnvironment, error: Exception, reason: str
) -> None:
    await handle(world, world.said("m1", HEAT, files=[LEAF]), fetch=Vendor(error).fetch)
    (gap,) = (await line(world)).attachments
    assert (gap.name, gap.missing, gap.size) == ("leaf.jpg", reason, 9)
    assert "heat pack" in (await world.replies())[0].text


async def test_a_turn_that_is_done_again_uses_the_files_that_it_has(
    world: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time the vendor has nothing any more: the files of the first time stay, under their ids."""
    vendor = Vendor()
    batch = await world.lane(world.said("m1", HEAT, files=[LEAF, NOTE]))
    worker, commit = world.worker_with(fetch=vendor.fetch), world.state.conversations.commit

    async def fenced(*args: Any, **kwargs: Any) -> Any:
        raise Fenced("somebody else was faster")

    monkeypatch.setattr(world.state.conversations, "commit", fenced)
    with pytest.raises(Fenced):
        await worker.handle(batch)
    before = (await line(world)).attachments
    monkeypatch.setattr(world.state.conversations, "commit", commit)
    vendor.script = [NotFound("gone"), NotFound("gone")]
    await worker.handle(batch)
    assert (await line(world)).attachments == before == [stored_attachment(LEAF), stored_attachment(NOTE)]
    assert [fact.attachments for fact in await facts(world)] == [before]
    assert len(vendor.asked) == 2


async def test_nothing_is_decided_about_files_while_they_cannot_be_stored(world: WorkerEnvironment) -> None:
    with pytest.raises(Unavailable):
        await handle(world, world.said("m1", HEAT, files=[LEAF]), fetch=Vendor(Unavailable("the disk is full")).fetch)
    assert (await line(world)).attachments == []
    assert await facts(world) == []


@pytest.mark.parametrize(
    ("said", "script", "phrase"),
    [
        ({"files": [NOTE]}, [], VOICE.voice_note),
        ({"files": [LEAF]}, [], VOICE.file),
        ({"files": [LEAF]}, [NotFound("gone")], VOICE.file_missing),
        ({"files": [VCARD]}, [], VOICE.contacts),
        ({"unsupported": "poll"}, [], "I cannot read polls here. Could you write to me instead?"),
        ({"unsupported": "unknown"}, [], VOICE.unsupported),
    ],
    ids=["voice", "file", "missing", "card", "poll", "unknown"],
)
async def test_a_file_without_text_gets_an_honest_answer(
    world: WorkerEnvironment, said: dict[str, Any], script: list[Exception], phrase: str
) -> None:
    await handle(world, world.said("m1", "", **said), fetch=Vendor(*script).fetch)
    (reply,) = await world.replies()
    assert (reply.text, [choice.id for choice in reply.choices]) == (phrase, ["person"])


class Listener:
    """Understands the same in every note, and counts what it was asked to transcribe."""

    def __init__(self, speech: Speech | None) -> None:
        self.speech = speech
        self.asked: list[Attachment] = []

    async def __call__(self, tenant: str, attachment: Attachment) -> Speech | None:
        assert tenant == "shop"
        self.asked.append(attachment)
        return self.speech


SPOKEN = Speech(text=HEAT, language="en")
HEARD = stored_attachment(NOTE).model_copy(update={"speech": SPOKEN})


async def test_a_voice_note_that_somebody_can_listen_to_is_answered_as_if_it_were_written(
    world: WorkerEnvironment,
) -> None:
    listener = Listener(SPOKEN)
    await handle(world, world.said("m1", "", files=[NOTE]), fetch=Vendor().fetch, transcribe=listener)
    found = await line(world)
    assert (found.text, found.attachments) == (HEAT, [HEARD])
    assert [fact.attachments for fact in await facts(world)] == [[HEARD]]
    assert listener.asked == [stored_attachment(NOTE)]
    assert "heat pack" in (await world.replies())[0].text


async def test_what_is_spoken_follows_what_is_written(world: WorkerEnvironment) -> None:
    await handle(world, world.said("m1", "Hello!", files=[NOTE]), fetch=Vendor().fetch, transcribe=Listener(SPOKEN))
    assert (await line(world)).text == f"Hello!\n{HEAT}"
    assert "heat pack" in (await world.replies())[0].text


async def test_a_recording_that_was_uploaded_is_transcribed_too(world: WorkerEnvironment) -> None:
    """A visitor of the web chat sends it with the message: nothing is fetched."""
    said = world.said("m1", "", attachments=[stored_attachment(NOTE)])
    await handle(world, said, transcribe=Listener(SPOKEN))
    found = await line(world)
    assert (found.text, found.attachments) == (HEAT, [HEARD])
    assert [fact.attachments for fact in await facts(world)] == [[HEARD]]
    assert "heat pack" in (await world.replies())[0].text


async def test_a_film_container_with_sound_alone_is_sound(world: WorkerEnvironment) -> None:
    """The vendor's kind tells, because the bytes do not."""
    note = NOTE.model_copy(update={"type": "video/mp4"})
    film = LEAF.model_copy(update={"kind": "video", "type": "video/mp4"})
    listener = Listener(SPOKEN)
    await handle(world, world.said("m1", "", files=[note, film]), fetch=Vendor().fetch, transcribe=listener)
    assert [file.type for file in (await line(world)).attachments] == ["audio/mp4", "video/mp4"]
    assert [file.type for file in listener.asked] == ["audio/mp4"]


@pytest.mark.parametrize(
    ("speech", "phrase"),
    [(Speech(problem="too_long"), VOICE.voice_note_unclear), (None, VOICE.voice_note)],
    ids=["not understood", "no transcriber"],
)
async def test_a_note_that_nobody_understands_stays_and_the_contact_is_asked_to_write(
    world: WorkerEnvironment, speech: Speech | None, phrase: str
) -> None:
    await handle(world, world.said("m1", "", files=[NOTE]), fetch=Vendor().fetch, transcribe=Listener(speech))
    assert (await line(world)).attachments == [stored_attachment(NOTE).model_copy(update={"speech": speech})]
    assert (await world.replies())[0].text == phrase
    await handle(world, world.said("m2", HEAT, files=[NOTE]), fetch=Vendor().fetch, transcribe=Listener(speech))
    answer = (await world.replies())[1].text
    assert "heat pack" in answer, "the words beside it are answered"
    assert answer.endswith(phrase), "and the reply says that the note was not understood"


async def test_a_note_is_transcribed_once_however_often_the_turn_is_done_again(
    world: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener(SPOKEN)
    batch = await world.lane(world.said("m1", "", files=[NOTE]))
    worker, commit = world.worker_with(fetch=Vendor().fetch, transcribe=listener), world.state.conversations.commit

    async def fenced(*args: Any, **kwargs: Any) -> Any:
        raise Fenced("somebody else was faster")

    monkeypatch.setattr(world.state.conversations, "commit", fenced)
    with pytest.raises(Fenced):
        await worker.handle(batch)
    monkeypatch.setattr(world.state.conversations, "commit", commit)
    listener.speech = Speech(text="Something else altogether")
    await worker.handle(batch)
    assert len(listener.asked) == 1
    assert (await line(world)).text == HEAT
    assert ["heat pack" in reply.text for reply in await world.replies()] == [True]


async def test_a_turn_that_ended_between_the_note_and_its_text_goes_on_from_there(
    world: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transcription is stored with the file first, and then in the text."""
    listener, edit = Listener(SPOKEN), world.state.transcript.edit
    batch = await world.lane(world.said("m1", "", files=[NOTE]))
    worker = world.worker_with(fetch=Vendor().fetch, transcribe=listener)

    async def broken(*args: Any, **kwargs: Any) -> Any:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(world.state.transcript, "edit", broken)
    with pytest.raises(Unavailable):
        await worker.handle(batch)
    monkeypatch.setattr(world.state.transcript, "edit", edit)
    await worker.handle(batch)
    assert (len(listener.asked), (await line(world)).text) == (1, HEAT)
    assert ["heat pack" in reply.text for reply in await world.replies()] == [True]


async def test_an_edit_changes_what_was_written_and_keeps_what_was_spoken(world: WorkerEnvironment) -> None:
    await handle(world, world.said("m1", "Hello!", files=[NOTE]), fetch=Vendor().fetch, transcribe=Listener(SPOKEN))
    await world.handle(world.edited("m1", "Hello there!"))
    assert (await line(world)).text == f"Hello there!\n{HEAT}"
    before = len(await world.replies())
    await world.handle(world.edited("m1", "Hello there!"))
    assert len(await world.replies()) == before, "nothing has changed, so nothing is answered anew"


async def test_a_picture_that_no_model_looked_at_is_named_in_the_reply(world: WorkerEnvironment) -> None:
    """`local` looks at none."""
    await handle(world, world.said("m1", HEAT, files=[LEAF]), fetch=Vendor().fetch)
    await handle(world, world.said("m2", HEAT, files=[LEAF, LEAF]), fetch=Vendor().fetch)
    one, several = await world.replies()
    assert "heat pack" in one.text
    assert one.text.endswith(VOICE.picture_unseen)
    assert several.text.endswith(VOICE.pictures_unseen)


async def test_files_of_a_deleted_message_are_not_fetched_and_those_it_has_are_taken_away(
    world: WorkerEnvironment,
) -> None:
    vendor = Vendor()
    await handle(world, world.deleted("m1"), world.said("m1", HEAT, files=[LEAF]), fetch=vendor.fetch)
    assert vendor.asked == []
    await handle(world, world.said("m2", HEAT, files=[LEAF]), fetch=vendor.fetch)
    await handle(world, world.deleted("m2"), fetch=vendor.fetch)
    assert (await line(world, "m2")).attachments == []


async def test_files_are_kept_while_a_person_has_the_conversation(world: WorkerEnvironment) -> None:
    await world.handle(world.said("m1", HEAT))
    await world.handle(world.owner_asked("person", 0, "claim"))
    await handle(world, world.said("m2", "", files=[LEAF]), fetch=Vendor().fetch)
    assert (await line(world, "m2")).attachments == [stored_attachment(LEAF)]
    assert len(await facts(world)) == 1
    assert len(await world.replies()) == 1


TEXT = Attachment(id="f" * 64, name="message.txt", type="text/plain", size=20_000, full_text=True)


async def test_a_contact_whose_text_was_cut_is_told_so_in_the_reply(world: WorkerEnvironment) -> None:
    await handle(world, world.said("m1", HEAT, attachments=[TEXT]))
    (reply,) = await world.replies()
    assert "heat pack" in reply.text
    assert reply.text.endswith(VOICE.too_long)
    assert (await line(world)).attachments == [TEXT]


async def test_files_sent_with_a_shortened_text_are_fetched(world: WorkerEnvironment) -> None:
    vendor = Vendor()
    await handle(world, world.said("m1", HEAT, files=[LEAF], attachments=[TEXT]), fetch=vendor.fetch)
    assert (await line(world)).attachments == [TEXT, stored_attachment(LEAF)]
    await handle(world, world.said("m1", HEAT, files=[LEAF], attachments=[TEXT], event="again"), fetch=vendor.fetch)
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("first", ["message", "edit"])
async def test_an_edit_that_is_too_long_adds_its_file(world: WorkerEnvironment, first: str) -> None:
    vendor = Vendor()
    said = world.said("m1", HEAT, files=[LEAF])
    edit = world.edited("m1", "Do you add a heat pack in winter, and …", attachments=[TEXT])
    for envelope in (said, edit) if first == "message" else (edit, said):
        await handle(world, envelope, fetch=vendor.fetch)
    assert {file.name for file in (await line(world)).attachments} == {"message.txt", "leaf.jpg"}
