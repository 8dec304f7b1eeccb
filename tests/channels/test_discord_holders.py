"""Another process takes the account over: Discord repeats everything that happened meanwhile, in its order, to whoever
resumes the session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.discord.gateway import interaction_responses, sessions
from connectors.discord.gateway.shard_client import ShardClient
from connectors.streams.account_lease import AccountLease
from connectors.streams.account_stream import AccountEventStream
from schemas import topics
from schemas.envelope import Envelope
from schemas.messages import Author, Choice, OutboundMessage
from schemas.ports import RenderContext
from tests.channels.stream_account import TIMES, StreamProcesses, hall_of, wait_until, wait_until_true
from tests.simulators.discord import Discord
from tests.simulators.vendor import Fault, Request

EDIT, DELETION, REACTION, MESSAGE = (
    topics.MESSAGE_EDITED,
    topics.MESSAGE_DELETED,
    topics.REACTION_CHANGED,
    topics.MESSAGE_RECEIVED,
)
SELDOM = replace(TIMES, ttl=3.0, renew=2.5)
"""The note is written with every renewal of the lease: a process that is killed before the first one leaves an old
note."""


@pytest.fixture
async def server() -> AsyncIterator[Discord]:
    async with Discord(pace=0).serving() as discord:
        discord.gateway.beat_seconds = 0.1
        yield discord


@pytest.fixture
async def stream_processes(
    server: Discord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StreamProcesses]:
    monkeypatch.setattr(sessions, "MIN_SPACING", timedelta(0))
    async with hall_of(server, tmp_path) as stream_processes:
        yield stream_processes


async def read_events(stream_processes: StreamProcesses) -> list[str]:
    """The events on the log, each once, in its order."""
    found: dict[str, str] = {}
    async for record in await stream_processes.bus.read(topics.inbound("discord")):
        event = Envelope.from_wire(record.headers, record.value)
        if event.type in (EDIT, DELETION, REACTION, MESSAGE):
            found[event.id] = event.type
    return list(found.values())


def count_requests(server: Discord, operation: str) -> int:
    return sum(each.operation == operation for each in server.ledger.requests)


async def wait_until_connected(server: Discord) -> None:
    await wait_until(lambda: any(each.connection is not None for each in server.gateway.sessions.values()))


async def heartbeats(server: Discord, count: int) -> None:
    """Until so many more have arrived. What a heartbeat names is not repeated any more."""
    seen = []

    def note(request: Request) -> Fault | None:
        seen.append(request.operation)
        return None

    server.gateway.faults.always = note
    await wait_until(lambda: seen.count("Heartbeat") >= count)


def offer_choices(stream_processes: StreamProcesses, server: Discord) -> None:
    message = OutboundMessage(
        id="0d1f2e3a-0000-5000-8000-000000000001",
        author=Author(kind="agent"),
        text="Which one?",
        place=server.place("mia"),
        contact_id="c",
        choices=[Choice(id="pot:1", label="Pot 1")],
        created_at=datetime.now(UTC),
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )
    (call,) = stream_processes.channel.render(message, RenderContext("c1", stream_processes.account))
    server.posts.create(server.channel("mia"), call.arguments["body"], {})


async def do_nothing(*_: object) -> None: ...


@pytest.mark.parametrize("end", ["stopped", "killed"])
async def test_whatever_happens_while_the_account_passes_on_is_heard_once_and_in_its_order(
    server: Discord, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Also what the first process had received and not appended. One that is killed leaves no last note, and its lease
    expires."""
    offer_choices(stream_processes, server)
    (shown,) = server.ledger.shown
    with monkeypatch.context() as killed:
        async with stream_processes.process(SELDOM if end == "killed" else TIMES):
            await wait_until_connected(server)
            first, second = await server.say("mia", "my fern"), await server.say("mia", "is yellow")
            await stream_processes.until("my fern", "is yellow")
            await heartbeats(server, 2)
            stream_processes.narrow.is_closed = True
            await server.edit("mia", first, "my ferns")
            await wait_until(lambda: stream_processes.narrow.refused)
            await heartbeats(server, 2)
            if end == "killed":
                for part, method in ((AccountLease, "release"), (AccountEventStream, "close"), (ShardClient, "_end")):
                    killed.setattr(part, method, do_nothing)
    await server.delete("mia", second)
    await server.react("mia", first, "👍")
    press = await server.choose("mia", shown, "Pot 1")
    await server.say("leo", "hello?")
    stream_processes.narrow.is_closed = False
    async with stream_processes.process():
        wanted = [MESSAGE, MESSAGE, EDIT, DELETION, REACTION, MESSAGE, MESSAGE]

        async def all_happened() -> bool:
            return len(await read_events(stream_processes)) >= len(wanted)

        await wait_until_true(all_happened)
        await server.settled()
        assert await read_events(stream_processes) == wanted
        assert await stream_processes.heard() == ["my fern", "is yellow", "Pot 1", "hello?"]
        await server.ledger.until(lambda: server.interactions.made[press].answered)
    assert server.interactions.made[press].answered == interaction_responses.DEFERRED_UPDATE
    assert (count_requests(server, "Identify"), count_requests(server, "Resume")) == (1, 1)
    assert not any(message.backfilled for _, message in await stream_processes.appended())


async def test_a_process_that_resumes_reads_the_histories_that_the_one_before_could_not(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    """It was to read them because its own session was new; also what a stranger wrote first."""
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "before")
        await stream_processes.until("before")
    server.gateway.sessions.clear()
    await server.say("mia", "meanwhile")
    await server.say("leo", "a stranger")
    stream_processes.narrow.is_closed = True
    async with stream_processes.process():
        await wait_until(lambda: count_requests(server, "Identify") == 2)
        await wait_until_connected(server)
        await server.say("mia", "not appended")
        await wait_until(lambda: stream_processes.narrow.refused)
    stream_processes.narrow.is_closed = False
    async with stream_processes.process():
        await stream_processes.until("before", "meanwhile", "not appended")
        await server.say("leo", "again")
        await stream_processes.until("before", "meanwhile", "not appended", "a stranger", "again")
    assert (count_requests(server, "Identify"), count_requests(server, "Resume")) == (2, 2)
