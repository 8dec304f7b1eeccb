"""Reading the conversation over HTTP, and waiting for what comes."""

from __future__ import annotations

import asyncio

import pytest

from gateway.webchat import http_api
from schemas.messages import Choice, Citation, InboundMessage
from tests.unit.webchat.conftest import Shop, note_subscription

MESSAGE_KEYS = {
    *("seq", "id", "author", "text", "html", "citations", "choices", "attachments", "created_at", "in_reply_to"),
    "state",
}


async def test_messages_are_read_in_the_form_of_the_contract(shop: Shop) -> None:
    visitor = await shop.visitor()
    asked = await visitor.say("<b>When?</b>\nSoon?")
    await shop.reply(
        visitor,
        "Within **3 days** [1].",
        in_reply_to=asked.body["message_id"],
        citations=[Citation(n=1, document="d", title="Shipping", url="https://x.example", quote="3 days", version=4)],
        choices=[Choice(id="person", label="Ask a person")],
    )
    body = (await visitor.call("GET", "messages?after=0")).body
    assert body["seq"] == 2
    typed, reply = body["messages"]
    assert set(typed) == set(reply) == MESSAGE_KEYS
    assert typed["html"] == "<p>&lt;b&gt;When?&lt;/b&gt;<br>Soon?</p>"
    assert (typed["state"], typed["in_reply_to"], typed["author"]["kind"]) == ("received", None, "contact")
    assert reply["html"] == "<p>Within <strong>3 days</strong> [1].</p>"
    assert reply["author"] == {"kind": "agent", "name": "Fern"}
    assert reply["citations"] == [
        {"n": 1, "document": "d", "title": "Shipping", "url": "https://x.example", "quote": "3 days"}
    ]
    assert reply["choices"] == [{"id": "person", "label": "Ask a person"}]
    assert (reply["state"], reply["in_reply_to"]) == ("sent", asked.body["message_id"])
    assert reply["created_at"] == "2026-05-04T09:30:00.000Z"


async def test_a_choice_travels_with_its_label_when_no_text_is_given(shop: Shop) -> None:
    visitor = await shop.visitor()
    reply = await shop.reply(visitor, "Shall I?", choices=[Choice(id="person", label="Ask a person")])
    choice = {"in_reply_to": reply.id, "id": "person"}
    body = {"client_msg_id": "c1", "choice": choice}
    assert (await visitor.call("POST", "messages", json=body)).status == 202
    message = (await shop.logged())[0].payload(InboundMessage)
    assert message.text == "Ask a person"
    assert message.choice is not None
    assert message.choice.model_dump() == choice
    other = {"client_msg_id": "c2", "choice": {**choice, "id": "refund"}}
    assert (await visitor.call("POST", "messages", json=other)).status == 400


async def test_reading_goes_on_where_it_ended_200_at_a_time(shop: Shop) -> None:
    visitor = await shop.visitor()
    for n in range(205):
        await shop.reply(visitor, f"line {n}")
    first = (await visitor.call("GET", "messages")).body
    assert ([line["seq"] for line in first["messages"]], first["seq"]) == (list(range(1, 201)), 205)
    rest = (await visitor.call("GET", "messages?after=200")).body
    assert [line["seq"] for line in rest["messages"]] == [201, 202, 203, 204, 205]
    assert (await visitor.call("GET", "messages?after=205")).body == {"messages": [], "seq": 205}


@pytest.mark.parametrize(
    "query",
    [
        *("after=-1", "after=x", "after=1.5", "after=nan", "after=1e300", "after=", "after=1e3"),
        *("wait=-1", "wait=26", "wait=inf", "wait=%201", "wait=1_0"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(shop: Shop, query: str) -> None:
    visitor = await shop.visitor()
    answer = await visitor.call("GET", f"messages?{query}")
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert query.partition("=")[0] in answer.body["error"]["message"]


async def test_a_waiting_reader_gets_a_message_when_it_comes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_api, "POLL_EVERY", 60.0)
    visitor = await shop.visitor()
    subscribed = note_subscription(shop)
    waiting = asyncio.create_task(visitor.call("GET", "messages?after=0&wait=20"))
    await subscribed.wait()
    await shop.reply(visitor, "there")
    async with asyncio.timeout(15):
        assert [line["text"] for line in (await waiting).body["messages"]] == ["there"]


async def test_a_waiting_reader_finds_a_message_whose_signal_was_lost(shop: Shop) -> None:
    visitor = await shop.visitor()
    waiting = asyncio.create_task(visitor.call("GET", "messages?after=0&wait=20"))
    await asyncio.sleep(0)
    shop.services.state.signals.publish = _lose_signal  # type: ignore[method-assign]
    await shop.reply(visitor, "there")
    async with asyncio.timeout(15):
        assert [line["text"] for line in (await waiting).body["messages"]] == ["there"]


async def _lose_signal(topic: str, payload: bytes) -> None:
    """A signal that nobody gets."""


async def test_a_reader_waits_no_longer_than_it_asked(shop: Shop) -> None:
    visitor = await shop.visitor()
    async with asyncio.timeout(15):
        assert (await visitor.call("GET", "messages?after=0&wait=0.3")).body == {"messages": [], "seq": 0}


async def test_dropped_messages_are_never_shown(shop: Shop) -> None:
    visitor = await shop.visitor()
    gone = await shop.reply(visitor, "stale")
    await shop.services.state.transcript.mark(visitor.conversation, [gone.id], "dropped")
    await shop.reply(visitor, "fresh")
    assert [line["text"] for line in (await visitor.call("GET", "messages")).body["messages"]] == ["fresh"]
