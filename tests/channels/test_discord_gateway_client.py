"""discord.py under our lease: its addresses, what it cannot read, and its end."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import discord
import pytest
from structlog.testing import capture_logs
from yarl import URL

from connectors.discord.gateway import sessions, shard_client, stream
from connectors.discord.gateway.event_queue import EventQueue, GatewayEvent, parse_frame
from connectors.discord.gateway.sessions import Session
from connectors.discord.gateway.shard_client import ShardClient, explain_error
from connectors.discord.settings import API_BASE, DiscordAccount
from schemas.errors import CredentialsRevoked, ParleyError, RetryLater, SetupError
from tests.channels.stream_account import StreamProcesses, hall_of, now, wait_until, wait_until_true
from tests.simulators.discord import Discord, gateway
from tests.simulators.discord.connections import Connection
from tests.simulators.discord.payloads import ready_json
from tests.simulators.discord.streams import Zlib
from tests.simulators.vendor import Fault


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "INVALID_PAUSE", (0.01, 0.02))
    monkeypatch.setattr(sessions, "MIN_SPACING", timedelta(0))


@pytest.fixture
async def server() -> AsyncIterator[Discord]:
    async with Discord(pace=0).serving() as there:
        yield there


@pytest.fixture
async def stream_processes(server: Discord, tmp_path: Path) -> AsyncIterator[StreamProcesses]:
    async with hall_of(server, tmp_path) as processes:
        yield processes


async def wait_until_connected(server: Discord) -> None:
    await wait_until(lambda: any(each.connection is not None for each in server.gateway.sessions.values()))


def count_requests(server: Discord, operation: str) -> int:
    return sum(each.operation == operation for each in server.ledger.requests)


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_two_accounts_of_one_process_have_their_own_addresses(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        halls = []
        for number in range(2):
            there = await stack.enter_async_context(Discord(pace=0, seed=number + 1).serving())
            folder = tmp_path / str(number)
            folder.mkdir()
            halls.append((there, await stack.enter_async_context(hall_of(there, folder))))
        for _, hall in halls:
            await stack.enter_async_context(hall.process())
        for number, (there, hall) in enumerate(halls):
            await wait_until_connected(there)
            await there.say("mia", f"to bot {number}")
            await hall.until(f"to bot {number}")
            assert count_requests(there, "Get Current User") == 1


@pytest.mark.parametrize(
    ("settings", "url", "reached"),
    [
        ({}, f"{API_BASE}/users/@me", "/api/v10/users/@me"),
        ({}, "wss://gateway.discord.gg/?v=10", "/?v=10"),
        ({"api_base": "{base}/proxy/v10/"}, f"{API_BASE}/users/@me?a=1", "/proxy/v10/users/@me?a=1"),
        ({"gateway_url": "{base}/gateway"}, "wss://gateway-us-east1-b.discord.gg/?v=10", "/gateway?v=10"),
        ({"gateway_url": "{base}/gateway"}, "{base}/api/v10/users/@me", "/api/v10/users/@me"),
    ],
)
async def test_a_request_goes_to_the_configured_address(settings: dict[str, str], url: str, reached: str) -> None:
    """Whatever is not configured stays Discord's: here the resolver leads it to the same server, without TLS."""
    heard = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        chosen = {name: value.format(base=base) for name, value in settings.items()}
        connector = shard_client.AccountConnector(DiscordAccount.model_validate({"token": "t", **chosen}))
        target = URL(url.format(base=base))
        if not settings:
            assert connector.find_address(target) == target
            return await connector.close()
        async with aiohttp.ClientSession(connector=connector) as http, http.get(target) as response:
            assert response.status == 204
        first, *headers = (await heard).splitlines()
    assert first == f"GET {reached} HTTP/1.1"
    assert f"Host: {URL(base).authority}" in headers
    return None


# ── what discord.py cannot read ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("field", ["channel_id", "id", "author", "content", "type", "timestamp"])
async def test_an_event_that_discord_py_cannot_read_costs_no_connection(
    server: Discord, stream_processes: StreamProcesses, field: str
) -> None:
    """What follows is heard over the same connection."""
    async with stream_processes.process():
        await wait_until_connected(server)
        for number in range(3):
            server.people.malformed(server.world.user("mia"), server.channel("mia"), "odd", without=field)
            await server.say("mia", str(number))
        await wait_until(lambda: len(server.gateway.connections) == 1)
        said = ["0", "1", "2"]

        async def all_heard() -> bool:
            return [each for each in await stream_processes.heard() if each in said] == said

        await wait_until_true(all_heard)
        server.gateway.ask_heartbeat()
        await server.settled()
        assert (count_requests(server, "Identify"), count_requests(server, "Resume")) == (1, 0)
        server.gateway.hang_up()
        await server.say("mia", "3")
        said.append("3")
        await wait_until_true(all_heard)
        assert (count_requests(server, "Identify"), count_requests(server, "Resume")) == (1, 1)


async def test_a_greeting_that_discord_py_cannot_read_keeps_nobody_waiting(
    server: Discord, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_servers(*facts: Any) -> dict[str, Any]:
        return {**ready_json(*facts), "guilds": None}

    monkeypatch.setattr(gateway, "ready_json", without_servers)
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "hello")
        await stream_processes.until("hello")


