"""Any content of a signed Meta update is parsed or left out, and what is parsed can be appended."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import replace
from typing import Any

import pytest

from schemas import topics
from schemas.errors import InvalidRequest
from schemas.ports import ChannelEvent
from tests.channels import fixture_cases, fixture_translation
from tests.channels.webhook_intake import parse_webhook
from tests.harness.channel_tools import NOW

TRIES = 40
"""For each fixture."""
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    float("inf"),
    float("nan"),
    "",
    " ",
    "x" * 5000,
    "a\x00b",
    "\ud83c",
    "\u202e",
    [],
    [[]],
    [None],
    {},
    {"id": {}},
    {"": None},
]


def updates(channel: str) -> list[Any]:
    """The bodies of all fixtures that are JSON objects."""
    found = []
    for case in fixture_cases.cases(channel, "inbound"):
        try:
            body = json.loads(fixture_translation.request(case)[0].body)
        except ValueError:
            continue
        if isinstance(body, dict):
            found.append(body)
    return found


def spoil_copy(body: Any, chance: random.Random) -> Any:
    """A copy with something odd in place of any one node below the top."""
    body = copy.deepcopy(body)
    nodes: list[tuple[Any, Any]] = []
    waiting = [body]
    while waiting:
        at = waiting.pop()
        for key in list(at) if isinstance(at, dict) else range(len(at)):
            nodes.append((at, key))
            if isinstance(at[key], dict | list):
                waiting.append(at[key])
    at, key = chance.choice(nodes)
    at[key] = chance.choice(ODD)
    return body


def assert_fits(event: ChannelEvent) -> None:
    """As the way in makes a payload of it."""
    assert event.place
    assert event.place in [address.value for address in event.addresses]
    fields = {**event.payload, "id": "e", "external_id": event.external_id, "place": event.place, "contact_id": "c"}
    fields.setdefault("message_id", "m")
    fields.setdefault("sent_at", NOW)
    model = topics.EVENT_TYPES[event.type][0].model_validate(fields)
    assert model.model_dump_json().encode()
    assert f"{event.external_id}{event.revision}".encode()


@pytest.mark.parametrize("channel", ["whatsapp", "instagram"])
def test_no_nonsense_in_an_update_is_an_error_or_cannot_be_logged(channel: str) -> None:
    chance = random.Random(20260504)
    case = fixture_cases.fixtures(channel) / "inbound" / "text"
    raw, _ = fixture_translation.request(case)
    opened, clock = fixture_translation.open_channel_at(channel)
    clock.now = NOW
    account = fixture_translation.account(channel)
    read = 0
    for body in updates(channel):
        for _ in range(TRIES):
            request = replace(raw, body=json.dumps(spoil_copy(body, chance)).encode())
            try:
                events = parse_webhook(opened, request, account)
            except InvalidRequest:
                continue
            for event in events:
                assert_fits(event)
            read += len(events)
    assert read > 500


@pytest.mark.parametrize("channel", ["whatsapp", "instagram"])
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"null", b"1", b'"x"', b"[" * 100_000, b"1" * 5000])
def test_a_body_that_is_no_object_is_refused(channel: str, body: bytes) -> None:
    opened, _ = fixture_translation.open_channel_at(channel)
    raw, _ = fixture_translation.request(fixture_cases.fixtures(channel) / "inbound" / "text")
    with pytest.raises(InvalidRequest):
        parse_webhook(opened, replace(raw, body=body), fixture_translation.account(channel))
