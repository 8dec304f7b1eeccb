"""Frames of the simulated Discord gateway are parsed into events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from connectors.channel_services import ChannelServices
from connectors.discord.channel import DISPATCH, DiscordChannel
from connectors.discord.settings import ACCOUNT
from schemas import topics
from schemas.errors import InvalidRequest
from schemas.messages import Author, Choice, InboundMessage, OutboundMessage
from schemas.ports import Account, ChannelEvent, RawRequest, RenderContext
from tests.harness.channel_tools import NOW, no_files
from tests.simulators.discord import Discord
from tests.simulators.discord.raw_client import Line, line
from tests.simulators.vendor import File

EVERYTHING = 1 << 0 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 15
CONTENT = 1 << 15


@dataclass
class GatewayReader:
    """A session at the gateway, and what the channel makes of what it hears."""

    server: Discord
    line: Line
    channel: DiscordChannel
    account: Account

    async def frame(self, name: str) -> dict[str, Any]:
        return await self.line.until(name)

    async def hear(self, name: str) -> list[ChannelEvent]:
        """The next frame of this name, parsed."""
        return self.parse(await self.frame(name))

    def parse(self, frame: Any) -> list[ChannelEvent]:
        if isinstance(frame, dict) and str(frame.get("d", {}).get("channel_id")) in self.server.world.channels:
            room = self.server.world.channels[str(frame["d"]["channel_id"])]
            context = {"bot": self.server.world.bot.id, "parent": room.parent or ""}
            frame = {**frame, "context": context}
        body = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
        return self.channel.parse(RawRequest(DISPATCH, "", {}, {}, body), self.account)

    async def message(self) -> dict[str, Any]:
        (event,) = await self.hear("MESSAGE_CREATE")
        assert event.type == topics.MESSAGE_RECEIVED
        about = {"id": "m", "external_id": event.external_id, "place": event.place, "contact_id": "c"}
        return InboundMessage.model_validate(about | dict(event.payload)).model_dump(exclude_defaults=True)


async def listen(server: Discord, socket: Line, intents: int = EVERYTHING) -> GatewayReader:
    await socket.op(10)
    await socket.identify(server.world.token, intents)
    await socket.until("GUILD_CREATE")
    nothing: Any = None
    channel = DiscordChannel(
        ChannelServices(transcript=nothing, signals=nothing, clock=lambda: NOW, read_file=no_files)
    )
    account = Account("shop", "discord", "main", ACCOUNT.model_validate(server.settings()))
    return GatewayReader(server, socket, channel, account)


@pytest.fixture
async def ear() -> AsyncIterator[GatewayReader]:
    server = Discord(pace=0)
    async with server.serving(), line(server) as socket:
        yield await listen(server, socket)


async def test_words_a_reply_and_a_thread(ear: GatewayReader) -> None:
    said = await ear.server.say("mia", "my fern is **yellow**")
    first = await ear.message()
    assert (first["text"], first["place"], first["author"]["name"]) == (
        "my fern is **yellow**",
        ear.server.place("mia"),
        "Mia",
    )
    await ear.server.say("mia", "and wet", reply_to=said)
    assert (await ear.message())["answers"] == said
    home, mia = ear.server.world.home, ear.server.world.user("mia")
    thread = ear.server.channels.make_thread(home, "ferns", mia)
    ear.server.move("mia", thread)
    await ear.server.say("mia", "here")
    assert (await ear.message())["place"] == f"{home.id}/{thread.id}"


async def test_a_message_that_is_told_twice_is_the_same_event(ear: GatewayReader) -> None:
    said = await ear.server.say("mia", "hello")
    first = await ear.hear("MESSAGE_CREATE")
    ear.server.redeliver(said)
    assert await ear.hear("MESSAGE_CREATE") == first


async def test_an_edit_a_card_and_a_deletion(ear: GatewayReader) -> None:
    said = await ear.server.say("mia", "see https://example.com/")
    channel, message = ear.server.world.message(said)
    for partial in (False, True):
        ear.server.people.unfurl(channel, message, partial=partial)
        assert await ear.hear("MESSAGE_UPDATE") == []
    await ear.server.edit("mia", said, "never mind")
    (edit,) = await ear.hear("MESSAGE_UPDATE")
    assert (edit.type, edit.external_id, edit.payload["text"]) == (topics.MESSAGE_EDITED, said, "never mind")
    assert edit.revision
    await ear.server.delete("mia", said)
    (gone,) = await ear.hear("MESSAGE_DELETE")
    assert (gone.type, gone.external_id, gone.place) == (topics.MESSAGE_DELETED, said, ear.server.place("mia"))


async def test_many_deletions_at_once_are_one_event_each(ear: GatewayReader) -> None:
    said = [await ear.server.say("mia", word) for word in ("one", "two", "three")]
    ear.server.people.delete(ear.server.channel("mia"), *said)
    assert [event.external_id for event in await ear.hear("MESSAGE_DELETE_BULK")] == said


async def test_a_reaction_and_its_end(ear: GatewayReader) -> None:
    said = await ear.server.say("mia", "hello")
    await ear.server.react("mia", said, "👍")
    (given,) = await ear.hear("MESSAGE_REACTION_ADD")
    await ear.server.react("mia", said, "👍", take_back=True)
    (taken,) = await ear.hear("MESSAGE_REACTION_REMOVE")
    assert [(each.external_id, each.payload["emoji"], each.payload["taken_back"]) for each in (given, taken)] == [
        (said, "👍", False),
        (said, "👍", True),
    ]
    assert given.revision != taken.revision
    assert given.addresses[0].value == ear.server.world.user("mia").id


async def test_files_a_voice_a_sticker_a_poll_and_a_forward(ear: GatewayReader) -> None:
    server, mia, place = ear.server, ear.server.world.user("mia"), ear.server.channel("mia")
    said = await server.say("mia", "look", files=[File("a.png", "image/png", b"1234"), File("notes", "", b"1")])
    files = (await ear.message())["files"]
    assert [(each.get("kind", "file"), each["name"], each["size"]) for each in files] == [
        ("image", "a.png", 4),
        ("file", "notes", 1),
    ]
    server.people.send_voice(mia, place, File("voice-message.ogg", "audio/ogg", b"12"))
    assert [each["kind"] for each in (await ear.message())["files"]] == ["voice"]
    server.people.send_sticker(mia, place, "wave")
    assert (await ear.message())["unsupported"] == "sticker"
    server.people.send_poll(mia, place, "Which pot?", ["Clay", "Plastic"])
    polled = await ear.message()
    assert (polled["unsupported"], polled["text"]) == ("poll", "Which pot?\n1. Clay\n2. Plastic")
    server.people.forward(mia, place, said)
    forwarded = await ear.message()
    assert (forwarded["text"], len(forwarded["files"])) == ("look", 2)
    assert "answers" not in forwarded


async def test_programs_and_notes_of_discord_say_nothing(ear: GatewayReader) -> None:
    server, home = ear.server, ear.server.world.home
    server.people.webhook_says(home, "CI", "deployed")
    server.people.write(server.world.add_user("beep", bot=True), home, "beep")
    server.people.write(server.world.bot, home, "our own words")
    for kind in (6, 7, 8, 18, 21, 24, 46):
        server.people.system(server.world.user("mia"), home, kind)
    for _ in range(10):
        assert await ear.hear("MESSAGE_CREATE") == []


async def test_without_the_intent_an_emptied_message_is_an_alarm_and_no_question() -> None:
    server = Discord(pace=0)
    async with server.serving(), line(server) as socket:
        ear = await listen(server, socket, EVERYTHING & ~CONTENT)
        server.move("mia", server.world.home)
        await server.say("mia", "lovely weather")
        with capture_logs() as logs:
            assert await ear.hear("MESSAGE_CREATE") == []
        assert logs == []
        server.move("mia", server.people.open_thread(server.world.user("mia"), server.world.home, "ferns"))
        said = await server.say("mia", "is anybody there?")
        with capture_logs() as logs:
            assert await ear.hear("MESSAGE_CREATE") == []
        (told,) = logs
        assert (told["event"], told["log_level"], told["external_id"]) == ("message_content_hidden", "error", said)
        await server.edit("mia", said, "hello?")
        assert await ear.hear("MESSAGE_UPDATE") == []
        await server.say("mia", f"<@{server.world.bot.id}> hello?")
        assert (await ear.message())["text"] == "hello?"


@pytest.mark.parametrize("field", ["channel_id", "id", "author", "content", "type", "timestamp"])
async def test_a_message_that_lacks_something_ends_nothing(ear: GatewayReader, field: str) -> None:
    ear.server.people.malformed(ear.server.world.user("mia"), ear.server.channel("mia"), "where?", without=field)
    heard = await ear.hear("MESSAGE_CREATE")
    assert [event.payload.get("text", "") for event in heard] == {
        "type": ["where?"],
        "timestamp": ["where?"],
        "content": [""],
    }.get(field, [])


# ── Interactions ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def offer_choices(ear: GatewayReader, count: int) -> tuple[list[Choice], OutboundMessage]:
    """A question of ours on mia's screen."""
    choices = [Choice(id=f"pot:{number}", label=f"Pot {number}") for number in range(count)]
    message = OutboundMessage(
        id="0d1f2e3a-0000-5000-8000-000000000001",
        author=Author(kind="agent"),
        text="Which one?",
        place=ear.server.place("mia"),
        contact_id="c",
        choices=choices,
        created_at=datetime.now(UTC),
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )
    (call,) = ear.channel.render(message, RenderContext("c1", ear.account))
    ear.server.posts.create(ear.server.channel("mia"), call.arguments["body"], {})
    return choices, message


