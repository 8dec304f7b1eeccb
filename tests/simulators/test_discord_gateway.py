"""The gateway of the simulated Discord: by hand for its rules, and with Discord's library for coming back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simulators.discord import Discord
from tests.simulators.discord.raw_client import Clock, hello, identify_and_wait, line, open_raw_client
from tests.simulators.discord.streams import Zstd

GUILDS, MESSAGES, DIRECT, CONTENT = 1 << 0, 1 << 9, 1 << 12, 1 << 15


@pytest.fixture
def server() -> Discord:
    return Discord(pace=0)


async def test_a_connection_begins_with_hello_ready_and_the_server(server: Discord) -> None:
    async with server.serving(), line(server) as there:
        assert await there.next() == {"op": 10, "s": None, "t": None, "d": {"heartbeat_interval": 41250, "_trace": []}}
        await there.identify(server.world.token)
        first = await there.next()
        assert (first["t"], first["s"]) == ("READY", 1)
        assert first["d"]["guilds"] == [{"id": server.world.guild, "unavailable": True}]
        assert first["d"]["resume_gateway_url"] == f"{server.gateway.base}/resume"
        second = await there.next()
        assert (second["t"], second["s"], second["d"]["unavailable"]) == ("GUILD_CREATE", 2, False)


async def test_a_heartbeat_is_acknowledged_and_can_be_asked_for(server: Discord) -> None:
    async with server.serving(), line(server) as there:
        await identify_and_wait(there, server)
        await there.say(1, 2)
        assert (await there.op(11))["d"] is None
        server.gateway.ask_heartbeat()
        assert (await there.op(1))["d"] is None


async def test_without_heartbeats_the_line_is_ended(server: Discord) -> None:
    server.gateway.beat_seconds = server.gateway.grace_seconds = 0.5
    async with server.serving(), line(server) as there:
        await identify_and_wait(there, server)
        assert await there.closed() == 4000
        assert len(server.gateway.sessions) == 1


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("no json", 4002),
        ("[]", 4002),
        (json.dumps({"op": 1, "d": None, "more": "x" * 4096}), 4002),
        (json.dumps({"op": 99, "d": None}), 4001),
        (json.dumps({"op": 3, "d": {}}), 4003),
        (json.dumps({"op": 2, "d": {}}), 4002),
        (json.dumps({"op": 2, "d": {"token": "wrong", "intents": 1, "properties": {}}}), 4004),
        (json.dumps({"op": 6, "d": {"token": "wrong", "session_id": "x", "seq": 1}}), 4004),
    ],
)
async def test_a_protocol_violation_closes_the_connection_with_its_code(server: Discord, frame: str, code: int) -> None:
    async with server.serving(), line(server) as there:
        await hello(there)
        await there.socket.send_str(frame)
        assert await there.closed() == code
        assert server.gateway.sessions == {}


@pytest.mark.parametrize(
    ("more", "granted", "code"),
    [
        ({"intents": 1 << 17}, -1, 4013),
        ({"intents": GUILDS | CONTENT}, 0, 4014),
        ({"shard": [1, 1]}, -1, 4010),
    ],
)
async def test_intents_and_shards_are_checked(server: Discord, more: dict[str, Any], granted: int, code: int) -> None:
    server.gateway.granted &= granted
    async with server.serving(), line(server) as there:
        await hello(there)
        await there.identify(server.world.token, **more)
        assert await there.closed() == code


async def test_identifying_twice_on_one_line_ends_it(server: Discord) -> None:
    async with server.serving(), line(server) as there:
        await identify_and_wait(there, server)
        await there.identify(server.world.token)
        assert await there.closed() == 4005


async def test_a_hundred_and_twenty_frames_a_minute_are_the_most(server: Discord) -> None:
    async with server.serving(), line(server) as there:
        await hello(there)
        for _ in range(121):
            await there.say(1, None)
        assert await there.closed() == 4008


@pytest.mark.parametrize("query", ["v=6&encoding=json", "v=10&encoding=etf", "v=10&encoding=json&compress=br", ""])
async def test_another_version_or_encoding_is_refused(server: Discord, query: str) -> None:
    async with server.serving(), line(server, query) as there:
        assert await there.closed() == 4012


async def test_zlib_is_one_stream_whose_frames_end_in_a_mark(server: Discord) -> None:
    async with server.serving(), line(server, "v=10&encoding=json&compress=zlib-stream") as there:
        first = await there.socket.receive_bytes(timeout=30)
        assert first.endswith(b"\x00\x00\xff\xff")
        there.inflate.decompress(first)
        await there.identify(server.world.token)
        assert (await there.next())["t"] == "READY"


def unzstd(stream: bytes) -> bytes:
    """Read what a zstd stream of raw blocks holds, by the letter of RFC 8878."""
    assert stream[:4] == b"\x28\xb5\x2f\xfd"
    assert stream[4] == 0, "no single segment, no checksum, no dictionary"
    window = 1 << (10 + (stream[5] >> 3))
    at, text = 6, b""
    while at < len(stream):
        head = int.from_bytes(stream[at : at + 3], "little")
        last, kind, size = head & 1, head >> 1 & 3, head >> 3
        assert (last, kind) == (0, 0)
        assert size <= min(window, 128 * 1024)
        text += stream[at + 3 : at + 3 + size]
        at += 3 + size
    return text


async def test_zstd_is_one_stream_that_needs_no_library(server: Discord) -> None:
    long = Zstd()
    text = "🌿" * 100_000
    assert unzstd(long.frame(text) + long.frame("end")) == f"{text}end".encode()
    async with server.serving(), line(server, "v=10&encoding=json&compress=zstd-stream") as there:
        frame = await there.socket.receive_bytes(timeout=30)
        assert json.loads(unzstd(frame))["op"] == 10


async def test_without_the_intent_contents_are_empty_except_where_the_bot_is_meant(server: Discord) -> None:
    home = server.world.home
    mia = server.world.user("mia")
    async with server.serving(), line(server) as there, open_raw_client(server) as rest:
        await identify_and_wait(there, server, intents=GUILDS | MESSAGES | DIRECT)
        first = server.people.write(mia, home, "secret")
        server.people.write(mia, home, "", reply_to=first.id)
        server.people.write(mia, home, f"<@{server.world.bot.id}> help", reply_to=first.id)
        await server.say("mia", "between us")
        await rest.send(home.id, content="mine")
        seen = [(await there.until("MESSAGE_CREATE"))["d"] for _ in range(5)]
        contents = [each["content"] for each in seen]
        assert contents == ["", "", f"<@{server.world.bot.id}> help", "between us", "mine"]
        assert [each["referenced_message"]["content"] for each in seen[1:3]] == ["", ""]


async def test_only_events_that_were_asked_for_are_told(server: Discord) -> None:
    async with server.serving(), line(server) as there:
        await identify_and_wait(there, server, intents=GUILDS | MESSAGES)
        server.people.type(server.world.user("mia"), server.world.home)
        await server.say("mia", "directly")
        server.people.write(server.world.user("mia"), server.world.home, "in the server")
        frame = await there.until("MESSAGE_CREATE")
        assert "guild_id" in frame["d"]
        assert frame["s"] == 3


async def test_identifications_are_paced_and_the_days_budget_costs_the_token() -> None:
    clock = Clock()
    server = Discord(now=clock)
    server.gateway.identify_budget = 2
    async with server.serving(), open_raw_client(server) as rest:
        async with line(server) as first, line(server) as second:
            await identify_and_wait(first, server)
            await hello(second)
            await second.identify(server.world.token)
            assert (await second.op(9))["d"] is False
            clock.forward(6)
            await second.identify(server.world.token)
            await second.until("READY")
        limit = (await rest.ask("GET", "/gateway/bot")).json["session_start_limit"]
        assert (limit["total"], limit["remaining"], limit["max_concurrency"]) == (2, 0, 1)
        clock.forward(6)
        token = server.world.token
        async with line(server) as third:
            await hello(third)
            await third.identify(token)
            assert await third.closed() == 4004
        assert (await rest.ask("GET", "/users/@me", token=token)).status == 401
        assert server.gateway.sessions == {}


async def test_members_can_be_asked_for(server: Discord) -> None:
    server.world.user("mia")
    async with server.serving(), line(server) as there:
        await identify_and_wait(there, server)
        await there.say(8, {"guild_id": server.world.guild, "query": "", "limit": 0, "nonce": "n"})
        chunk = (await there.until("GUILD_MEMBERS_CHUNK"))["d"]
        assert chunk["nonce"] == "n"
        assert "mia" in [each["user"]["username"] for each in chunk["members"]]
