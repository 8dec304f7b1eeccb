"""A socket that is cut between two deltas: the contact comes back and has the answer once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.models.conftest import tab_of
from tests.harness.chat_client import Contact
from tests.harness.contract_client import ChatSocket
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.websockets import cut
from tests.simulators.models.server import ModelServer, make_held_script

ALL = "\n".join(QUESTIONS)


async def close(tab: ChatSocket) -> None:
    """As a browser does that leaves the page."""
    await tab.socket.close()


async def reset(tab: ChatSocket) -> None:
    """As a network does that is gone: RST, no closing frame."""
    cut(tab.socket, reset=True)


def deltas(frames: list[dict[str, Any]], turn: str) -> list[dict[str, Any]]:
    return [frame for frame in frames if frame["type"] == "delta" and frame["turn_id"] == turn]


def answers(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    shown = [frame["message"] for frame in frames if frame["type"] == "message"]
    return [message for message in shown if message["author"]["kind"] == "agent"]


async def is_quiet_after(tab: ChatSocket, contact: Contact) -> None:
    """Whatever still was under way has come: a later question is answered on this tab."""
    said = await contact.say("Thank you!")
    while (await tab.reply())["in_reply_to"] != said.message_id:
        pass


@pytest.mark.parametrize("cut", [close, reset])
@pytest.mark.parametrize("back", ["in mid-answer", "after it"])
async def test_a_socket_cut_between_two_deltas_has_the_answer_once(
    parley: Installation, model: ModelServer, contact: Contact, cut: Any, back: str
) -> None:
    """Whether it comes back while the model still writes or later: the final message once, no delta twice, and the
    other tab saw all of it."""
    model.next_scripts = [make_held_script(1)]
    async with tab_of(contact) as other:
        async with tab_of(contact) as tab:
            said = await contact.say(ALL)
            call = await model.called()
            seen = await tab.frame("delta")
            assert answers(tab.frames) == []
            await cut(tab)
        if back == "after it":
            call.gate.set()
            await contact.answered(said.message_id)
        async with tab_of(contact, last_seq=said.seq) as again:
            call.gate.set()
            reply = await again.reply()
            await is_quiet_after(again, contact)
        await is_quiet_after(other, contact)

    assert reply["in_reply_to"] == said.message_id
    assert len([one for one in answers(again.frames) if one["id"] == reply["id"]]) == 1
    late = [frame["index"] for frame in deltas(again.frames, seen["turn_id"])]
    assert late == sorted(set(late)), "no delta twice"
    assert all(index > seen["index"] for index in late)
    position = again.frames.index(next(frame for frame in again.frames if frame.get("message") == reply))
    assert not deltas(again.frames[position:], seen["turn_id"]), "no delta after its message"
    if back == "in mid-answer":
        assert late, "what is still written is shown to whoever came back"

    whole = deltas(other.frames, seen["turn_id"])
    assert [frame["index"] for frame in whole] == list(range(len(whole)))
    assert "".join(frame["text"] for frame in whole) == reply["text"]
    assert [one["id"] for one in answers(other.frames)].count(reply["id"]) == 1
    assert [line["id"] for line in await contact.transcript()].count(reply["id"]) == 1
    found = await parley.findings([contact])
    assert found.faults == []
