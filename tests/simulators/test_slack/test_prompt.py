"""The simulated Slack from the command line: what is typed is said, what the app answers is printed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulators.slack.server import SlackVendor
from tests.simulators.test_slack.helpers import actions, button, section
from tests.simulators.test_slack.listener import Listener

ROOT = Path(__file__).resolve().parents[3]
SEED = 7


class PromptProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.printed = ""

    async def type(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def read_until(self, text: str) -> None:
        """Raises TimeoutError."""
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            while text not in self.printed:
                piece = await self._process.stdout.read(1000)
                assert piece, self.printed
                self.printed += piece.decode()


@asynccontextmanager
async def prompt(listener: Listener) -> AsyncIterator[PromptProcess]:
    """The command, started; it has ended by itself at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "tests.simulators.slack"),
        *("--port", "0", "--webhook", listener.url, "--seed", str(SEED)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    typist = PromptProcess(process)
    try:
        yield typist
        await typist.type("/quit")
        async with asyncio.timeout(20):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        assert process.stdin is not None
        process.stdin.close()


async def test_typed_text_is_sent_and_answers_are_printed(slack: SlackVendor, listener: Listener) -> None:
    """With the settings first, and choices that are picked by number."""
    same = SlackVendor(seed=SEED)
    listener.secret = same.signing_secret
    async with prompt(listener) as typist:
        await typist.type("where is my plant")
        await slack.ledger.until(lambda: listener.received)
        assert listener.received[0].is_signed
        assert listener.events[0]["text"] == "where is my plant"
        await typist.read_until("/quit")
        settings = yaml.safe_load(typist.printed.partition("  TEXT")[0])["channels"]["slack"]["main"]
        client = AsyncWebClient(settings["bot_token"], base_url=settings["api_base"])
        blocks: list[dict[str, Any]] = [section("Shipped?"), actions(button(action_id="go"))]
        await client.chat_postMessage(channel=listener.events[0]["channel"], text="Shipped?", blocks=blocks)
        await typist.read_until("1. Go")
        assert "Parley: Shipped?" in typist.printed
        await typist.type("1")
        await slack.ledger.until(lambda: any(b"block_actions" in each.body for each in listener.received))


async def test_one_can_be_anybody_anywhere(slack: SlackVendor, listener: Listener) -> None:
    """In channels, in threads, and with second thoughts; a mistake is said and ends nothing."""
    async with prompt(listener) as typist:
        await typist.type("/thread")
        await typist.read_until("has said nothing yet")
        await typist.type("/as Ben")
        await typist.type("/in #support")
        await typist.type("helo")
        await typist.type("/edit hello")
        await typist.type("/delete")
        await slack.ledger.until(lambda: listener.of_type("message_deleted"))
    (changed,) = listener.of_type("message_changed")
    assert (changed["message"]["text"], changed["channel_type"]) == ("hello", "channel")
    assert len(listener.of_type("member_joined_channel")) == 1
