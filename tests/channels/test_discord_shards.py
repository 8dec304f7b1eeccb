"""A bot in many servers, which Discord wants to come with several connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.discord.gateway import sessions, stream
from tests.channels.stream_account import StreamProcesses, hall_of, wait_until
from tests.simulators.discord import Discord
from tests.simulators.vendor import Fault

APART = timedelta(seconds=0.6)


@pytest.fixture
async def server() -> AsyncIterator[Discord]:
    """Five seconds are a fraction of one here, and half of that for the server: on a loaded machine what was sent apart
    arrives closer together."""
    async with Discord(pace=0.5 * APART.total_seconds() / 5).serving() as discord:
        discord.move("leo", discord.world.home)
        yield discord


@pytest.fixture
async def stream_processes(
    server: Discord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StreamProcesses]:
    monkeypatch.setattr(stream, "INVALID_PAUSE", (0.01, 0.02))
    monkeypatch.setattr(sessions, "MIN_SPACING", APART)
    async with hall_of(server, tmp_path) as stream_processes:
        yield stream_processes


def of_server(server: Discord) -> int:
    """A number of shards with which the server and direct messages belong to different ones."""
    return next(count for count in range(2, 64) if (int(server.world.guild) >> 22) % count)


def list_requested_shards(server: Discord, operation: str) -> list[object]:
    return [(each.body or {}).get("shard") for each in server.ledger.requests if each.operation == operation]


async def wait_until_connected(server: Discord, count: int) -> None:
    await wait_until(lambda: sum(each.connection is not None for each in server.gateway.sessions.values()) == count)


@pytest.mark.parametrize("at_once", [1, 4])
async def test_each_shard_identifies_in_its_turn_and_tells_of_its_part(
    server: Discord, stream_processes: StreamProcesses, at_once: int
) -> None:
    """A process that follows resumes them all, and asks for no identification."""
    server.gateway.shards = count = of_server(server)
    server.gateway.max_concurrency = at_once
    async with stream_processes.process():
        await wait_until_connected(server, count)
        await server.say("mia", "in a direct message")
        await server.say("leo", f"{server.mention} in the server")
        await stream_processes.until("in a direct message", "in the server")
        await server.settled()
    await server.say("mia", "meanwhile")
    await server.say("leo", f"{server.mention} there too")
    async with stream_processes.process():
        await stream_processes.until("in a direct message", "in the server", "meanwhile", "there too")
    assert list_requested_shards(server, "Identify") == [[number, count] for number in range(count)]
    assert len(list_requested_shards(server, "Resume")) == count
    assert set(server.gateway.closes) == {4000}


async def test_a_shard_that_is_lost_comes_back_and_nothing_is_lost(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    server.gateway.shards = count = of_server(server)
    async with stream_processes.process():
        await wait_until_connected(server, count)
        await server.say("mia", "before")
        await stream_processes.until("before")
        server.gateway.faults.next(Fault("limit", "Resume"))  # and one of them is to begin anew
        next(iter(server.gateway.connections)).cut()
        await server.say("mia", "meanwhile")
        await server.say("leo", f"{server.mention} there too")
        await stream_processes.until("before", "meanwhile", "there too")
        await wait_until(lambda: len(list_requested_shards(server, "Identify")) == count + 1)
        await wait_until_connected(server, count)


async def test_when_discord_wants_more_shards_the_bot_comes_with_them(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    """What was said meanwhile is read from the histories."""
    async with stream_processes.process():
        await wait_until_connected(server, 1)
        await server.say("leo", f"{server.mention} before")
        await stream_processes.until("before")
        await server.settled()
        server.gateway.shards = count = of_server(server)
        server.gateway.hang_up(4011)
        server.gateway.sessions.clear()
        await server.say("leo", f"{server.mention} meanwhile")
        await wait_until_connected(server, count)
        await stream_processes.until("before", "meanwhile")


async def test_a_bot_with_more_shards_than_its_budget_waits(server: Discord, stream_processes: StreamProcesses) -> None:
    """Nothing is spent on a part of them."""
    server.gateway.shards = 3
    server.gateway.identify_budget = stream.RESERVED_IDENTIFIES + 2
    async with stream_processes.process():
        await wait_until(lambda: len(list_requested_shards(server, "Get Gateway Bot")) >= 1)
    assert list_requested_shards(server, "Identify") == []
