"""Models that take their time, or give up: nobody else waits, and everybody is answered."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.e2e.models.conftest import another, tab_of
from tests.harness.chat_client import Contact
from tests.harness.installation import DOCUMENTS, QUESTIONS, Installation
from tests.simulators.models.server import ModelServer, Script, make_held_script

HEAT, RETURN, WATER = QUESTIONS


async def test_a_model_call_that_hangs_holds_up_nobody(
    parley: Installation, model: ModelServer, contact: Contact, http: aiohttp.ClientSession
) -> None:
    """While one conversation waits for its model, twelve others (so on every partition) ask twice and are answered."""
    model.script_for = lambda call: make_held_script(0) if HEAT in call.message else Script()
    held = await contact.say(HEAT)
    call = await model.called(lambda call: HEAT in call.message)
    await asyncio.wait_for(call.held.wait(), 60)
    others = [await another(parley, http, f"other-{n}") for n in range(12)]
    for question in (RETURN, WATER):
        said = await asyncio.gather(*(other.say(question) for other in others))
        await asyncio.gather(*(other.answered(one.message_id) for other, one in zip(others, said, strict=True)))
    assert call.outcome == "running"
    assert [line["id"] for line in await contact.transcript()] == [held.message_id]
    call.gate.set()
    assert "heat pack" in (await contact.answered(held.message_id))["text"]
    found = await parley.findings([contact, *others])
    assert found.faults == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (Script(status=529), "HTTP 529"),
        (Script(text="In winter we add a heat pack for 99 euro [1]."), "not grounded"),
    ],
)
async def test_a_failing_model_is_replaced_and_the_turn_says_why(
    parley: Installation, model: ModelServer, contact: Contact, script: Script, reason: str
) -> None:
    """The contact gets the document's own sentence, with its quote; an operator sees what happened."""
    model.script = script
    reply = await contact.answered((await contact.say(HEAT)).message_id)
    assert reply["citations"][0]["quote"] in DOCUMENTS["shipping"]
    assert "99 euro" not in reply["text"]
    await parley.findings([contact])
    (turn,) = await parley.turns(contact)
    assert turn["model"] == "local"
    assert any(reason in said for said in turn["reasons"]), turn["reasons"]


async def test_the_draft_of_a_failed_model_is_aborted_before_the_answer(
    parley: Installation, model: ModelServer, contact: Contact
) -> None:
    """The connection to the provider breaks after the first sentence: abort, the whole answer from its beginning under
    the same turn, then the message, once."""
    model.script = make_held_script(1, Script("cut", sentences=1))
    async with tab_of(contact) as tab:
        await contact.say(f"{RETURN}\n{HEAT}")
        seen = await tab.frame("delta")
        (await model.called()).gate.set()
        await tab.frame("abort", turn_id=seen["turn_id"])
        taken_back = len(tab.frames)
        reply = await tab.reply()
    again = [frame for frame in tab.frames[taken_back:] if frame["type"] == "delta"]
    assert {frame["turn_id"] for frame in again} == {seen["turn_id"]}
    assert [frame["index"] for frame in again] == list(range(len(again)))
    assert "".join(frame["text"] for frame in again) == reply["text"]
    found = await parley.findings([contact])
    assert found.faults == []
    assert (found.messages, found.replies, len(model.calls)) == (1, 1, 1)


async def test_the_turn_records_the_model_its_tokens_and_the_quotes(
    parley: Installation, model: ModelServer, contact: Contact
) -> None:
    """And the provider was given the key that stands in a file."""
    reply = await contact.answered((await contact.say(HEAT)).message_id)
    await parley.findings([contact])
    (turn,) = await parley.turns(contact)
    assert (turn["model"], turn["route"], turn["outcome"]) == ("remote", "cheap", "answer")
    assert turn["tokens"] > 0
    assert any(passage["cited"] and passage["document"] == "shipping" for passage in turn["passages"])
    assert reply["citations"][0]["quote"] in DOCUMENTS["shipping"]
    assert model.calls[0].key == "Bearer sk-from-a-file"
