"""First direct messages of strangers that fall between two sessions. Discord does not list them, so they are read when
the next event names their channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.discord.gateway import sessions, stream
from connectors.streams import catch_up
from connectors.streams.account_lease import AccountLease
from schemas.errors import Fenced
from tests.channels.stream_account import StreamProcesses, hall_of, wait_until
from tests.simulators.discord import Discord
from tests.simulators.vendor import Fault

HISTORY = "Get Channel Messages"


@pytest.fixture
async def server() -> AsyncIterator[Discord]:
    async with Discord(pace=0).serving() as discord:
        yield discord


@pytest.fixture
async def stream_processes(
    server: Discord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StreamProcesses]:
    """One process has listened, and heard Mia. Then Discord forgets the session. Pauses that it asks for are short."""
    monkeypatch.setattr(stream, "INVALID_PAUSE", (0.01, 0.02))
    monkeypatch.setattr(sessions, "MIN_SPACING", timedelta(0))
    async with hall_of(server, tmp_path) as stream_processes:
        async with stream_processes.process():
            await wait_until_connected(server)
            await server.say("mia", "known")
            await stream_processes.until("known")
        server.gateway.sessions.clear()
        yield stream_processes


async def wait_until_connected(server: Discord) -> None:
    await wait_until(lambda: any(each.connection is not None for each in server.gateway.sessions.values()))
    await server.settled()


def count_reads(server: Discord) -> int:
    return sum(each.operation == HISTORY for each in server.ledger.requests)


async def test_a_strangers_first_message_is_read_before_their_second_and_never_again(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    """A known contact's channel was read with the other histories."""
    await server.say("leo", "hello?")
    await server.say("mia", "meanwhile")
    async with stream_processes.process():
        await stream_processes.until("known", "meanwhile")
        await server.say("leo", "anybody there?")
        await stream_processes.until("known", "meanwhile", "hello?", "anybody there?")
        reads = count_reads(server)
        await server.say("leo", "yes?")
        await server.say("mia", "thanks")
        await stream_processes.until("known", "meanwhile", "hello?", "anybody there?", "yes?", "thanks")
        assert count_reads(server) == reads
    others = ("known", "meanwhile", "thanks")
    appended = [message for _, message in await stream_processes.appended() if message.text not in others]
    assert [(each.text, each.backfilled) for each in appended] == [
        ("hello?", True),
        ("anybody there?", False),
        ("yes?", False),
    ]


async def test_nothing_is_read_where_nobody_missed_anything(server: Discord, tmp_path: Path) -> None:
    async with hall_of(server, tmp_path) as first, first.process():
        await wait_until_connected(server)
        await server.say("leo", "hello")
        await first.until("hello")
        assert count_reads(server) == 0


async def test_after_each_gap_a_stranger_is_read_once(server: Discord, stream_processes: StreamProcesses) -> None:
    said = ["known"]
    for person in ("leo", "ann"):
        server.gateway.sessions.clear()
        await server.say(person, f"{person} in a gap")
        async with stream_processes.process():
            await wait_until_connected(server)
            await server.say(person, f"{person} again")
            said += [f"{person} in a gap", f"{person} again"]
            await stream_processes.until(*said)


async def test_a_gap_is_remembered_by_the_next_process_and_through_another_gap(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    await server.say("leo", "hello?")
    await server.say("ann", "is anyone here?")
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "the histories are read")
        said = ["known", "the histories are read"]
        await stream_processes.until(*said)
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "still here")
        await server.say("leo", "anybody there?")
        said += ["still here", "hello?", "anybody there?"]
        await stream_processes.until(*said)
        assert count_reads(server) == 2, "Mia's, known, was read once, by the first process"
    server.gateway.sessions.clear()
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("ann", "ann again")
        await stream_processes.until(*said, "is anyone here?", "ann again")


@pytest.mark.parametrize("how", ["edit", "react"])
async def test_an_edit_or_a_reaction_names_the_channel_too(
    server: Discord, stream_processes: StreamProcesses, how: str
) -> None:
    first = await server.say("leo", "my fern")
    await server.say("leo", "is yellow")
    async with stream_processes.process():
        await wait_until_connected(server)
        if how == "edit":
            await server.edit("leo", first, "my ferns")
        else:
            await server.react("leo", first, "👍")
        await stream_processes.until("known", "my ferns" if how == "edit" else "my fern", "is yellow")


@pytest.mark.parametrize("fault", [Fault("refuse", HISTORY, status=500), Fault("slow", HISTORY, seconds=30)])
async def test_a_history_that_cannot_be_read_delays_no_event_for_long_and_is_read_later(
    server: Discord, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(catch_up, "PLACE_SECONDS", 0.5)
    await server.say("leo", "hello?")
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "the histories are read")
        await stream_processes.until("known", "the histories are read")
        server.faults.next(fault)
        await server.say("leo", "anybody there?")
        await stream_processes.until("known", "the histories are read", "anybody there?", "hello?")
    heard = await stream_processes.heard()
    assert heard.index("anybody there?") < heard.index("hello?")


async def test_a_history_that_could_not_be_read_is_read_by_the_next_process(
    server: Discord, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is cut off from the store, as one that is killed, right after the event that named the place."""
    await server.say("leo", "hello?")
    with monkeypatch.context() as cut_off:
        async with stream_processes.process():
            await wait_until_connected(server)
            await server.say("mia", "the histories are read")
            await stream_processes.until("known", "the histories are read")
            server.faults.always = lambda request: Fault("refuse", status=500) if request.operation == HISTORY else None
            await server.say("leo", "anybody there?")
            await stream_processes.until("known", "the histories are read", "anybody there?")
            cut_off.setattr(AccountLease, "save_note", refuse_note)
    server.faults.always = lambda request: None
    async with stream_processes.process():
        await stream_processes.until("known", "the histories are read", "anybody there?", "hello?")


async def refuse_note(lease: AccountLease, note: str) -> None:
    raise Fenced("killed")


async def test_messages_of_all_strangers_are_read_once_histories_can_be_read_again(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    strangers = ("leo", "ann", "tom")
    for each in strangers:
        await server.say(each, f"{each} in the gap")
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "the histories are read")
        said = ["known", "the histories are read"]
        await stream_processes.until(*said)
        server.faults.always = lambda request: Fault("refuse", status=500) if request.operation == HISTORY else None
        for each in strangers:
            await server.say(each, f"{each} again")
        said += [f"{each} again" for each in strangers]
        await stream_processes.until(*said)
        server.faults.always = lambda request: None
        await stream_processes.until(*said, *(f"{each} in the gap" for each in strangers))
