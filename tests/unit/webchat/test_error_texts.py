"""Texts of errors: the field and what is wrong with it, in words that need no knowledge of the program."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.webchat.conftest import Shop, open_socket


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"client_msg_id": "x" * 65, "text": "a"}, "client_msg_id: must have at most 64 characters"),
        ({"client_msg_id": "", "text": "a"}, "client_msg_id: must not be empty"),
        ({"client_msg_id": "a", "text": "x" * 8_001}, "text: must have at most 8,000 characters"),
        ({"client_msg_id": "a", "text": 7}, "text: must be text"),
        ({"client_msg_id": "a", "text": "a", "attachments": ["b"] * 11}, "attachments: must have at most 10 items"),
        ({"client_msg_id": "a", "text": "a", "attachments": "b"}, "attachments: must be a list"),
        ({"text": "a"}, "client_msg_id: must be set"),
        ({"client_msg_id": "a", "text": " "}, "text: must not be empty"),
        ({"client_msg_id": "a", "text": "\u200b\ufeff\u2060"}, "text: must not be empty"),
    ],
)
async def test_a_refused_message_is_told_why_over_http_and_on_the_socket(
    shop: Shop, body: dict[str, Any], expected: str
) -> None:
    visitor = await shop.visitor()
    answer = await visitor.call("POST", "messages", json=body)
    assert answer.body["error"]["message"] == expected
    socket = await open_socket(visitor)
    await socket.send({"type": "message"} | body)
    assert (await socket.frame("error"))["error"]["message"] == expected


async def test_a_frame_is_not_called_a_body(shop: Shop) -> None:
    socket = await open_socket(await shop.visitor())
    await socket.raw.send_str("{")
    assert (await socket.frame("error"))["error"]["message"] == "the frame is not valid JSON"


async def test_the_choice_of_a_person_that_nobody_offered_needs_a_text(shop: Shop) -> None:
    visitor = await shop.visitor()
    choice = {"in_reply_to": "", "id": "person"}
    for text in ("", "\u200b"):
        answer = await visitor.say(text, choice=choice)
        assert answer.body["error"]["message"] == "text: must not be empty, unless a message offered the choice"
    assert (await visitor.say("A person, please", choice=choice)).status == 202


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("after=x", "after: must be a whole number from 0 to 9007199254740992"),
        ("after=1.5", "after: must be a whole number from 0 to 9007199254740992"),
        ("after=9999999999999999", "after: must be a whole number from 0 to 9007199254740992"),
        ("wait=26", "wait: must be a number of seconds from 0 to 25"),
    ],
)
async def test_a_number_out_of_range_is_told_the_range_in_digits(shop: Shop, query: str, expected: str) -> None:
    answer = await (await shop.visitor()).call("GET", f"messages?{query}")
    assert answer.body["error"]["message"] == expected


async def test_a_wrong_locale_is_told_what_a_locale_looks_like(shop: Shop) -> None:
    answer = await shop.start(locale="ein bisschen")
    assert answer.body["error"]["message"] == "locale: must be a language such as de or pt-BR"
