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
from schemas.messages import Attachment, RemoteFile, TranscriptMessage
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


async def test_a_voice_note_that_somebody_can_listen_to_is_answered_as_if_it_were_written(
    world: WorkerEnvironment,
) -> None:
    async def transcribe(tenant: str, attachment: Attachment) -> str:
        assert (tenant, attachment) == ("shop", stored_attachment(NOTE))
        return f" {HEAT}\n"

    await handle(world, world.said("m1", "", files=[NOTE]), fetch=Vendor().fetch, transcribe=transcribe)
    assert (await line(world)).text == HEAT
    assert [fact.text for fact in await facts(world)] == [HEAT]
    assert "heat pack" in (await world.replies())[0].text


async def test_a_listener_that_breaks_leaves_the_note_and_the_contact_is_asked_to_write(
    world: WorkerEnvironment,
) -> None:
    async def transcribe(tenant: str, attachment: Attachment) -> str:
        raise RuntimeError("out of order")

    await handle(world, world.said("m1", "", files=[NOTE]), fetch=Vendor().fetch, transcribe=transcribe)
    assert (await line(world)).attachments == [stored_attachment(NOTE)]
    assert (await world.replies())[0].text == VOICE.voice_note


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
