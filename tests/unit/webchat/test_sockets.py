"""The chat socket: hello, frames both ways, resuming, and every close code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from schemas import topics
from schemas.conversation_activity import Feedback
from schemas.errors import BusUnavailable
from schemas.messages import Author, Choice, InboundMessage
from tests.unit.webchat.conftest import FailingBus, Shop, message, open_socket, with_bus

Serve = Callable[..., Awaitable[Shop]]


async def test_hello_is_welcomed_with_the_conversation_and_its_number(shop: Shop) -> None:
    visitor = await shop.visitor()
    await visitor.say("before")
    socket = await visitor.socket()
    welcome = await socket.frame("welcome")
    assert welcome == {"type": "welcome", "conversation_id": visitor.conversation, "seq": 1}


async def test_a_message_is_acknowledged_once_it_is_in_the_log_and_before_it_is_shown(shop: Shop) -> None:
    visitor = await shop.visitor()
    socket = await open_socket(visitor)
    await socket.send(message("hello", "a"))
    ack = await socket.frame("ack")
    (event,) = await shop.logged()
    assert ack == {"type": "ack", "client_msg_id": "a", "message_id": event.id, "seq": 1}
    shown = (await socket.frame("message"))["message"]
    assert (shown["id"], shown["seq"], shown["text"]) == (event.id, 1, "hello")


async def test_a_repeat_on_the_socket_is_acknowledged_alike_and_another_body_is_not(shop: Shop) -> None:
    visitor = await shop.visitor()
    socket = await open_socket(visitor)
    acks = []
    for _ in range(2):
        await socket.send(message("hello", "a"))
        acks.append(await socket.frame("ack"))
    assert acks[0] == acks[1]
    await socket.send(message("other", "a"))
    error = await socket.frame("error")
    assert (error["error"]["code"], error["client_msg_id"]) == ("id_reused", "a")
    assert len(await shop.logged()) == 1


async def test_two_tabs_are_one_conversation(shop: Shop) -> None:
    visitor = await shop.visitor()
    one, two = await open_socket(visitor), await open_socket(visitor)
    await one.send(message("hello"))
    assert (await two.frame("message"))["message"]["text"] == "hello"
    await shop.reply(visitor, "welcome!")
    assert (await two.frame("message"))["message"]["text"] == "welcome!"
    assert (await one.frame("message"))["message"]["text"] == "hello"
    assert (await one.frame("message"))["message"]["text"] == "welcome!"


async def test_everything_missed_comes_in_order_after_the_welcome(shop: Shop) -> None:
    visitor = await shop.visitor()
    for n in range(230):
        await shop.reply(visitor, f"line {n}")
    socket = await open_socket(visitor, last_seq=10)
    seqs = [(await socket.frame("message"))["message"]["seq"] for _ in range(220)]
    assert seqs == list(range(11, 231))


async def test_a_last_number_beyond_the_end_hides_nothing_that_comes(shop: Shop) -> None:
    visitor = await shop.visitor()
    socket = await open_socket(visitor, last_seq=500)
    await shop.reply(visitor, "new")
    assert (await socket.frame("message"))["message"]["seq"] == 1


async def test_a_message_whose_signal_was_lost_still_comes(shop: Shop) -> None:
    visitor = await shop.visitor()
    socket = await open_socket(visitor)

    async def lost(topic: str, payload: bytes) -> None:
        """A signal that nobody gets."""

    shop.services.state.signals.publish = lost  # type: ignore[method-assign]
    await shop.reply(visitor, "there")
    assert (await socket.frame("message"))["message"]["text"] == "there"


async def test_a_choice_is_a_message_with_the_label(shop: Shop) -> None:
    visitor = await shop.visitor()
    reply = await shop.reply(visitor, "Shall I?", choices=[Choice(id="person", label="Ask a person")])
    socket = await open_socket(visitor)
    await socket.send({"type": "choice", "client_msg_id": "c", "in_reply_to": reply.id, "id": "person"})
    await socket.frame("ack")
    payload = (await shop.logged())[0].payload(InboundMessage)
    assert payload.text == "Ask a person"
    assert payload.choice is not None
    assert (payload.choice.in_reply_to, payload.choice.id) == (reply.id, "person")
    await socket.send({"type": "choice", "client_msg_id": "d", "in_reply_to": reply.id, "id": "nothing"})
    assert (await socket.frame("error"))["client_msg_id"] == "d"


async def test_deltas_are_forwarded_once_and_not_after_their_turn_is_over(shop: Shop) -> None:
    visitor = await shop.visitor()
    socket = await open_socket(visitor)

    async def delta(turn: str, index: int, text: str, epoch: int = 1) -> None:
        frame = {"type": "delta", "turn_id": turn, "index": index, "text": text, "epoch": epoch}
        await shop.signal(visitor, json.dumps(frame).encode())

    await delta("t1", 0, "One. ")
    await delta("t1", 0, "One. ")
    await delta("t1", 1, "Two.")
    await shop.signal(visitor, b'{"type":"abort","turn_id":"t1"}')
    await delta("t1", 2, "late")
    await delta("t2", 0, "Three.", epoch=2)
    await delta("t3", 0, "an older owner", epoch=1)
    await shop.reply(visitor, "Three.", turn_id="t2")
    await socket.frame("message")
    await delta("t2", 1, "late")
    await shop.signal(visitor, b"no json")
    await shop.signal(visitor, b'{"type":"typing","author":{"kind":"agent","name":"Fern"}}')
    await socket.frame("typing")
    shown = [frame for frame in socket.seen if frame["type"] in ("delta", "abort")]
    assert shown == [
        {"type": "delta", "turn_id": "t1", "index": 0, "text": "One. "},
        {"type": "delta", "turn_id": "t1", "index": 1, "text": "Two."},
        {"type": "abort", "turn_id": "t1"},
        {"type": "delta", "turn_id": "t2", "index": 0, "text": "Three."},
    ]


async def test_typing_reaches_the_worker_and_not_the_typist(shop: Shop) -> None:
    visitor = await shop.visitor()
    socket = await open_socket(visitor)
    signals = shop.services.state.signals.subscribe(f"conversation:{visitor.conversation}")
    await socket.send({"type": "typing"})
    async with asyncio.timeout(30):
        signal = json.loads(await anext(signals))
    assert (signal["type"], signal["author"]["kind"]) == ("typing", "contact")
    await shop.signal(visitor, b'{"type":"typing","author":{"kind":"person","name":"Mo"}}')
    assert await socket.frame("typing") == {"type": "typing", "author": {"kind": "person", "name": "Mo"}}


async def test_receipts_are_forwarded(shop: Shop) -> None:
    visitor = await shop.visitor()
    socket = await open_socket(visitor)
    await shop.signal(visitor, b'{"type":"receipt","message_id":"r","state":"read"}')
    assert await socket.frame("receipt") == {"type": "receipt", "message_id": "r", "state": "read"}


async def test_an_edited_message_is_pushed_as_it_reads_now(shop: Shop) -> None:
    visitor = await shop.visitor()
    reply = await shop.reply(visitor, "answer")
    socket = await open_socket(visitor)
    await socket.frame("message")
    await shop.services.state.transcript.edit(visitor.conversation, reply.id, "better answer", revision=1)
    for about in (reply.id, "another"):
        await shop.signal(visitor, json.dumps({"type": "changed", "message_id": about}).encode())
    told = (await socket.frame("changed"))["message"]
    assert (told["id"], told["text"]) == (reply.id, "better answer")
    await shop.services.state.transcript.edit(visitor.conversation, reply.id, "")
    await shop.services.state.transcript.mark(visitor.conversation, [reply.id], "deleted")
    await shop.signal(visitor, json.dumps({"type": "changed", "message_id": reply.id}).encode())
    told = (await socket.frame("changed"))["message"]
    assert (told["text"], told["state"]) == ("", "deleted")


async def test_feedback_on_a_reply_is_an_event(shop: Shop) -> None:
    visitor = await shop.visitor()
    reply = await shop.reply(visitor, "answer")
    socket = await open_socket(visitor)
    await socket.send({"type": "feedback", "message_id": reply.id, "value": "up", "comment": "thanks"})
    events = await shop.appears(topics.EVENTS)
    given = events[0].payload(Feedback)
    assert (events[0].conversation, given.message_id, given.value, given.comment) == (
        visitor.conversation,
        reply.id,
        "up",
        "thanks",
    )


async def test_feedback_on_a_strangers_reply_is_refused(shop: Shop) -> None:
    visitor, stranger = await shop.visitor(), await shop.visitor()
    reply = await shop.reply(stranger, "answer")
    socket = await open_socket(visitor)
    await socket.send({"type": "feedback", "message_id": reply.id, "value": "up"})
    assert (await socket.frame("error"))["error"]["code"] == "invalid_request"
    assert await shop.logged(topics.EVENTS) == []


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "null",
        '{"type":"unknown"}',
        '{"text":"x"}',
        '{"type":["message"]}',
        '{"type":"hello","token":"again"}',
        '{"type":"message","client_msg_id":"a","text":""}',
        '{"type":"message","client_msg_id":"a","text":7}',
        '{"type":"message","client_msg_id":"a","text":"\\ud800"}',
        '{"type":"message","client_msg_id":"a","text":"\\u0000"}',
        '{"type":"read","seq":-1}',
        '{"type":"read","seq":"1"}',
        '{"type":"feedback","message_id":"x","value":"sideways"}',
        '{"type":"choice","client_msg_id":"a","in_reply_to":"","id":"x"}',
        "[" * 30_000,
    ],
    ids=lambda frame: frame[:50],
)
async def test_a_bad_frame_is_answered_and_the_socket_lives_on(shop: Shop, frame: str) -> None:
    visitor = await shop.visitor()
    socket = await open_socket(visitor)
    await socket.raw.send_str(frame)
    error = await socket.frame("error")
    assert (error["error"]["code"], error["error"]["retryable"]) == ("invalid_request", False)
    assert ("client_msg_id" in error) == ('"client_msg_id":"a"' in frame)
    await socket.send(message("still here", "b"))
    assert (await socket.frame("ack"))["client_msg_id"] == "b"


async def test_a_binary_frame_is_answered_and_the_socket_lives_on(shop: Shop) -> None:
    socket = await open_socket(await shop.visitor())
    await socket.raw.send_bytes(b"\x00\xff")
    assert (await socket.frame("error"))["error"]["code"] == "invalid_request"


async def test_a_log_that_is_away_is_told_and_the_socket_lives_on(serve: Serve) -> None:
    held: list[FailingBus] = []

    def failing(services: Any) -> Any:
        held.append(FailingBus(services.bus))
        return with_bus(held[0])(services)

    shop = await serve(failing)
    socket = await open_socket(await shop.visitor())
    held[0].error = BusUnavailable("the log cannot be reached")
    await socket.send(message("x", "a"))
    error = await socket.frame("error")
    assert (error["error"]["code"], error["error"]["retryable"], error["client_msg_id"]) == ("unavailable", True, "a")
    held[0].error = None
    await socket.send(message("x", "a"))
    assert (await socket.frame("ack"))["seq"] == 1


async def test_over_the_visitors_allowance_the_socket_says_when(shop: Shop) -> None:
    visitor = await shop.visitor(account="slow")
    socket = await open_socket(visitor)
    for n in range(4):
        await socket.send(message("x", f"m{n}"))
    error = await socket.frame("error")
    assert (error["error"]["code"], error["client_msg_id"]) == ("rate_limited", "m3")
    assert error["error"]["retry_after_ms"] > 0


async def test_a_person_and_the_system_are_shown_with_their_names(shop: Shop) -> None:
    visitor = await shop.visitor()
    socket = await open_socket(visitor)
    await shop.reply(visitor, "Mo here", author=Author(kind="person", name="Mo"))
    assert (await socket.frame("message"))["message"]["author"] == {"kind": "person", "name": "Mo"}
