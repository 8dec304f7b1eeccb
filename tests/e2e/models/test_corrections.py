"""A contact who corrects themselves while the model is at work."""

from __future__ import annotations

import asyncio

import aiohttp

from infra.bus.partitioner import partition_of
from tests.e2e.models.conftest import another, tab_of
from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.simulators.models.server import Call, ModelServer, make_held_script

HEAT, RETURN, WATER = QUESTIONS
CORRECTION = "Sorry, I meant: can I use tap water?"


def join_lines(*lines: str) -> str:
    return "\n".join(lines)


async def test_a_correction_in_mid_turn_restarts_it_and_one_answer_handles_both(
    parley: Installation, model: ModelServer, contact: Contact
) -> None:
    """The provider sees the first call drop, the contact sees what was shown taken back, and then one whole answer."""
    model.next_scripts = [make_held_script(1)]
    async with tab_of(contact) as tab:
        asked = await contact.say(join_lines(HEAT, RETURN))
        first = await model.called()
        shown = await tab.frame("delta")
        corrected = await contact.say(CORRECTION)
        await asyncio.wait_for(first.ended.wait(), 60)
        assert first.outcome == "dropped"
        await tab.frame("abort", turn_id=shown["turn_id"])
        second = await model.called(nth=2)
        assert second.message == join_lines(HEAT, RETURN, CORRECTION)
        reply = await tab.reply()
        after = [frame for frame in tab.frames[tab.frames.index(shown) + 1 :] if frame["type"] == "delta"]
    assert {frame["turn_id"] for frame in after} != {shown["turn_id"]}
    assert [frame["index"] for frame in after] == list(range(len(after)))
    assert "".join(frame["text"] for frame in after) == reply["text"]
    assert "heat pack" in reply["text"]
    assert "tap water" in reply["text"]
    assert reply["in_reply_to"] == corrected.message_id
    found = await parley.findings([contact])
    assert found.faults == []
    (turn,) = await parley.turns(contact)
    assert sorted(turn["handled"]) == sorted([asked.message_id, corrected.message_id])
    assert turn["model"] == "remote"
    assert (found.messages, found.replies) == (2, 1)
    assert len(model.calls) == 2


async def test_a_correction_after_the_last_restart_becomes_the_next_turn(
    parley: Installation, model: ModelServer, contact: Contact, http: aiohttp.ClientSession
) -> None:
    """Two corrections restart the turn, the third leaves the call running and is answered by a turn of its own."""
    model.script_for = lambda call: make_held_script(0) if _about_heat(call) else model.script
    said = [await contact.say(HEAT)]
    for nth, correction in enumerate((RETURN, "In summer, I mean."), 1):
        call = await model.called(_about_heat, nth=nth)
        said.append(await contact.say(correction))
        await asyncio.wait_for(call.ended.wait(), 60)
        assert call.outcome == "dropped"
    third = await model.called(_about_heat, nth=3)
    said.append(await contact.say(WATER))
    await _read_on(parley, http, contact)
    assert third.outcome == "running"
    third.gate.set()
    first = await contact.answered(said[0].message_id)
    assert "heat pack" in first["text"]
    found = await parley.findings([contact])
    assert found.faults == []
    turns = await parley.turns(contact)
    assert [turn["handled"] for turn in turns] == [[one.message_id for one in said[:3]], [said[3].message_id]]
    assert (found.messages, found.replies) == (4, 2)


async def test_a_correction_after_the_answer_gets_one_of_its_own(
    parley: Installation, model: ModelServer, contact: Contact
) -> None:
    """What is committed stays; the next turn knows what was said before."""
    asked = await contact.say(HEAT)
    first = await contact.answered(asked.message_id)
    corrected = await contact.say(CORRECTION)
    second = await contact.answered(corrected.message_id)
    assert (first["in_reply_to"], second["in_reply_to"]) == (asked.message_id, corrected.message_id)
    assert "tap water" in second["text"]
    assert "heat pack" not in second["text"]
    call = await model.called(nth=2)
    assert first["text"] in call.body["messages"][1]["content"]
    found = await parley.findings([contact])
    assert found.faults == []
    assert [turn["handled"] for turn in await parley.turns(contact)] == [[asked.message_id], [corrected.message_id]]


def _about_heat(call: Call) -> bool:
    return HEAT in call.message


async def _read_on(parley: Installation, http: aiohttp.ClientSession, contact: Contact) -> None:
    """Until the worker has read past all that this contact sent: a later message on its partition is answered."""
    inbound = partition_of(contact.conversation, 3)
    while True:
        other = await another(parley, http, "later")
        if partition_of(other.conversation, 3) == inbound:
            await other.answered((await other.say(RETURN)).message_id)
            return
