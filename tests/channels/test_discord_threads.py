"""Discord's open channels and threads: what is for the bot, whose conversation it is, and where the answer goes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.discord.gateway import sessions
from connectors.discord.messages import CREATE
from schemas import ids, topics
from schemas.conversation import Origin
from schemas.conversation_activity import MessageEdited
from schemas.envelope import Envelope
from schemas.messages import Address, Author, InboundMessage, TranscriptMessage
from tests.channels.discord_channel import Desk, desk_at_discord
from tests.channels.stream_account import StreamProcesses, hall_of, now, wait_until, wait_until_true
from tests.simulators.discord import Discord
from tests.simulators.vendor import Fault, Request

PEOPLE = ("ann", "ben", "cleo", "dan", "eve")
OPEN = "Start Thread from Message"


@pytest.fixture
async def server() -> AsyncIterator[Discord]:
    async with Discord(pace=0).serving() as discord:
        for person in PEOPLE:
            discord.move(person, discord.world.home)
        yield discord


@pytest.fixture
async def stream_processes(
    server: Discord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StreamProcesses]:
    monkeypatch.setattr(sessions, "MIN_SPACING", timedelta(0))
    async with hall_of(server, tmp_path) as stream_processes:
        yield stream_processes


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with desk_at_discord() as desk:
        desk.server.move("mia", desk.server.world.home)
        yield desk


async def wait_until_connected(server: Discord) -> None:
    await wait_until(lambda: any(each.connection is not None for each in server.gateway.sessions.values()))
    await server.settled()


def thread_of(server: Discord, message: str) -> Any:
    """What an answer to it opens."""
    home, found = server.world.message(message)
    return server.channels.make_thread(home, "a question", server.world.bot, starter=found)


async def events(stream_processes: StreamProcesses, kind: str) -> list[Envelope]:
    found = []
    async for record in await stream_processes.bus.read(topics.inbound("discord")):
        event = Envelope.from_wire(record.headers, record.value)
        found += [event] if event.type == kind else []
    return found


async def test_five_people_who_ask_in_one_channel_have_five_conversations(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    async with stream_processes.process():
        await wait_until_connected(server)
        for person in PEOPLE:
            await server.say(person, f"{server.mention} I am {person}")
        await stream_processes.until(*(f"I am {person}" for person in PEOPLE))
    told = await events(stream_processes, topics.MESSAGE_RECEIVED)
    assert len({each.conversation for each in told}) == len(PEOPLE)


async def test_in_a_channel_only_what_calls_the_bot_is_for_it(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    """By its name, by its role or by an answer to one of its messages; talk among people makes nobody a contact."""
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("ben", "lovely weather")
        own = server.people.write(server.world.bot, server.world.home, "Yes, to Norway.")
        await server.say("ann", f"<@&{server.world.bot_role}> hello by the role")
        await server.say("cleo", "and to Sweden?", reply_to=own.id)
        await server.say("dan", f"<@!{server.world.bot.id}> hello by the old form")
        await stream_processes.until("hello by the role", "and to Sweden?", "hello by the old form")
        await wait_until_true(lambda: _conversations_are(stream_processes, 3))


async def test_only_the_asker_continues_in_the_thread_without_a_mention(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    async with stream_processes.process():
        await wait_until_connected(server)
        asked = await server.say("ann", f"{server.mention} do you ship to Norway?")
        await stream_processes.until("do you ship to Norway?")
        thread = thread_of(server, asked)
        for person in ("ann", "ben"):
            server.move(person, thread)
        await server.say("ben", "I wonder too")
        await server.say("ann", "and to Sweden?")
        await server.say("ben", f"{server.mention} and what about me?")
        await stream_processes.until("do you ship to Norway?", "and to Sweden?", "and what about me?")
    told = await events(stream_processes, topics.MESSAGE_RECEIVED)
    assert len({each.conversation for each in told}) == 1
    contacts = [message.contact_id for _, message in await stream_processes.appended()]
    assert contacts[0] == contacts[1] != contacts[2]


async def test_another_process_knows_a_thread_although_discord_does_not_tell_of_it_again(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    async with stream_processes.process():
        await wait_until_connected(server)
        asked = await server.say("ann", f"{server.mention} one")
        await stream_processes.until("one")
        server.move("ann", thread_of(server, asked))
        await server.settled()
    async with stream_processes.process():
        await server.say("ann", "two")
        await server.say("ben", f"{server.mention} three")
        await stream_processes.until("one", "two", "three")
    said = {text: event.conversation for event, text in await _texts(stream_processes)}
    assert said["one"] == said["two"] != said["three"]


async def test_changes_and_deletions_count_where_they_belong_to_a_question(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    async with stream_processes.process():
        await wait_until_connected(server)
        chat = await server.say("ben", "lovely weather")
        asked = await server.say("ann", f"{server.mention} one")
        await stream_processes.until("one")
        await server.edit("ben", chat, "awful weather")
        await server.delete("ben", chat)
        await server.edit("ann", asked, f"{server.mention} two")
        await server.delete("ann", asked)
        await wait_until_true(lambda: _are(stream_processes, topics.MESSAGE_DELETED, 1))
    changes = [
        *await events(stream_processes, topics.MESSAGE_EDITED),
        *await events(stream_processes, topics.MESSAGE_DELETED),
    ]
    (question,) = await events(stream_processes, topics.MESSAGE_RECEIVED)
    assert [each.conversation for each in changes] == [question.conversation] * 2
    assert changes[0].payload(MessageEdited).text == "two"


async def _conversations_are(stream_processes: StreamProcesses, count: int) -> bool:
    return len((await stream_processes.state.conversations.list_page("shop")).items) == count


async def _texts(stream_processes: StreamProcesses) -> list[tuple[Envelope, str]]:
    """The log of several conversations has no order."""
    return [
        (event, event.payload(InboundMessage).text) for event in await events(stream_processes, topics.MESSAGE_RECEIVED)
    ]


async def _are(stream_processes: StreamProcesses, kind: str, count: int) -> bool:
    return len(await events(stream_processes, kind)) == count


async def test_a_conversation_of_before_goes_on_in_its_thread_and_its_old_messages_are_found_in_a_channel(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    """Places used to be the channel's or the thread's id alone."""
    world = server.world
    thread = server.people.open_thread(world.user("ann"), world.home, "ferns")
    old = server.people.write(world.user("ann"), world.home, "an old question")
    before = {
        place: await _conversation_of_before(stream_processes, place, world.user("ann").id)
        for place in (world.home.id, thread.id)
    }
    line = ids.event_id("shop", "discord", "main", world.home.id, old.id, "message.received")
    said = TranscriptMessage(id=line, author=Author(kind="contact"), text="an old question", created_at=now())
    await stream_processes.state.transcript.add(before[world.home.id], said)
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("ann", "no mention, so not for the bot")
        server.people.edit(world.home, old, "an old question, changed")
        server.people.delete(world.home, old.id)
        server.move("ann", thread)
        await server.say("ann", "still here")
        await stream_processes.until("still here")
        await wait_until_true(lambda: _are(stream_processes, topics.MESSAGE_DELETED, 1))
    changes = [
        *await events(stream_processes, topics.MESSAGE_EDITED),
        *await events(stream_processes, topics.MESSAGE_DELETED),
    ]
    assert [each.conversation for each in changes] == [before[world.home.id]] * 2
    assert changes[0].payload(MessageEdited).message_id == line
    (goes_on,) = await events(stream_processes, topics.MESSAGE_RECEIVED)
    assert goes_on.conversation == before[thread.id]


async def _conversation_of_before(stream_processes: StreamProcesses, place: str, user: str) -> str:
    address = Address(channel="discord", value=user, assurance="channel")
    contact, conversation = await stream_processes.state.contacts.resolve(
        "shop", "discord", "main", place, [address], now=now()
    )
    origin = Origin(tenant="shop", channel="discord", account="main", place=place, contact_id=contact.id)
    await stream_processes.state.conversations.open(conversation, origin, now=now())
    return conversation


# ── where the answer goes ────────────────────────────────────────────────────────────────────────────────────────────


def question(desk: Desk, text: str = "do you ship to Norway?") -> str:
    world = desk.server.world
    return desk.server.people.write(world.user("mia"), world.home, f"{desk.server.mention} {text}").id


def place(desk: Desk, asked: str) -> str:
    return f"{desk.server.world.home.id}/{asked}"


async def test_the_first_answer_opens_a_thread_named_after_the_question(desk: Desk) -> None:
    asked = question(desk)
    (call,) = desk.calls("Yes.", place=place(desk, asked), answers=asked)
    await desk.send(call)
    thread = desk.server.world.channels[asked]
    assert (thread.name, thread.parent) == ("do you ship to Norway?", desk.server.world.home.id)
    (first,) = desk.server.ledger.at(asked)
    assert first.text == "Yes."
    (call,) = desk.calls("And cheap.", place=place(desk, asked))
    await desk.send(call, "r2")
    assert [each.text for each in desk.server.ledger.at(asked)] == ["Yes.", "And cheap."]
    assert desk.asked(OPEN) == 1
    assert desk.server.ledger.at(desk.server.world.home.id) == []


async def test_a_thread_that_somebody_else_was_quicker_to_open_is_used(desk: Desk) -> None:
    asked = question(desk)

    def open_first(request: Request) -> None:
        if request.operation == OPEN and asked not in desk.server.world.channels:
            thread_of(desk.server, asked)

    desk.server.faults.always = open_first
    (call,) = desk.calls("Yes.", place=place(desk, asked))
    await desk.send(call)
    assert [each.text for each in desk.server.ledger.at(asked)] == ["Yes."]


@pytest.mark.parametrize("operation", [OPEN, CREATE])
async def test_an_answer_whose_thread_was_opened_before_a_failure_is_shown_once(desk: Desk, operation: str) -> None:
    asked = question(desk)
    (call,) = desk.calls("Yes.", place=place(desk, asked))
    desk.server.faults.next(Fault("drop_after", operation))
    with pytest.raises(Exception, match="no answer"):
        await desk.send(call)
    await desk.send(call)
    assert [each.text for each in desk.server.ledger.at(asked)] == ["Yes."]
    assert await desk.connection.lookup(call, "r1") == desk.server.ledger.at(asked)[0].id


async def test_without_the_permission_the_answer_stays_in_the_channel_below_the_question(desk: Desk) -> None:
    asked, home = question(desk), desk.server.world.home
    home.denied.add("CREATE_PUBLIC_THREADS")
    (call,) = desk.calls("Yes.", place=place(desk, asked), answers=asked)
    shown = await desk.send(call)
    (only,) = desk.server.ledger.at(home.id)
    assert (only.text, home.messages[shown].data["message_reference"]["message_id"]) == ("Yes.", asked)
    assert await desk.connection.lookup(call, "r1") == shown
    edited = desk.channel.render_edit(call, shown)
    assert edited is not None
    await desk.send(edited)
    await desk.connection.show_typing(place(desk, asked), asked)


async def test_an_answer_to_a_question_that_is_gone_is_shown_in_the_channel(desk: Desk) -> None:
    asked, home = question(desk), desk.server.world.home
    desk.server.people.delete(home, asked)
    (call,) = desk.calls("Yes.", place=place(desk, asked), answers=asked)
    await desk.send(call)
    assert [each.text for each in desk.server.ledger.at(home.id)] == ["Yes."]


async def test_an_answer_to_a_person_in_a_channel_goes_to_the_channel(desk: Desk) -> None:
    asked, home = question(desk), desk.server.world.home
    (call,) = desk.calls("Yes.", place=f"{home.id}:{desk.server.world.user('mia').id}", answers=asked)
    shown = await desk.send(call)
    assert home.messages[shown].data["message_reference"]["message_id"] == asked
    assert desk.asked(OPEN) == 0
