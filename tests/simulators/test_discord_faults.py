"""Faults by script at the simulated Discord, its end, and the prompt of a server that runs by itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from typing import Any

import aiohttp
import pytest
import yaml

from tests.simulators.discord import Discord
from tests.simulators.discord.prompt import Prompt
from tests.simulators.discord.raw_client import bot_at, open_raw_client
from tests.simulators.discord.sdk import connect_bot, discord
from tests.simulators.vendor import Fault, Request


@pytest.fixture
def server() -> Discord:
    return Discord(pace=0)


SENT: dict[str, tuple[int, int]] = {"refuse": (403, 0), "lose": (503, 0), "fail_after": (503, 1)}


@pytest.mark.parametrize("kind", SENT)
async def test_a_failed_answer_says_nothing_of_what_was_done(server: Discord, kind: Any) -> None:
    status, shown = SENT[kind]
    server.faults.next(Fault(kind, "Create Message", status=status, code="50007"))
    async with server.serving(), open_raw_client(server) as rest:
        answer = await rest.send(server.place("mia"), content="hello", nonce="n", enforce_nonce=True)
        assert answer.status == status
        assert answer.headers["Content-Type"].startswith("text/html" if kind == "lose" else "application/json")
        assert len(server.ledger.shown) == shown
        assert server.ledger.requests[-1].did is bool(shown)
        again = await rest.send(server.place("mia"), content="hello", nonce="n", enforce_nonce=True)
        assert again.status == 200
        assert [each.marker for each in server.ledger.shown] == ["n"]


@pytest.mark.parametrize(("kind", "shown"), [("drop", 0), ("drop_after", 1)])
async def test_a_cut_line_says_nothing_of_what_was_done(server: Discord, kind: Any, shown: int) -> None:
    server.faults.next(Fault(kind, "Create Message"))
    async with bot_at(server) as bot:
        channel = bot.get_partial_messageable(int(server.place("mia")))
        with pytest.raises(aiohttp.ClientError):
            await channel.send("hello", nonce="n")
        assert len(server.ledger.shown) == shown
        await channel.send("hello", nonce="n")
        assert len(server.ledger.shown) == 1


async def test_an_answer_can_be_slow_or_no_json(server: Discord) -> None:
    server.faults.next(Fault("slow", "Create Message", seconds=0.05), Fault("garbage", "Create Message"))
    async with bot_at(server) as bot:
        channel = bot.get_partial_messageable(int(server.place("mia")))
        began = server.world.now()
        await channel.send("one")
        assert server.world.now() - began >= 0.05
        with pytest.raises(json.JSONDecodeError):
            await channel.send("two")
        assert [each.text for each in server.ledger.shown] == ["one", "two"]


async def test_the_library_repeats_a_request_after_some_errors_and_the_nonce_makes_it_one(server: Discord) -> None:
    server.faults.next(Fault("fail_after", "Create Message", status=502))
    async with bot_at(server) as bot:
        await bot.get_partial_messageable(int(server.place("mia"))).send("hello", nonce="n")
        sends = [each for each in server.ledger.requests if each.operation == "Create Message"]
        assert [each.status for each in sends] == [502, 200]
        assert len(server.ledger.shown) == 1


async def test_a_storm_can_be_scripted_for_all_requests(server: Discord) -> None:
    server.faults.always = lambda request: Fault("refuse", status=403) if request.operation == "Get User" else None
    async with server.serving(), open_raw_client(server) as rest:
        assert [(await rest.ask("GET", f"/users/{path}")).status for path in ("1", "@me")] == [403, 200]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_repeat_with_the_same_nonce_is_shown_once_under_any_faults(server: Discord, seed: int) -> None:
    chance = random.Random(seed)
    kinds = ("refuse", "limit", "drop", "lose", "fail_after", "drop_after", "garbage")

    def weather(request: Request) -> Fault | None:
        return Fault(chance.choice(kinds), status=503) if chance.random() < 0.6 else None  # type: ignore[arg-type]

    server.faults.always = weather
    async with server.serving(), open_raw_client(server) as rest:
        for number in range(30):
            for _ in range(50):
                with contextlib.suppress(aiohttp.ClientError, ValueError):
                    body = {"content": str(number), "nonce": f"n{number}", "enforce_nonce": True}
                    if (await rest.send(server.place("mia"), **body)).json.get("id"):
                        break
        assert [each.text for each in server.ledger.at(server.place("mia"))] == [str(number) for number in range(30)]
        carried_out = [each for each in server.ledger.requests if each.did]
        assert len(carried_out) > 30
        assert all(each.fault is None or each.fault.kind not in kinds[:4] for each in carried_out)


async def test_nothing_is_left_running_when_the_server_is_gone(server: Discord) -> None:
    before = asyncio.all_tasks()
    async with server.serving(), connect_bot(server) as bot:
        server.faults.next(Fault("slow", "Create Message", seconds=60))
        channel = bot.get_partial_messageable(int(server.place("mia")))
        sending = asyncio.create_task(channel.send("hello"))
        await server.ledger.until(lambda: server.ledger.shown)
        sending.cancel()
    assert asyncio.all_tasks() <= before
    assert server.gateway.connections == set()


async def test_the_same_place_and_state_are_there_after_the_server_was_away() -> None:
    server = Discord(pace=0)
    async with server.serving():
        port = server.port
        said = await server.say("mia", "hello")
    async with server.serving(), open_raw_client(server) as rest:
        assert server.port == port
        assert (await rest.ask("GET", f"/channels/{server.place('mia')}/messages/{said}")).status == 200


async def test_the_prompt_says_picks_and_prints(server: Discord) -> None:
    lines: list[str] = []
    prompt = Prompt(server, "mia", lines.append)
    view = discord.ui.View(timeout=None).add_item(discord.ui.Button(label="Refund", custom_id="refund"))
    async with bot_at(server) as bot:
        await prompt.take("hello")
        message = await bot.nth("message")
        assert (message.content, message.author.name) == ("hello", "mia")
        await message.channel.send("Pick", view=view)
        assert prompt.print_news()
        assert lines == ["  (the bot is online)", "  bot ▸ Pick", "        1. Refund"]
        await prompt.take("1")
        assert (await bot.nth("interaction")).data["custom_id"] == "refund"
        await prompt.take("2")
        await prompt.take(":edit good day")
        assert (await bot.nth("raw_message_edit")).data["content"] == "good day"
        await prompt.take("/ask why?")
        assert "no command /ask" in lines[-1]
        await prompt.take(":thread fern")
        await prompt.take("here")
        assert isinstance((await bot.nth("message", 4)).channel, discord.Thread)


async def test_it_can_be_started_by_itself() -> None:
    """The configuration for Parley is the first thing that it says."""
    command = [sys.executable, "-m", "tests.simulators.discord", "--port", "0"]
    pipe = asyncio.subprocess.PIPE
    started = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    said, _ = await started.communicate(b"hello\n:quit\n")
    assert started.returncode == 0
    settings = yaml.safe_load(said.decode().partition("Type a message")[0])["channels"]["discord"]["main"]
    assert set(settings) == {"token", "api_base", "gateway_url"}
