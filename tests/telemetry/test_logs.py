"""Processes log one JSON line an event with the promised fields, and nothing that anybody wrote."""

from __future__ import annotations

import json
from typing import Any

from tests.harness.contract_client import wait_for
from tests.telemetry.conftest import Start

PROMISED = ["event", "level", "timestamp", "tenant", "channel", "conversation_id", "correlation_id"]
SECRET = "Do you add a heat pack in winter to kumquat-7431?"


async def test_every_line_is_json_with_the_promised_fields_and_no_text(start: Start) -> None:
    shop = await start("--log-level", "debug")
    visitor = await shop.visitor()
    async with visitor.tab() as tab:
        await tab.send(type="message", client_msg_id="kumquat", text=SECRET)
        reply = await tab.reply()
        await tab.send(type="message", client_msg_id="kumquat", text=SECRET + " Other.")
        await tab.frame("error")
        await tab.send(type="feedback", message_id=reply["id"], value="up", comment="kumquat-comment")
        await tab.send(type="read", seq=reply["seq"])

    def texts() -> dict[str, str]:
        return {name: process.log.read_text() for name, process in shop.installation.roles.items()}

    async def told() -> dict[str, str] | None:
        logs = texts()
        return logs if all(event in "".join(logs.values()) for event in ("turn_done", "delivery_recorded")) else None

    await wait_for(told)
    # Ended, so that no line is half written while it is read.
    await shop.installation.stop()
    logs = texts()
    # `parley dev` says on its standard output where to look; the harness keeps both streams in one file.
    told_to_eyes = not shop.installation.scaled
    texts_of = [line for text in logs.values() for line in text.splitlines() if line[:1] == "{" or not told_to_eyes]
    lines: list[dict[str, Any]] = [json.loads(line) for line in texts_of]
    for line in lines:
        assert list(line)[: len(PROMISED)] == PROMISED, line
    for event in ("turn_done", "delivery_recorded"):
        (about,) = [line for line in lines if line["event"] == event]
        assert (about["tenant"], about["channel"]) == ("plantstore", "web")
        assert about["conversation_id"] == visitor.conversation
        assert about["correlation_id"]
    whole = "".join(logs.values())
    for written in ("kumquat", reply["text"][:40], visitor.token, "heat pack"):
        assert written not in whole
