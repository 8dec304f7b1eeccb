"""Messages over HTTP: accepted once, in order, and refused by name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from schemas import topics
from schemas.errors import BusUnavailable, StateLost
from schemas.messages import InboundMessage
from tests.unit.webchat.conftest import FailingBus, Shop, with_bus

Serve = Callable[..., Awaitable[Shop]]


async def test_a_message_is_in_the_log_before_it_is_acknowledged(shop: Shop) -> None:
    visitor = await shop.visitor(locale="de-AT")
    answer = await visitor.say("Hällo 🌵")
    assert answer.status == 202
    assert set(answer.body) == {"message_id", "seq"}
    (event,) = await shop.logged()
    payload = event.payload(InboundMessage)
    assert (event.id, event.correlation_id, event.conversation) == (
        answer.body["message_id"],
        answer.body["message_id"],
        visitor.conversation,
    )
    assert event.source == "/connectors/web/shop/main"
    assert (payload.text, payload.external_id, payload.locale) == ("Hällo 🌵", "m1", "de-AT")


async def test_a_repeat_gets_the_answer_of_the_first(shop: Shop) -> None:
    visitor = await shop.visitor()
    first, again = await visitor.say("one"), await visitor.say("one")
    assert (first.status, again.status, first.body) == (202, 202, again.body)


async def test_the_same_id_with_another_body_is_refused_before_the_log(shop: Shop) -> None:
    visitor = await shop.visitor()
    await visitor.say("one")
    answer = await visitor.say("two")
    assert (answer.status, answer.code) == (409, "id_reused")
    assert len(await shop.logged()) == 1


async def test_the_same_id_of_two_visitors_is_two_messages(shop: Shop) -> None:
    one, two = await shop.visitor(), await shop.visitor()
    assert (await one.say("x")).body["message_id"] != (await two.say("y")).body["message_id"]


async def test_fifty_identical_messages_at_once_are_one(serve: Serve) -> None:
    buses: list[FailingBus] = []

    def counted(services: Any) -> Any:
        buses.append(FailingBus(services.bus))
        return replace(services, bus=buses[0])

    shop = await serve(counted)
    visitor = await shop.visitor()
    answers = await asyncio.gather(*(visitor.say("same") for _ in range(50)))
    assert {answer.status for answer in answers} == {202}
    assert len({json.dumps(answer.body) for answer in answers}) == 1
    assert len(buses[0].appends) == 1


async def test_numbers_follow_the_log(shop: Shop) -> None:
    visitor = await shop.visitor()
    answers = await asyncio.gather(*(visitor.say(f"message {n}", f"m{n}") for n in range(30)))
    by_seq = [answer.body["message_id"] for answer in sorted(answers, key=lambda answer: answer.body["seq"])]
    assert [event.id for event in await shop.logged()] == by_seq
    assert sorted(answer.body["seq"] for answer in answers) == list(range(1, 31))


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b"[" * 60_000, "JSON"),
        (b"{}", "client_msg_id"),
        (b'{"client_msg_id": "a"}', "text"),
        (b'{"client_msg_id": "a", "text": ""}', "text"),
        (b'{"client_msg_id": "a", "text": " \\n\\t "}', "text"),
        (b'{"client_msg_id": "a", "text": null}', "text"),
        (b'{"client_msg_id": "a", "text": 7}', "text"),
        (b'{"client_msg_id": "a", "text": ["x"]}', "text"),
        (b'{"client_msg_id": "a", "text": "a\\u0000b"}', "text"),
        (b'{"client_msg_id": "a", "text": "a\\ud800b"}', "JSON"),
        (b'{"client_msg_id": "a", "text": "\xed\xa0\x80"}', "JSON"),
        (b'{"client_msg_id": "a", "text": "' + b"x" * 8_001 + b'"}', "text"),
        (b'{"client_msg_id": "", "text": "x"}', "client_msg_id"),
        (b'{"client_msg_id": "' + b"x" * 65 + b'", "text": "x"}', "client_msg_id"),
        (b'{"client_msg_id": 1, "text": "x"}', "client_msg_id"),
        (b'{"client_msg_id": "a\\u0000", "text": "x"}', "client_msg_id"),
        (b'{"client_msg_id": "a", "text": "x", "attachments": "a"}', "attachments"),
        (b'{"client_msg_id": "a", "text": "x", "attachments": [1]}', "attachments"),
        (b'{"client_msg_id": "a", "text": "x", "attachments": ["../../etc"]}', "attachments"),
        (b'{"client_msg_id": "a", "text": "x", "attachments": ["' + b"0" * 64 + b'"]}', "attachments"),
        (b'{"client_msg_id": "a", "text": "x", "attachments": [' + b'"a",' * 10 + b'"a"]}', "attachments"),
        (b'{"client_msg_id": "a", "text": "x", "choice": "person"}', "choice"),
        (b'{"client_msg_id": "a", "text": "x", "choice": {"in_reply_to": "m", "id": "person"}}', "choice"),
        (b'{"client_msg_id": "a", "text": NaN}', "JSON"),
        (b'{"client_msg_id": "a", "text": ' + b"9" * 50_000 + b"}", "JSON"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_bad_input_is_refused_by_name_and_never_logged(shop: Shop, body: bytes, named: str) -> None:
    visitor = await shop.visitor()
    answer = await visitor.call("POST", "messages", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.code) == (400, "invalid_request"), answer.body
    assert named in answer.body["error"]["message"]
    assert answer.body["error"]["retryable"] is False
    assert await shop.logged() == []


async def test_the_longest_text_and_unknown_fields_are_accepted(shop: Shop) -> None:
    visitor = await shop.visitor()
    assert (await visitor.say("ü" * 7_999 + "🌵", "x" * 64, colour="green")).status == 202


async def test_a_body_over_64_kib_is_too_large(shop: Shop) -> None:
    visitor = await shop.visitor()
    headers = {"Content-Type": "application/json"}
    body = b'{"client_msg_id": "a", "text": "x", "more": "' + b"y" * 65_536 + b'"}'
    answer = await visitor.call("POST", "messages", data=body, headers=headers)
    assert (answer.status, answer.code) == (413, "too_large")

    async def chunks() -> Any:
        for at in range(0, len(body), 10_000):
            yield body[at : at + 10_000]

    answer = await visitor.call("POST", "messages", data=chunks(), headers=headers)
    assert (answer.status, answer.code) == (413, "too_large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
    ids=str,
)
async def test_another_content_type_is_refused(shop: Shop, headers: dict[str, str]) -> None:
    visitor = await shop.visitor()
    answer = await visitor.call("POST", "messages", data=b'{"client_msg_id": "a", "text": "x"}', headers=headers)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer abc", "Bearer a b c"])
async def test_without_a_valid_token_nothing_is_accepted(shop: Shop, header: str) -> None:
    for method, path in (("POST", "messages"), ("GET", "messages"), ("POST", "attachments")):
        answer = await shop.call(method, f"/v1/chat/shop/{path}", headers={"Authorization": header} if header else {})
        assert (answer.status, answer.code) == (401, "unauthorized")


async def test_over_the_visitors_allowance_is_429_with_a_time(shop: Shop) -> None:
    visitor = await shop.visitor(account="slow")
    for n in range(3):
        assert (await visitor.say("x", f"m{n}")).status == 202
    answer = await visitor.say("x", "m3")
    assert (answer.status, answer.code) == (429, "rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 21
    assert answer.body["error"]["retryable"] is True
    assert answer.body["error"]["retry_after_ms"] <= 20_001
    assert (await visitor.say("x", "m0")).status == 202, "a repeat costs nothing"
    shop.clock.tick(answer.body["error"]["retry_after_ms"] / 1000 + 0.01)
    assert (await visitor.say("x", "m3")).status == 202


async def test_over_the_tenants_allowance_is_429_and_other_tenants_do_not_notice(shop: Shop) -> None:
    visitors = []
    for _ in range(3):
        visitors.append(await shop.visitor("tiny"))
        shop.clock.tick(1)
    stranger = await shop.visitor("other")
    answers = [(await visitors[n % 3].say("x", f"m{n}")).status for n in range(5)]
    assert answers == [202] * 4 + [429]
    assert (await stranger.say("x")).status == 202


async def test_a_log_that_is_away_is_503_and_the_same_message_is_accepted_later(serve: Serve) -> None:
    held: list[FailingBus] = []

    def failing(services: Any) -> Any:
        held.append(FailingBus(services.bus))
        return with_bus(held[0])(services)

    shop = await serve(failing)
    visitor = await shop.visitor()
    held[0].error = BusUnavailable("the log cannot be reached", retry_after_ms=1500)
    answer = await visitor.say("x")
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "unavailable", "2")
    assert (await visitor.call("GET", "messages")).body["messages"] == []
    held[0].error = None
    assert (await visitor.say("x")).status == 202


async def test_lost_state_is_503_and_nothing_is_appended(serve: Serve) -> None:
    shop = await serve(lambda services: replace(services, is_state_lost=lambda: True))
    visitor = await shop.visitor()
    answer = await visitor.say("x")
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert await shop.logged() == []


async def test_a_state_store_that_lost_a_shard_is_503(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = await shop.visitor()

    async def lost(*_: Any, **__: Any) -> Any:
        raise StateLost("shard 7 is lost", shards=frozenset({7}))

    monkeypatch.setattr(shop.services.state.contacts, "resolve", lost, raising=False)
    assert (await visitor.say("x")).status == 503


async def test_an_unexpected_failure_says_nothing_of_its_inside(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = await shop.visitor()

    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret detail of the inside")

    monkeypatch.setattr(shop.services.state.transcript, "head", broken, raising=False)
    answer = await visitor.call("GET", "messages")
    assert (answer.status, answer.code) == (500, "internal")
    assert "secret" not in json.dumps(answer.body)


async def test_accepted_messages_are_counted(shop: Shop) -> None:
    visitor = await shop.visitor()
    await visitor.say("x")
    async with shop.http.get(f"{shop.address}/metrics") as response:
        text = await response.text()
    assert 'parley_inbound_total{channel="web",tenant="shop"} 1.0' in text
    assert isinstance(response, aiohttp.ClientResponse)


async def test_a_read_message_is_a_receipt_in_the_log(shop: Shop) -> None:
    visitor = await shop.visitor()
    await shop.reply(visitor, "one")
    socket = await visitor.socket()
    await socket.frame("welcome")
    await socket.send({"type": "read", "seq": 99})
    events = await shop.appears()
    assert events[0].type == topics.RECEIPT_RECORDED
    assert b'"up_to_seq":1' in (events[0].data or b"")