@pytest.mark.parametrize("count", [1, 2, 5, 6, 25])
async def test_a_picked_component_comes_back_as_our_choice(ear: GatewayReader, count: int) -> None:
    choices, message = await offer_choices(ear, count)
    (shown,) = ear.server.ledger.shown
    assert shown.choices == [each.label for each in choices]
    await ear.server.choose("mia", shown, choices[-1].label)
    (event,) = await ear.hear("INTERACTION_CREATE")
    choice = event.payload["choice"]
    assert (choice.in_reply_to, choice.id, event.payload["text"]) == (message.id, choices[-1].id, choices[-1].label)


async def test_a_choice_that_was_never_offered_is_ignored_and_logged(ear: GatewayReader) -> None:
    await offer_choices(ear, 2)
    (shown,) = ear.server.ledger.shown
    real = shown.native["components"][0]["components"][0]["custom_id"]
    mia, place = ear.server.world.user("mia"), ear.server.channel("mia")
    message = place.messages[shown.id]
    other = ("B" if real[0] == "A" else "A") + real[1:]
    forged = [
        "",
        "yes",
        ".",
        "..",
        "\ud800",
        "é" + real[1:],
        real.replace("pot:0", "refund"),
        other,
        real + "x",
        real[:-1],
    ]
    for mark in forged:
        ear.server.people.interact(mia, place, message, {"custom_id": mark, "component_type": 2})
        with capture_logs() as logs:
            assert await ear.hear("INTERACTION_CREATE") == []
        assert [each["event"] for each in logs] == ["interaction_unknown"]
    elsewhere = ear.server.world.home
    ear.server.people.interact(mia, elsewhere, message, {"custom_id": real, "component_type": 2})
    assert await ear.hear("INTERACTION_CREATE") == []
    ear.server.people.interact(mia, place, message, {"custom_id": real, "component_type": 2})
    assert len(await ear.hear("INTERACTION_CREATE")) == 1


