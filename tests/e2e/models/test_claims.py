"""A person claims while the agent is writing: from then on only the person is heard."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.e2e.models.conftest import tab_of
from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.simulators.models.server import ModelServer, make_held_script

HEAT, RETURN, WATER = QUESTIONS


async def change_owner(parley: Installation, contact: Contact, to: str) -> None:
    path = f"conversations/{contact.conversation}"
    epoch = (await parley.admin("GET", path))["epoch"]
    await parley.admin("POST", f"{path}/owner", json={"to": to, "epoch": epoch})


@pytest.mark.parametrize("sentences", [0, 1])
async def test_a_claimed_conversations_draft_is_aborted_and_never_becomes_a_message(
    parley: Installation, model: ModelServer, contact: Contact, sentences: int
) -> None:
    """Before its first sentence, and in the middle: the model ends when the person has the conversation already."""
    model.next_scripts = [make_held_script(sentences)]
    path = f"conversations/{contact.conversation}/messages"
    async with tab_of(contact) as tab:
        await contact.say(f"{HEAT}\n{RETURN}")
        call = await model.called()
        await asyncio.wait_for(call.held.wait(), 60)
        turn = (await tab.frame("delta"))["turn_id"] if sentences else ""
        await change_owner(parley, contact, "person")
        call.gate.set()
        await parley.admin("POST", path, json={"client_msg_id": "1", "text": "Mo here"})
        if sentences:
            await tab.frame("abort", turn_id=turn)
        if not any(_is_of(frame, "person") for frame in tab.frames):
            await tab.reply("person")
        await asyncio.wait_for(call.ended.wait(), 60)
        said = await contact.transcript()
        assert [line["author"]["kind"] for line in said] == ["contact", "person"]
        await change_owner(parley, contact, "agent")
        answer = await contact.answered((await contact.say(WATER)).message_id)
    assert "rain water" in answer["text"]
    after = [line["author"]["kind"] for line in await contact.transcript()]
    assert after[:2] == ["contact", "person"]
    assert not any(_is_of(frame, "agent") for frame in tab.frames)


def _is_of(frame: dict[str, Any], kind: str) -> bool:
    return bool(frame["type"] == "message" and frame["message"]["author"]["kind"] == kind)