async def test_a_compressed_stream_that_cannot_be_read_is_ended_and_nothing_is_lost(
    server: Discord, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "before")
        await stream_processes.until("before")
        with monkeypatch.context() as garbled:
            garbled.setattr(Zlib, "frame", lambda *_: b"garbage" + b"\x00\x00\xff\xff")
            await server.say("mia", "garbled")
            await wait_until(lambda: not server.gateway.connections)
        await stream_processes.until("before", "garbled")
        assert (count_requests(server, "Identify"), count_requests(server, "Resume")) == (1, 1)


async def test_a_gateway_that_ends_every_connection_is_given_up(
    server: Discord, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """discord.py would try again without a pause, forever. A new session takes its place, and histories."""
    monkeypatch.setattr(shard_client, "MAX_LOSSES", 3)
    monkeypatch.setattr(shard_client, "LOSS_PAUSE", 0.01)
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "before")
        await stream_processes.until("before")
        server.gateway.faults.always = lambda request: (
            Fault("refuse", status=4000) if request.operation == "Resume" else None
        )
        with capture_logs() as lines:
            server.gateway.hang_up(4000)
            await wait_until(lambda: any(line["event"] == "stream_ended" for line in lines))
        assert count_requests(server, "Resume") <= 3
        await server.say("mia", "meanwhile")
        await stream_processes.until("before", "meanwhile")
        assert count_requests(server, "Resume") <= 3


async def test_a_connection_that_breaks_before_the_first_greeting_is_tried_again(
    server: Discord, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_client, "HEARTBEAT_TIMEOUT", 0.2)
    server.gateway.beat_seconds = 0.05
    server.gateway.faults.next(Fault("lose", "Hello"))
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "at last")
        await stream_processes.until("at last")


ENDED = cast("aiohttp.ClientWebSocketResponse", SimpleNamespace(close_code=None))


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (discord.LoginFailure("no"), CredentialsRevoked),
        (discord.ConnectionClosed(ENDED, shard_id=0, code=4014), SetupError),
        (discord.ConnectionClosed(ENDED, shard_id=0, code=4004), CredentialsRevoked),
        (discord.RateLimited(31.5), RetryLater),
        (aiohttp.ClientConnectionError(), RetryLater),
        (TimeoutError(), RetryLater),
    ],
)
def test_an_error_of_discord_py_has_a_meaning_for_the_account(error: Exception, meaning: type[ParleyError]) -> None:
    found = explain_error(error)
    assert type(found) is meaning
    assert found.retry_after_ms == (31_500 if isinstance(error, discord.RateLimited) else None)


# ── waiting and ending ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_since_when_events_wait_is_told_until_they_are_appended() -> None:
    told: list[datetime | None] = []
    events = EventQueue(now, told.append)
    session = Session(id="x")
    for number in range(1, 4):
        events.put(session, GatewayEvent(t="X", d={}, s=number))
    (oldest,) = told
    assert [each.s for each in await events.take(2)] == [1, 2]
    assert (told, session.seq) == ([oldest], 0)
    events.finish()
    assert session.seq == 2
    assert oldest is not None
    assert told[-1] is not None
    assert oldest < told[-1]
    assert [each.s for each in await events.take(5)] == [3]
    events.finish()
    await events.wait_until_empty()
    assert told[-1] is None


@pytest.mark.parametrize(
    "raw", ["no json", "[]", "{}", '{"op": 11}', '{"op": 0, "s": 1, "d": {}}', '{"op": 0, "t": "X"}']
)
def test_a_frame_that_is_no_event_is_passed_over(raw: str) -> None:
    assert parse_frame(raw) is None
    assert parse_frame('{"op": 0, "t": "RESUMED", "s": 7, "d": null}') == GatewayEvent(t="RESUMED", d={}, s=7)


def test_what_a_resumed_session_repeats_is_not_new() -> None:
    session = Session(id="x", seq=5)
    assert [session.mark_received(number) for number in (4, 5, 6, 7, 6, 7, 8)] == [0, 0, 1, 1, 0, 0, 1]


async def test_a_process_that_stops_does_not_wait_for_a_gateway_that_says_nothing(
    server: Discord, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may have the account soon."""
    is_deaf, is_over = asyncio.Event(), asyncio.Event()

    async def hang(connection: Connection, wait: float) -> None:
        is_deaf.set()
        await is_over.wait()

    server.gateway.beat_seconds = 0.1
    async with asyncio.timeout(20):
        async with stream_processes.process():
            await wait_until_connected(server)
            monkeypatch.setattr(Connection, "next", hang)
            await is_deaf.wait()
    is_over.set()


def test_discord_py_is_what_holds_the_connection() -> None:
    assert issubclass(ShardClient, discord.Client)
    assert sys.modules["discord"] is discord


def test_a_socket_of_discord_py_is_opened_as_before() -> None:
    """``from_client`` is meant for internal use, so a new minor version may change it: see ADR 50."""
    socket = discord.gateway.DiscordWebSocket
    wanted = {"initial", "gateway", "shard_id", "session", "sequence", "resume"}
    assert wanted < set(inspect.signature(socket.from_client).parameters)
    assert callable(socket.poll_event)
    assert {"op", "resume"} < set(vars(discord.gateway.ReconnectWebSocket(0)))
