"""The same scenarios on both engines: what a contact and an operator see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import ENGINES, run_installation
from tests.harness.chat_client import Contact
from tests.harness.installation import DOCUMENTS, QUESTIONS, Installation
from tests.harness.processes import ForkServer


@pytest.fixture(scope="module", params=ENGINES)
async def parley(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """One for all tests of this file: each brings contacts of its own."""
    async with run_installation(request, fork_server, tmp_path_factory.mktemp("scenarios")) as installation:
        yield installation


def proves(line: dict[str, Any], document: str) -> bool:
    """Whether the reply's first citation quotes this document word for word."""
    return bool(line["citations"]) and (
        line["citations"][0]["document"] == document and line["citations"][0]["quote"] in DOCUMENTS[document]
    )


async def test_a_question_is_answered_with_a_verbatim_quote(contact: Contact) -> None:
    said = await contact.say(QUESTIONS[0])
    reply = await contact.answered(said.message_id)
    assert proves(reply, "shipping"), reply
    assert reply["author"]["kind"] == "agent"
    assert reply["in_reply_to"] == said.message_id


async def test_a_question_beyond_the_documents_is_declined_with_the_offer_of_a_person(contact: Contact) -> None:
    said = await contact.say("Who won the football world championship in 1974?")
    reply = await contact.answered(said.message_id)
    assert reply["citations"] == []
    assert [choice["id"] for choice in reply["choices"]] == ["person"]


async def test_a_burst_of_twenty_at_once_is_all_seen_and_folded(parley: Installation, contact: Contact) -> None:
    await asyncio.gather(*(contact.say(f"{QUESTIONS[i % 3]} ({i})", f"burst-{i}") for i in range(20)))
    contact.sent.sort(key=lambda sent: sent.seq)
    found = await parley.findings([contact])
    assert found.faults == []
    turns = (await parley.admin("GET", f"conversations/{contact.conversation}"))["turns"]
    assert sum(len(turn["handled"]) for turn in turns) == 20
    assert len(turns) < 10, "a burst must be folded into few turns"


async def test_the_same_id_fifty_times_at_once_is_one_message_and_one_answer(
    parley: Installation, contact: Contact
) -> None:
    said = await asyncio.gather(*(contact.say(QUESTIONS[1], "same") for _ in range(50)))
    assert len({(one.message_id, one.seq) for one in said}) == 1
    contact.sent = contact.sent[:1]
    await contact.answered(said[0].message_id)
    found = await parley.findings([contact])
    assert found.faults == []
    assert (found.messages, found.replies) == (1, 1)


async def test_the_same_id_with_another_body_is_refused(contact: Contact) -> None:
    await contact.say("One thing", "reused")
    headers = {"Authorization": f"Bearer {contact.token}"}
    body = {"client_msg_id": "reused", "text": "Another thing"}
    async with contact.http.post(f"{contact.chat}/messages", json=body, headers=headers) as answer:
        assert answer.status == 409
        assert (await answer.json())["error"]["code"] == "id_reused"


async def test_an_edited_document_changes_the_next_answer(parley: Installation, contact: Contact) -> None:
    """Or the one after that, where the machine has no quarter of a second to index it."""
    first = await contact.answered((await contact.say(QUESTIONS[1])).message_id)
    assert "30 days" in first["text"]
    changed = DOCUMENTS["returns"].replace("30 days", "45 days")
    for body, days in ((changed, "45 days"), (DOCUMENTS["returns"], "30 days")):
        await parley.admin("PUT", "knowledge/returns", json={"title": "Returns", "body": body})
        async with asyncio.timeout(60):
            while days not in (await contact.answered((await contact.say(QUESTIONS[1])).message_id))["text"]:
                pass


async def test_two_tabs_are_one_conversation(contact: Contact) -> None:
    async with socket_of(contact) as one, socket_of(contact) as two:
        await one.send_json({"type": "message", "client_msg_id": "tab-1", "text": QUESTIONS[2]})
        replies = [await reply_on(tab) for tab in (one, two)]
    assert replies[0]["id"] == replies[1]["id"]
    assert proves(replies[0], "watering")


async def test_a_socket_cut_in_mid_stream_resumes_without_a_gap_or_a_repeat(contact: Contact) -> None:
    async with socket_of(contact) as cut:
        await cut.send_json({"type": "message", "client_msg_id": "cut-1", "text": QUESTIONS[0]})
        acked = await frame_of(cut, "ack")
    async with socket_of(contact, last_seq=0) as again:
        ids = [(await frame_of(again, "message"))["message"]["id"] for _ in range(2)]
    assert ids[0] == acked["message_id"]
    assert len(set(ids)) == 2


async def test_tenants_do_not_see_each_other(
    parley: Installation, contact: Contact, http: aiohttp.ClientSession
) -> None:
    stranger = Contact(parley.base, http, "bob", tenant="bookshop")
    await stranger.open()
    reply = await stranger.answered((await stranger.say(QUESTIONS[0])).message_id)
    assert reply["citations"] == []
    headers = {"Authorization": f"Bearer {contact.token}"}
    async with http.get(f"{stranger.chat}/messages?after=0", headers=headers) as answer:
        assert answer.status == 401
    await parley.admin("GET", f"conversations/{contact.conversation}", tenant="bookshop", ok=False)


def socket_of(contact: Contact, last_seq: int | None = None) -> OpenSocket:
    return OpenSocket(contact, last_seq)


class OpenSocket:
    """A chat socket that has said hello and been welcomed."""

    def __init__(self, contact: Contact, last_seq: int | None) -> None:
        self._contact = contact
        self._last_seq = last_seq

    async def __aenter__(self) -> aiohttp.ClientWebSocketResponse:
        self._socket = await self._contact.http.ws_connect(f"{self._contact.chat}/socket")
        hello: dict[str, Any] = {"type": "hello", "token": self._contact.token}
        await self._socket.send_json(hello if self._last_seq is None else {**hello, "last_seq": self._last_seq})
        await frame_of(self._socket, "welcome")
        return self._socket

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()


async def frame_of(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            frame: dict[str, Any] = await socket.receive_json()
            if frame["type"] == kind:
                return frame


async def reply_on(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = (await frame_of(socket, "message"))["message"]
        if message["author"]["kind"] == "agent":
            return message
