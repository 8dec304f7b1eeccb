"""The simulated Graph answers any request in one of Graph's own shapes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulators.meta import Graph, Instagram, WhatsApp
from tests.simulators.meta.client import client_of
from tests.simulators.vendor_clock import VendorClock

ODD: tuple[Any, ...] = (None, 1, "", "x" * 5000, True, [], {}, [None], ["a"], [[]], {"a": 1})
BUTTON = {"type": "postback", "title": "Order", "payload": "order"}
WHATSAPP: list[dict[str, Any]] = [
    {"type": "text", "text": {"body": "x"}, "context": {"message_id": "wamid.x"}},
    {
        "type": "interactive",
        "interactive": {
            "type": "button",
            "body": {"text": "Which?"},
            "footer": {"text": "small"},
            "action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "One"}}]},
        },
    },
    {
        "type": "interactive",
        "interactive": {
            "type": "list",
            "body": {"text": "Which?"},
            "action": {"button": "Open", "sections": [{"title": "All", "rows": [{"id": "1", "title": "One"}]}]},
        },
    },
    {
        "type": "template",
        "template": {
            "name": "hello_world",
            "language": {"code": "en_US"},
            "components": [{"type": "body", "parameters": [{"type": "text", "text": "x"}]}],
        },
    },
    {"type": "image", "image": {"id": "1", "caption": "x"}},
    {"type": "contacts", "contacts": [{"name": {"formatted_name": "Ben"}}]},
    {"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "👍"}},
    {"type": "location", "location": {"latitude": 1, "longitude": 2}},
    {"status": "read", "message_id": "wamid.x", "typing_indicator": {"type": "text"}},
]
INSTAGRAM: list[dict[str, Any]] = [
    {
        "message": {"text": "x", "quick_replies": [{"content_type": "text", "title": "One", "payload": "1"}]},
        "messaging_type": "RESPONSE",
        "reply_to": {"mid": "x"},
    },
    {
        "message": {
            "attachment": {
                "type": "template",
                "payload": {"template_type": "generic", "elements": [{"title": "One", "buttons": [BUTTON]}]},
            }
        }
    },
    {
        "message": {
            "attachment": {
                "type": "template",
                "payload": {"template_type": "button", "text": "One", "buttons": [BUTTON]},
            }
        }
    },
    {"sender_action": "react", "payload": {"message_id": "x", "reaction": "love"}},
]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inside:
        yield (*path, name)
        yield from _paths(each, (*path, name))


def _bent(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The body with each of its values in turn replaced by each odd one."""
    for *path, last in _paths(body):
        for odd in ODD:
            bent = copy.deepcopy(body)
            place = bent
            for name in path:
                place = place[name]
            place[last] = odd
            yield bent


@pytest.mark.parametrize("channel", ["whatsapp", "instagram"])
async def test_a_body_of_any_shape_gets_an_answer_of_the_vendor(channel: str) -> None:
    graph = Graph(pace=VendorClock(scale=0))
    vendor = WhatsApp(graph) if channel == "whatsapp" else Instagram(graph)
    answers = []
    async with vendor.serving(), client_of(vendor.settings()) as client:
        await vendor.say("anna", "Hello")
        if isinstance(vendor, WhatsApp):
            path = f"{vendor.number.id}/messages"
            frame: dict[str, Any] = {"messaging_product": "whatsapp", "to": vendor.person("anna").wa_id}
            # The limits are another matter.
            vendor.pair.burst = vendor.number.throughput.burst = 10**6
        else:
            path, frame = "me/messages", {"recipient": {"id": vendor.person("anna").igsid}}
            vendor.send_limit.burst = 10**6
        for body in WHATSAPP if channel == "whatsapp" else INSTAGRAM:
            answers += [await client.post(path, bent) for bent in _bent(frame | body)]
    assert len(answers) > 300
    odd = [each for each in answers if not isinstance(each.body, dict)]
    assert odd == []
    assert {each.status for each in answers} <= {200, 400, 403, 404}
