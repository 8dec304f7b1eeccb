"""The vendors at the keyboard."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulators.meta import WhatsApp
from tests.simulators.meta.client import client_of
from tests.simulators.prompt import Prompt, read_lines
from tests.simulators.twilio import Twilio
from tests.simulators.vendor import ShownMessage
from tests.simulators.webhook_receiver import Receiver

ROOT = Path(__file__).parents[2]
ACTION = {
    "buttons": [{"type": "reply", "reply": {"id": id_, "title": title}} for id_, title in (("y", "Yes"), ("n", "No"))]
}


class Keyboard:
    """Lines that a test types."""

    def __init__(self) -> None:
        self._lines = asyncio.Queue[str]()

    def type(self, *lines: str) -> None:
        for line in lines:
            self._lines.put_nowait(line + "\n")

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            yield await self._lines.get()


async def test_typed_text_is_sent_and_a_number_picks_a_choice(tmp_path: Path) -> None:
    vendor, receiver, keyboard = WhatsApp(), Receiver(), Keyboard()
    written: list[str] = []
    picture = tmp_path / "leaf.png"
    picture.write_bytes(b"png")
    async with (
        receiver.serving(),
        vendor.serving(),
        client_of(vendor.settings()) as client,
        asyncio.TaskGroup() as tasks,
    ):
        vendor.call(receiver.url)
        prompt = Prompt(vendor, vendor.graph.webhooks.webhook_sender, vendor.graph.pace, write=written.append)
        tasks.create_task(prompt.run(aiter(keyboard), "main"))
        keyboard.type("Hello")
        await receiver.until(lambda: len(receiver.accepted) == 1)
        interactive = {"type": "button", "body": {"text": "Sure?"}, "action": ACTION}
        body = {"to": vendor.person("anna").wa_id, "type": "interactive", "interactive": interactive}
        await client.post(f"{vendor.number.id}/messages", {"messaging_product": "whatsapp", **body})
        await vendor.ledger.until(lambda: "◂ Sure?\n  1. Yes\n  2. No" in written)
        keyboard.type("2", "/edit Maybe", "/react", f"/file {picture}", "/later 2", "/as ben", "/edit x", "/what", "3")
        told = ("No", "Maybe", "👍", "leaf", "3")
        await receiver.until(lambda: len(_messages(receiver)) == 1 + len(told))
        keyboard.type("/quit")
    picked = next(each["interactive"] for each in _messages(receiver) if each["type"] == "interactive")
    assert picked["button_reply"] == {"id": "n", "title": "No"}
    types = [each["type"] for each in _messages(receiver)]
    assert sorted(types) == sorted(["text", "interactive", "edit", "reaction", "image", "text"])
    assert _messages(receiver)[-1]["text"] == {"body": "3"}
    assert yaml.safe_load(written[0])["channels"]["whatsapp"]["main"] == vendor.settings()
    assert any("only one's own" in each for each in written)
    assert any("/later HOURS" in each for each in written)


def _messages(receiver: Receiver) -> list[dict[str, Any]]:
    values = [each.json["entry"][0]["changes"][0]["value"] for each in receiver.accepted]
    return [value["messages"][0] for value in values if "messages" in value]


async def test_it_says_when_nobody_listens_or_the_channel_cannot_do_it() -> None:
    vendor, keyboard = Twilio(), Keyboard()
    written: list[str] = []
    async with vendor.serving():
        keyboard.type("/edit x", "one", "/react")
        vendor.ledger.show(ShownMessage("1", "", vendor.place("ben"), "Hello"))
        keyboard.type("/as ben", "/react")
        vendor.call("http://127.0.0.1:9/")
        keyboard.type("two", "/quit")
        await Prompt(vendor, vendor.webhooks.webhook_sender, vendor.pace, write=written.append).run(
            aiter(keyboard), "main"
        )
    assert any("not heard: refused" in each for each in written)
    assert any("cannot do that" in each for each in written)
    assert "  (there is no answer yet)" in written
    assert "  (you have said nothing yet)" in written


@pytest.mark.parametrize(
    ("module", "channel"), [("meta", "whatsapp"), ("meta --channel instagram", "instagram"), ("twilio", "whatsapp")]
)
async def test_each_can_be_started_by_itself(module: str, channel: str) -> None:
    command = [sys.executable, "-m", *f"tests.simulators.{module} --port 0".split()]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(b"/help\n/quit\n"), 30)
    text, _, rest = out.decode().partition("You are anna")
    assert yaml.safe_load(text)["channels"][channel]["main"]["api_base"].startswith("http://127.0.0.1:")
    assert "/as NAME" in rest
    assert process.returncode == 0


async def test_a_line_is_read_while_more_may_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    source, keyboard = os.pipe()
    with os.fdopen(source) as stdin, os.fdopen(keyboard, "w", buffering=1) as typed:
        monkeypatch.setattr("sys.stdin", stdin)
        lines = read_lines()
        typed.write("Hello\n")
        async with asyncio.timeout(30):
            assert await anext(lines) == "Hello\n"
            typed.close()
            assert [line async for line in lines] == []
