"""Discord's connection looks up shown messages, fetches files and shows the typing sign."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.discord import connection
from connectors.discord.models import Context
from schemas.errors import NotFound, RetryLater, SendRefused, SendUnknown, TooLarge
from schemas.messages import Choice, RemoteFile
from schemas.ports import DeliveryLookup, FileFetcher, TypingIndicator, VendorCall
from tests.channels.discord_channel import LEAF, SEND, Desk, desk_at_discord
from tests.simulators.vendor import Fault, File


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with desk_at_discord() as there:
        yield there


# ── Look-up ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def look_up(desk: Desk, call: VendorCall) -> str | None:
    assert isinstance(desk.connection, DeliveryLookup)
    return await desk.connection.lookup(call, "r1")


@pytest.mark.parametrize(
    "fields",
    [{}, {"text": "🌿 **bold** <@1> \u200b x"}, {"attachments": [LEAF]}, {"choices": [Choice(id="yes", label="Yes")]}],
)
async def test_a_shown_message_is_found_long_after_its_nonce_expired(desk: Desk, fields: dict[str, Any]) -> None:
    asked = await desk.server.say("mia", "my fern is yellow")
    (call,) = desk.calls(answers=asked, **fields)
    desk.server.faults.next(Fault("drop_after", SEND))
    with pytest.raises(SendUnknown):
        await desk.send(call)
    desk.clock.forward(7200)
    await desk.server.say("mia", "hello?")
    assert await look_up(desk, call) == desk.shown[0].id


@pytest.mark.parametrize("earlier", ["Less water.", "Something else."])
async def test_a_message_older_than_the_question_is_not_taken_for_its_answer(desk: Desk, earlier: str) -> None:
    await desk.send(desk.calls(earlier)[0], "r0")
    asked = await desk.server.say("mia", "my fern is yellow")
    assert await look_up(desk, desk.calls(answers=asked)[0]) is None


async def test_the_same_words_of_a_person_or_of_a_command_are_not_ours(desk: Desk) -> None:
    asked = await desk.server.say("mia", "my fern is yellow")
    await desk.server.say("mia", "Less water.")
    desk.server.people.webhook_says(desk.server.channel("mia"), "CI", "Less water.")
    world = desk.server.world
    desk.server.people.write(world.bot, desk.server.channel("mia"), "Less water.", webhook_id=world.application)
    assert await look_up(desk, desk.calls(answers=asked)[0]) is None


async def test_it_is_looked_for_through_as_many_pages_as_were_written_since(desk: Desk) -> None:
    asked = await desk.server.say("mia", "my fern is yellow")
    (call,) = desk.calls(answers=asked)
    shown = await desk.send(call)
    for number in range(250):
        await desk.server.say("mia", f"and {number}")
    assert await look_up(desk, call) == shown
    assert desk.asked("Get Channel Messages") == 3


async def test_too_much_to_look_through_is_no_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.discord.connection.MAX_PAGES", 1)
    asked = await desk.server.say("mia", "my fern is yellow")
    for number in range(101):
        await desk.server.say("mia", f"and {number}")
    with pytest.raises(SendUnknown):
        await look_up(desk, desk.calls(answers=asked)[0])


async def test_a_history_that_is_hidden_says_nothing_unless_the_place_is_as_it_was(desk: Desk) -> None:
    desk.server.move("mia", desk.server.world.home)
    asked = await desk.server.say("mia", "my fern is yellow")
    (call,) = desk.calls()
    call = replace(call, arguments={**call.arguments, "since": asked})
    desk.server.channel("mia").denied.add("READ_MESSAGE_HISTORY")
    assert await look_up(desk, call) is None
    await desk.server.say("mia", "hello?")
    with pytest.raises(SendRefused, match="history_hidden"):
        await look_up(desk, call)


LOOKS = [
    (Fault("limit"), RetryLater),
    (Fault("refuse", status=500), SendUnknown),
    (Fault("drop"), SendUnknown),
    (Fault("garbage"), SendUnknown),
    (Fault("refuse", status=404, code="10003"), SendRefused),
]


@pytest.mark.parametrize(("fault", "error"), LOOKS)
async def test_a_look_up_that_fails_is_no_answer(desk: Desk, fault: Fault, error: type[Exception]) -> None:
    # Twice: a question may be asked again by the client where an open connection turns out to be dead.
    desk.server.faults.next(*[replace(fault, operation="Get Channel Messages")] * 2)
    with pytest.raises(error):
        await look_up(desk, desk.calls()[0])


@pytest.mark.parametrize("page", [["x"], [{}], [{"id": "x"}], [None]])
def test_a_page_that_is_none_is_not_read(page: list[Any]) -> None:
    assert not connection.has_valid_ids(page)


# ── Files, typing ────────────────────────────────────────────────────────────────────────────────────────────────────


async def sent_file(desk: Desk, **more: Any) -> RemoteFile:
    id_ = await desk.server.say("mia", "look", files=[File("leaf.png", "image/png", b"x" * 1000)])
    (attached,) = desk.server.world.message(id_)[1].data["attachments"]
    return RemoteFile(ref=f"{desk.place}/{id_}/{attached['id']}", **more)


async def test_a_file_is_fetched_also_days_later(desk: Desk) -> None:
    assert isinstance(desk.connection, FileFetcher)
    file = await sent_file(desk)
    desk.clock.forward(3 * 86_400)
    assert await desk.connection.fetch(file, 1000) == (b"x" * 1000, "image/png", "leaf.png")


async def test_a_file_of_a_forwarded_message_is_fetched(desk: Desk) -> None:
    file = await sent_file(desk)
    channel, mia = desk.server.channel("mia"), desk.server.world.user("mia")
    forwarded = desk.server.people.forward(mia, channel, file.ref.split("/")[1])
    again = file.model_copy(update={"ref": f"{desk.place}/{forwarded.id}/{file.ref.split('/')[2]}"})
    assert (await desk.connection.fetch(again, 1000))[0] == b"x" * 1000


async def test_a_file_that_is_too_large_is_not_fetched_at_all(desk: Desk) -> None:
    with pytest.raises(TooLarge):
        await desk.connection.fetch(await sent_file(desk), 999)


async def test_a_file_of_a_deleted_message_is_gone(desk: Desk) -> None:
    file = await sent_file(desk)
    await desk.server.delete("mia", file.ref.split("/")[1])
    with pytest.raises(NotFound):
        await desk.connection.fetch(file, 1000)


@pytest.mark.parametrize("fault", [Fault("drop"), Fault("limit"), Fault("refuse", status=500)])
async def test_a_file_that_cannot_be_had_now_may_be_asked_for_later(desk: Desk, fault: Fault) -> None:
    file = await sent_file(desk)
    desk.server.faults.next(fault, fault)
    with pytest.raises(RetryLater):
        await desk.connection.fetch(file, 1000)


async def test_an_answer_on_its_way_shows_as_typing_and_never_as_a_failure(desk: Desk) -> None:
    assert isinstance(desk.connection, TypingIndicator)
    await desk.connection.show_typing(desk.place, "1")
    assert desk.server.channel("mia").typing_until > desk.clock()
    faults: Sequence[Fault] = (Fault("drop"), Fault("limit"), Fault("refuse", status=500), Fault("lose", status=502))
    for fault in faults:
        desk.server.faults.next(fault)
        await desk.connection.show_typing(desk.place, "1")
    assert desk.asked("Trigger Typing Indicator") == 5


@pytest.mark.parametrize("parent", ["\ud800", "a" * 8, "1" * 21])
def test_a_place_is_made_of_ids_alone(parent: str) -> None:
    """Whatever passes an event on says in which channel a thread is; what is no id there is refused, not stored."""
    with pytest.raises(ValidationError):
        Context.model_validate({"bot": "1180000000000000001", "parent": parent})
    assert Context.model_validate({"parent": ""}).parent == ""