async def test_a_question_by_command_is_a_message(ear: GatewayReader) -> None:
    option = {"name": "question", "description": "what", "type": 3, "required": True}
    path = f"{ear.server.api_base}/applications/{ear.server.world.application}/commands"
    command = {"name": "ask", "description": "Ask us", "options": [option]}
    headers = {"Authorization": f"Bot {ear.server.world.token}", "User-Agent": "DiscordBot (x, 1)"}
    async with aiohttp.ClientSession() as session, session.post(path, json=command, headers=headers) as answer:
        assert answer.status == 201
    asked = ear.server.command("mia", "ask", "when do you open?")
    (event,) = await ear.hear("INTERACTION_CREATE")
    assert (event.external_id, event.payload["text"]) == (asked.id, "when do you open?")
    assert event.addresses[0].value == ear.server.world.user("mia").id


# ── Frames that are none ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[]", b"7", b"null", b'{"t":null,"d":{}}', b'{"t":"X"}', b'{"t":"X","d":[]}', b"[" * 100_000],
)
async def test_a_frame_that_is_no_event_is_refused(ear: GatewayReader, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        ear.parse(body)


@pytest.mark.parametrize("name", ["MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK"])
@pytest.mark.parametrize("odd", [None, 7, "x", [], {}, True, 1.5, {"id": {}}, [None]])
async def test_odd_values_in_any_field_end_nothing(ear: GatewayReader, name: str, odd: Any) -> None:
    await ear.server.say("mia", "hello", files=[File("a", "", b"1")])
    frame = await ear.frame("MESSAGE_CREATE")
    data = frame["d"] | {"edited_timestamp": frame["d"]["timestamp"], "ids": ["1"], "poll": {}, "flags": 1}
    more: dict[str, Any] = {
        "sticker_items": [{}],
        "message_snapshots": [{}],
        "member": {},
        "message_reference": {},
        "data": {},
    }
    count = 0
    for field in [*data, *more]:
        for event in ear.parse({"t": name, "s": None, "d": {**more, **data, field: odd}}):
            count += 1
            fields = {"id": "m", "message_id": "m", "external_id": event.external_id, "place": event.place}
            topics.EVENT_TYPES[event.type][0].model_validate({**event.payload, **fields, "contact_id": "c"})
    assert count > 0, "an odd value in one field must not hide every event"
