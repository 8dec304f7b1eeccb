"""Transcript: every message once, under a number that only grows, in a state that only rises."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import Any

import pytest

from schemas.errors import IdReused
from schemas.messages import (
    Attachment,
    Author,
    Choice,
    Citation,
    MessageState,
    Quote,
    SharedContact,
    SharedLocation,
    TranscriptReferral,
    UnsupportedContent,
)
from schemas.ports import State
from tests.contracts.state.samples import attachment, begin_turn, line, new_id


async def test_a_message_is_read_back_as_it_was_added(state: State) -> None:
    conversation = new_id()
    message = line(
        author="agent",
        text="Rain water, émojis 🪴 and \n new lines",
        citations=[Citation(n=1, document="care", title="Care", quote="use rain water", version=3)],
        choices=[Choice(id="y", label="Yes")],
        attachments=[attachment()],
        in_reply_to="m-0",
        turn_id="t-1",
        state="pending",
    )
    assert await state.transcript.add(conversation, message) == 1
    assert await state.transcript.find(conversation, message.id) == message.model_copy(update={"seq": 1})
    assert await state.transcript.find(conversation, "unknown") is None
    assert await state.transcript.find(new_id(), message.id) is None


async def test_adding_again_gives_the_same_number_and_changes_nothing(state: State) -> None:
    conversation, message = new_id(), line()
    first = await state.transcript.add(conversation, message)
    await state.transcript.add(conversation, line())
    await state.transcript.mark(conversation, [message.id], "answered")
    assert await state.transcript.add(conversation, message) == first
    kept = await state.transcript.find(conversation, message.id)
    assert kept is not None
    assert kept.state == "answered"
    assert await state.transcript.head(conversation) == 2


async def test_two_hundred_concurrent_adds_of_fifty_messages_make_fifty_dense_numbers(state: State) -> None:
    conversation = new_id()
    messages = [line(text=f"message {n}") for n in range(50)]
    numbers = await asyncio.gather(*(state.transcript.add(conversation, messages[n % 50]) for n in range(200)))
    by_id = {messages[n % 50].id: number for n, number in enumerate(numbers)}
    assert all(numbers[n] == by_id[messages[n % 50].id] for n in range(200))
    assert sorted(by_id.values()) == list(range(1, 51))
    kept = await state.transcript.read(conversation)
    assert [message.seq for message in kept] == list(range(1, 51))
    assert {message.id: message.seq for message in kept} == by_id


@pytest.mark.parametrize(
    "change",
    [{"text": "other"}, {"attachments": [attachment()]}, {"author": Author(kind="person")}, {"text": ""}],
    ids=["text", "attachments", "author", "no text"],
)
async def test_the_same_id_with_other_content_is_refused(state: State, change: dict[str, Any]) -> None:
    conversation, message = new_id(), line()
    await state.transcript.add(conversation, message)
    with pytest.raises(IdReused):
        await state.transcript.add(conversation, message.model_copy(update=change))
    assert await state.transcript.head(conversation) == 1


async def test_fields_that_differ_between_deliveries_do_not_make_another_message(state: State) -> None:
    conversation, message = new_id(), line()
    await state.transcript.add(conversation, message)
    renamed = message.model_copy(update={"author": Author(kind="contact", name="Known by now"), "state": "answered"})
    assert await state.transcript.add(conversation, renamed) == 1


async def test_an_edited_message_keeps_its_number_and_its_identity(state: State) -> None:
    conversation, message = new_id(), line()
    await state.transcript.add(conversation, message)
    assert await state.transcript.edit(conversation, message.id, "Corrected.")
    kept = await state.transcript.find(conversation, message.id)
    assert kept == message.model_copy(update={"text": "Corrected.", "seq": 1})
    assert await state.transcript.add(conversation, message) == 1, "a redelivery of the original is no other message"
    with pytest.raises(IdReused):
        await state.transcript.add(conversation, line(id=message.id, text="Something else"))
    assert await state.transcript.find(conversation, message.id) == kept


async def test_an_erased_message_stays_erased_when_it_comes_again(state: State) -> None:
    conversation, message = new_id(), line()
    await state.transcript.add(conversation, message)
    assert await state.transcript.edit(conversation, message.id, "")
    assert await state.transcript.add(conversation, message) == 1
    # Not even a hash of the text is left to tell another one from it.
    assert await state.transcript.add(conversation, line(id=message.id, text="Other")) == 1
    kept = await state.transcript.find(conversation, message.id)
    assert kept is not None
    assert kept.text == ""


async def test_an_edit_that_comes_after_a_later_one_changes_nothing(state: State) -> None:
    """Also when files were attached meanwhile, and when the line was made by an edit. A repeat changes nothing more."""
    conversation = new_id()
    for message in (line(), line(revision=3)):
        await state.transcript.add(conversation, message)
        assert await state.transcript.edit(conversation, message.id, "three", revision=3)
        assert not await state.transcript.edit(conversation, message.id, "two", revision=2)
        await state.transcript.attach(conversation, message.id, [])
        assert await state.transcript.edit(conversation, message.id, "three", revision=3)
        assert await state.transcript.edit(conversation, message.id, "heard")
        big = 1_800_000_000_000_000
        assert await state.transcript.edit(conversation, message.id, "late", revision=big + 1)
        assert not await state.transcript.edit(conversation, message.id, "early", revision=big)
        kept = await state.transcript.find(conversation, message.id)
        assert kept is not None
        assert (kept.text, kept.revision, kept.created_at) == ("late", big + 1, message.created_at)
        assert kept == (await state.transcript.read_recent(conversation, limit=1))[0]


async def test_editing_an_unknown_message_says_so(state: State) -> None:
    assert not await state.transcript.edit(new_id(), "unknown", "text")


RECEIPTS: list[MessageState] = ["accepted", "sent", "delivered", "read"]


@pytest.mark.parametrize("order", list(permutations(RECEIPTS)), ids="-".join)
async def test_receipts_end_at_the_highest_whatever_their_order(state: State, order: tuple[MessageState, ...]) -> None:
    conversation, message = new_id(), line(author="agent", state="pending")
    await state.transcript.add(conversation, message)
    highest = -1
    for receipt in order:
        await state.transcript.mark(conversation, [message.id], receipt)
        highest = max(highest, RECEIPTS.index(receipt))
        kept = await state.transcript.find(conversation, message.id)
        assert kept is not None
        assert kept.state == RECEIPTS[highest]


@pytest.mark.parametrize("final", ["failed", "dropped", "deleted"])
async def test_a_final_state_never_changes(state: State, final: MessageState) -> None:
    conversation, message = new_id(), line(author="agent", state="pending")
    await state.transcript.add(conversation, message)
    await state.transcript.mark(conversation, [message.id], "sent")
    await state.transcript.mark(conversation, [message.id], final)
    others: list[MessageState] = ["pending", "accepted", "sent", "delivered", "read", "failed", "dropped", "deleted"]
    for other in others:
        await state.transcript.mark(conversation, [message.id], other)
    kept = await state.transcript.find(conversation, message.id)
    assert kept is not None
    assert kept.state == final


async def test_mark_takes_many_and_ignores_unknown_ids(state: State) -> None:
    conversation = new_id()
    messages = [line() for _ in range(3)]
    for message in messages:
        await state.transcript.add(conversation, message)
    await state.transcript.mark(conversation, [messages[0].id, "unknown", messages[2].id], "answered")
    assert [kept.state for kept in await state.transcript.read(conversation)] == ["answered", "received", "answered"]
    await state.transcript.mark(new_id(), ["unknown"], "answered")
    await state.transcript.mark(conversation, [], "answered")


async def test_reading_goes_on_after_a_number_and_recent_ends_at_the_newest(state: State) -> None:
    conversation = new_id()
    for n in range(10):
        await state.transcript.add(conversation, line(text=f"message {n + 1}"))
    assert [kept.seq for kept in await state.transcript.read(conversation, after=4, limit=3)] == [5, 6, 7]
    assert [kept.seq for kept in await state.transcript.read(conversation, after=8)] == [9, 10]
    assert await state.transcript.read(conversation, after=10) == []
    assert [kept.text for kept in await state.transcript.read_recent(conversation, limit=2)] == [
        "message 9",
        "message 10",
    ]
    assert len(await state.transcript.read_recent(conversation)) == 10
    assert await state.transcript.head(conversation) == 10


async def test_a_conversation_without_messages_has_head_zero(state: State) -> None:
    conversation = new_id()
    assert await state.transcript.head(conversation) == 0
    assert await state.transcript.read(conversation) == []
    assert await state.transcript.read_recent(conversation) == []


async def test_the_conversation_shows_the_head_of_its_transcript(state: State) -> None:
    conversation = new_id()
    await state.transcript.add(conversation, line())  # the edge may add before the worker begins
    start = await begin_turn(state, conversation)
    assert start.conversation.head_seq == 1
    await state.transcript.add(conversation, line())
    found = await state.conversations.get(conversation)
    assert found is not None
    assert found.head_seq == 2


@pytest.mark.parametrize("odd", ["a:b", "*", "\r\n", "ü" * 300, "{s00}", " spaced ", "'--"])
async def test_ids_of_any_form_are_only_names(state: State, odd: str) -> None:
    message = line(id=odd, text=odd)
    assert await state.transcript.add(odd, message) == 1
    assert await state.transcript.add(odd, message) == 1
    assert await state.transcript.find(odd, odd) == message.model_copy(update={"seq": 1})


async def test_files_are_attached_once_and_a_repeat_of_the_message_is_still_the_same(state: State) -> None:
    conversation, message = new_id(), line(text="Grüße 🪴\n{}")
    await state.transcript.add(conversation, message)
    files = [attachment(), Attachment(id="gap-1", name="plan.pdf", type="", size=0, missing="too_large")]
    after = await state.transcript.attach(conversation, message.id, files)
    assert after == message.model_copy(update={"seq": 1, "attachments": files})
    assert await state.transcript.attach(conversation, message.id, [attachment("b" * 64)]) == after
    assert await state.transcript.find(conversation, message.id) == after
    assert await state.transcript.add(conversation, message) == 1
    await state.transcript.mark(conversation, [message.id], "answered")
    kept = await state.transcript.find(conversation, message.id)
    assert kept is not None
    assert (kept.state, kept.attachments) == ("answered", files)
    assert await state.transcript.attach(conversation, "unknown", files) is None


async def test_a_list_that_begins_with_a_messages_files_adds_to_them(state: State) -> None:
    conversation, first, second = new_id(), attachment(), attachment("c" * 64)
    message = line(attachments=[first])
    await state.transcript.add(conversation, message)
    both = await state.transcript.attach(conversation, message.id, [first, second])
    assert both is not None
    assert both.attachments == [first, second]
    assert await state.transcript.attach(conversation, message.id, [second, first]) == both
    assert await state.transcript.attach(conversation, message.id, [first]) == both
    assert await state.transcript.add(conversation, message) == 1


async def test_files_of_a_deleted_message_are_taken_away_and_none_come_back(state: State) -> None:
    conversation, message = new_id(), line()
    await state.transcript.add(conversation, message)
    await state.transcript.attach(conversation, message.id, [attachment()])
    await state.transcript.mark(conversation, [message.id], "deleted")
    gone = await state.transcript.attach(conversation, message.id, [])
    assert gone is not None
    assert gone.attachments == []
    assert await state.transcript.attach(conversation, message.id, [attachment()]) == gone


async def test_a_deleted_message_loses_all_its_content(state: State) -> None:
    message = line().model_copy(
        update={
            "location": SharedLocation(lat=52.5, lon=13.4, name="Shop"),
            "contacts": [SharedContact(name="Ana")],
            "referral": TranscriptReferral(kind="ad", title="Ferns"),
            "quote": Quote(text="We ship."),
            "unsupported": UnsupportedContent(kind="poll"),
        }
    )
    conversation = new_id()
    await state.transcript.add(conversation, message)
    kept = await state.transcript.find(conversation, message.id)
    assert kept == message.model_copy(update={"seq": 1})
    await state.transcript.attach(conversation, message.id, [])
    gone = await state.transcript.find(conversation, message.id)
    assert gone is not None
    assert (gone.location, gone.contacts, gone.referral, gone.quote, gone.unsupported) == (None, [], None, None, None)


async def test_of_concurrent_attachments_one_is_kept(state: State) -> None:
    conversation, message = new_id(), line()
    await state.transcript.add(conversation, message)
    tries = [[attachment(f"{n:064x}")] for n in range(20)]
    made = await asyncio.gather(*(state.transcript.attach(conversation, message.id, files) for files in tries))
    kept = await state.transcript.find(conversation, message.id)
    assert kept is not None
    assert kept.attachments in tries
    assert made == [kept] * 20
