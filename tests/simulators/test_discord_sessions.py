"""Coming back to the simulated Discord: sessions by hand, and Discord's library after every kind of loss."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from tests.simulators.discord import Discord
from tests.simulators.discord.raw_client import Clock, bot_at, hello, identify_and_wait, line
from tests.simulators.discord.sdk import Bot, connect_bot, discord
from tests.simulators.vendor import Fault


@pytest.fixture
def server() -> Discord:
    return Discord(pace=0)


async def test_a_session_that_comes_back_gets_what_it_missed(server: Discord) -> None:
    async with server.serving():
        async with line(server) as there:
            session = (await identify_and_wait(there, server))["d"]["session_id"]
            server.gateway.hang_up()
            with pytest.raises((ConnectionError, aiohttp.ClientError)):
                await there.next()
        await server.ledger.until(lambda: not server.gateway.connections)
        ids = [await server.say("mia", str(number)) for number in range(3)]
        async with line(server, path="/resume") as again:
            await hello(again)
            await again.say(6, {"token": server.world.token, "session_id": session, "seq": 2})
            missed = [await again.next() for _ in range(4)]
            assert [each["t"] for each in missed] == ["MESSAGE_CREATE"] * 3 + ["RESUMED"]
            assert [each["s"] for each in missed] == [3, 4, 5, 6]
            assert [each["d"]["id"] for each in missed[:3]] == ids


async def resume_session(server: Discord, session: str, seq: int) -> dict[str, Any] | int | None:
    """The first answer to a resumption: a frame, or the code of the end."""
    async with line(server, path="/resume") as there:
        await hello(there)
        await there.say(6, {"token": server.world.token, "session_id": session, "seq": seq})
        try:
            return await there.next()
        except ConnectionError:
            return there.socket.close_code


async def test_a_session_is_gone_when_it_said_goodbye_or_came_too_late() -> None:
    clock = Clock()
    server = Discord(now=clock, pace=0)
    gone = {"op": 9, "d": False, "s": None, "t": None}
    async with server.serving():
        for code, wait in ((1000, 0.0), (4000, 200.0)):
            async with line(server) as there:
                session = (await identify_and_wait(there, server))["d"]["session_id"]
                await there.socket.close(code=code)
            await server.ledger.until(lambda: not server.gateway.connections)
            assert (session in server.gateway.sessions) is (code == 4000)
            clock.forward(wait)
            assert await resume_session(server, session, 2) == gone
        assert await resume_session(server, "never-was", 2) == gone


@pytest.mark.parametrize("how", ["abort", "close"])
async def test_a_client_that_dies_leaves_its_session_behind(server: Discord, how: str) -> None:
    async with server.serving(), line(server) as there:
        session = (await identify_and_wait(there, server))["d"]["session_id"]
        there.die(hard=how == "abort")
        await server.ledger.until(lambda: not server.gateway.connections)
        assert (list(server.gateway.sessions), server.gateway.closes) == ([session], [1006])


async def test_sessions_outlive_the_server_being_away(server: Discord) -> None:
    async with AsyncExitStack() as clients:
        async with server.serving():
            there = await clients.enter_async_context(line(server))
            session = (await identify_and_wait(there, server))["d"]["session_id"]
        said = await server.say("mia", "meanwhile")
        async with server.serving():
            frame = await resume_session(server, session, 2)
            assert isinstance(frame, dict)
            assert frame["d"]["id"] == said


async def test_a_number_that_was_never_told_is_invalid(server: Discord) -> None:
    async with server.serving(), line(server) as there:
        session = (await identify_and_wait(there, server))["d"]["session_id"]
        assert await resume_session(server, session, 99) == 4007


async def test_a_session_has_one_line_and_the_newer_one_wins(server: Discord) -> None:
    async with server.serving(), line(server) as there:
        session = (await identify_and_wait(there, server))["d"]["session_id"]
        frame = await resume_session(server, session, 2)
        assert isinstance(frame, dict)
        assert frame["t"] == "RESUMED"
        assert await there.closed() == 4000


async def test_only_so_many_events_are_kept_for_a_session(server: Discord) -> None:
    async with server.serving():
        async with line(server) as there:
            session = (await identify_and_wait(there, server))["d"]["session_id"]
            await there.socket.close(code=4000)
        for number in range(1001):
            await server.say("mia", str(number))
        frame = await resume_session(server, session, 2)
        assert isinstance(frame, dict)
        assert (frame["op"], frame["d"]) == (9, False)


@pytest.mark.parametrize("how", ["op 7", "4000", "cut", "op 9"])
async def test_the_library_resumes_and_misses_nothing(server: Discord, how: str) -> None:
    async with bot_at(server) as bot:
        await server.say("mia", "before")
        await bot.nth("message")
        if how == "op 7":
            server.gateway.ask_reconnect()
        elif how == "op 9":
            server.gateway.invalidate(resumable=True)
        else:
            server.gateway.hang_up(4000 if how == "4000" else None)
        await server.say("mia", "meanwhile")
        await bot.nth("resumed")
        await server.say("mia", "after")
        await bot.nth("message", 3)
        assert [each.content for each in bot.all("message")] == ["before", "meanwhile", "after"]
        assert len(server.gateway.sessions) == 1


async def test_a_resumed_session_may_get_again_what_it_had_seen(server: Discord) -> None:
    server.gateway.overlap = 1
    async with bot_at(server) as bot:
        said = await server.say("mia", "twice")
        await bot.nth("message")
        server.gateway.ask_reconnect()
        assert str((await bot.nth("message", 2)).id) == said


async def test_the_library_identifies_anew_when_its_session_is_gone(server: Discord) -> None:
    async with bot_at(server) as bot:
        server.gateway.invalidate()
        await server.say("mia", "lost")
        await bot.nth("ready", 2)
        await server.say("mia", "found")
        assert (await bot.nth("message")).content == "found"
        (channel,) = [bot.get_partial_messageable(int(server.place("mia")))]
        assert [each.content async for each in channel.history()] == ["found", "lost"]


@pytest.mark.parametrize(
    ("code", "error"), [(4014, discord.PrivilegedIntentsRequired), (4004, discord.ConnectionClosed)]
)
async def test_the_library_gives_up_where_coming_back_is_useless(
    server: Discord, code: int, error: type[Exception]
) -> None:
    server.gateway.faults.next(Fault("refuse", "Identify", status=code))
    async with server.serving():
        with pytest.raises(error):
            async with connect_bot(server):
                pytest.fail("connected")


async def test_a_lost_or_postponed_identification_is_tried_again(server: Discord) -> None:
    server.gateway.faults.next(Fault("drop", "Identify"), Fault("limit", "Identify"))
    async with bot_at(server) as bot:
        await server.say("mia", "at last")
        assert (await bot.nth("message")).content == "at last"
        assert len([each for each in server.ledger.requests if each.operation == "Identify"]) == 3


async def test_a_first_line_without_hello_ends_the_library(server: Discord) -> None:
    server.gateway.faults.next(Fault("lose", "Hello"))
    async with server.serving():
        with pytest.raises(AttributeError):
            async with connect_bot(server, Bot(heartbeat_timeout=0.1)):
                pytest.fail("connected")


async def test_a_later_line_without_hello_is_tried_again(server: Discord) -> None:
    async with bot_at(server, Bot(heartbeat_timeout=0.5)) as bot:
        server.gateway.faults.next(Fault("lose", "Hello"))
        server.gateway.ask_reconnect()
        await bot.nth("resumed")
        assert server.gateway.faults.left == 0


async def test_unanswered_heartbeats_make_the_library_come_back(server: Discord) -> None:
    server.gateway.beat_seconds = 0.2
    server.gateway.faults.next(*[Fault("lose", "Heartbeat")] * 200)
    async with bot_at(server, Bot(heartbeat_timeout=0.5)) as bot:
        await bot.nth("resumed")
        assert 4000 in server.gateway.closes


async def test_an_unknown_event_hurts_nobody(server: Discord) -> None:
    async with bot_at(server) as bot:
        server.world.tell("SOMETHING_NEW", {"a": 1})
        await server.say("mia", "hello")
        assert (await bot.nth("message")).content == "hello"


async def test_an_unknown_frame_or_a_server_that_is_away_hurts_nobody(server: Discord) -> None:
    async with bot_at(server) as bot:
        server.gateway.say(77, {"a": 1})
        server.people.outage()
        await bot.nth("guild_unavailable")
        server.people.recover()
        await bot.nth("guild_available")
        await server.say("mia", "hello")
        assert (await bot.nth("message")).content == "hello"


@pytest.mark.parametrize("missing", ["type", "channel_id"])
async def test_an_event_without_a_promised_field_ends_the_library(server: Discord, missing: str) -> None:
    async with bot_at(server) as bot:
        assert bot.running is not None
        server.people.malformed(server.world.user("mia"), server.channel("mia"), "odd", without=missing)
        with pytest.raises(KeyError, match=missing):
            await asyncio.wait_for(bot.running, 30)
