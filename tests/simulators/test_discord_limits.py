"""Rate limits of the simulated Discord, and its 429 answers."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.simulators.discord import Discord
from tests.simulators.discord.raw_client import bot_at, open_raw_client
from tests.simulators.discord.sdk import discord
from tests.simulators.vendor import Fault


async def test_each_answer_says_where_the_bucket_stands() -> None:
    server = Discord()
    async with server.serving(), open_raw_client(server) as rest:
        channel = server.place("mia")
        left = [(await rest.send(channel, content="x")).headers["X-RateLimit-Remaining"] for _ in range(5)]
        assert left == ["4", "3", "2", "1", "0"]
        answer = await rest.send(channel, content="x")
        headers = answer.headers
        assert answer.status == 429
        assert answer.json == {
            "message": "You are being rate limited.",
            "global": False,
            "retry_after": answer.json["retry_after"],
        }
        assert 0 < answer.json["retry_after"] <= 5
        assert int(headers["Retry-After"]) >= answer.json["retry_after"]
        assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Scope"], headers["Via"]) == (
            "5",
            "user",
            "1.1 google",
        )
        assert float(headers["X-RateLimit-Reset"]) == pytest.approx(time.time() + answer.json["retry_after"], abs=1)
        other = await rest.send(server.place("bo"), content="x")
        assert (other.status, other.headers["X-RateLimit-Bucket"]) == (200, headers["X-RateLimit-Bucket"])
        assert len(server.ledger.shown) == 6


async def test_the_library_keeps_to_the_buckets() -> None:
    server = Discord(pace=0.05)
    async with bot_at(server) as bot:
        channel = bot.get_partial_messageable(int(server.place("mia")))
        await asyncio.gather(*(channel.send(str(number), nonce=number) for number in range(12)))
        assert sorted(int(each.text) for each in server.ledger.shown) == list(range(12))


async def test_the_library_waits_as_long_as_the_body_says() -> None:
    server = Discord()
    server.faults.next(Fault("limit", "Create Message", retry_after=0.1))
    async with bot_at(server) as bot:
        began = time.monotonic()
        await bot.get_partial_messageable(int(server.place("mia"))).send("hello")
        assert time.monotonic() - began >= 0.1
        sends = [each for each in server.ledger.requests if each.operation == "Create Message"]
        assert [(each.status, each.did) for each in sends] == [(429, False), (200, True)]


@pytest.mark.parametrize("code", ["no_via", "cloudflare"])
async def test_a_429_that_came_through_no_proxy_is_a_ban_to_the_library(code: str) -> None:
    server = Discord()
    server.faults.next(Fault("limit", "Create Message", code=code))
    async with bot_at(server) as bot:
        with pytest.raises(discord.HTTPException) as banned:
            await bot.get_partial_messageable(int(server.place("mia"))).send("hello")
        assert banned.value.status == 429
        assert len([each for each in server.ledger.requests if each.operation == "Create Message"]) == 1


@pytest.mark.parametrize(("code", "scope"), [("global", "global"), ("shared", "shared"), ("20028", "user")])
async def test_scripted_limits_have_the_marks_of_their_kind(code: str, scope: str) -> None:
    server = Discord()
    server.faults.next(Fault("limit", code=code, retry_after=1336.57))
    async with server.serving(), open_raw_client(server) as rest:
        answer = await rest.ask("GET", "/users/@me")
        assert (answer.status, answer.headers["X-RateLimit-Scope"]) == (429, scope)
        assert (answer.json["retry_after"], answer.headers["Retry-After"]) == (1336.57, "1337")
        assert answer.json["global"] is (code == "global")
        assert ("X-RateLimit-Global" in answer.headers) is (code == "global")
        assert answer.json.get("code") == (20028 if code == "20028" else None)


async def test_fifty_requests_a_second_are_the_most_and_interactions_are_not_counted() -> None:
    server = Discord()
    server.limits.global_per_second = 3
    async with server.serving(), open_raw_client(server) as rest:
        answers = [await rest.ask("GET", f"/users/{number}") for number in range(4)]
        assert [each.status for each in answers] == [404, 404, 404, 429]
        assert answers[3].json["global"] is True
        assert answers[3].headers["X-RateLimit-Scope"] == "global"
        hook = await rest.ask("POST", "/interactions/1/x/callback", {"type": 6}, token="")
        assert hook.status == 404


async def test_too_many_invalid_requests_shut_the_address_out() -> None:
    server = Discord()
    server.limits.invalid_limit = 3
    server.faults.next(Fault("limit", code="shared"))
    async with server.serving(), open_raw_client(server) as rest:
        await rest.ask("GET", "/users/@me")
        assert server.limits.invalid == 0
        for _ in range(3):
            await rest.ask("GET", "/users/@me", token="wrong")
        banned = await rest.ask("GET", "/users/@me")
        assert (banned.status, banned.headers["Content-Type"]) == (429, "text/html")
        assert "Via" not in banned.headers


async def test_refused_for_good_reasons_is_not_invalid() -> None:
    server = Discord()
    async with server.serving(), open_raw_client(server) as rest:
        await rest.ask("GET", "/users/1")
        await rest.send(server.place("mia"), content="")
        assert server.limits.invalid == 0
        server.world.user("mia").dms_open = False
        await rest.send(server.place("mia"), content="x")
        assert server.limits.invalid == 1
