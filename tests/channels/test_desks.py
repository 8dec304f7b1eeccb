"""Nothing that happens where people work is ever taken for a contact's word, whatever desk it is."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest
from structlog.testing import capture_logs

from connectors.channel_services import ChannelServices
from connectors.slack.channel import SlackChannel
from schemas import topics
from schemas.desk import DeskCommandKind
from schemas.errors import InvalidRequest, Unauthorized
from schemas.key_ring import KeyRing
from schemas.ports import Account, ChannelEvent, RawRequest
from tests.channels import fixture_translation
from tests.channels.fixture_cases import cases, read
from tests.channels.test_slack_malformed_events import JUNK, iterate_paths, replace_at_path
from tests.channels.webhook_intake import read_slack_payload
from tests.desks.webhook.channel import WebhookDesk
from tests.desks.webhook.settings import WebhookAccount
from tests.harness.channel_tools import NOW

DESK = "C0DESK001"
_CHANNEL = re.compile(r"[CDG]0[A-Z0-9]{4,}")
INBOUND = [pytest.param(case, id=case.name) for case in cases("slack", "inbound")]
AT_DESK = [case for case in cases("slack", "inbound") if case.name.startswith("desk_")]
Parse = Callable[[Any], list[ChannelEvent]]
NOTHING: Any = None
TOOLS = ChannelServices(NOTHING, NOTHING, NOTHING, NOTHING)
WEBHOOK = Account("shop", "webhook", "main", WebhookAccount(url="http://127.0.0.1", secret=KeyRing("secret")))


def move_to_desk_channel(value: Any) -> Any:
    """The same in a channel of the desk."""
    if isinstance(value, dict):
        return {name: move_to_desk_channel(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [move_to_desk_channel(inner) for inner in value]
    return DESK if isinstance(value, str) and _CHANNEL.fullmatch(value) else value


def slack() -> tuple[SlackChannel, Account]:
    channel = fixture_translation.open_channel_at("slack")[0]
    assert isinstance(channel, SlackChannel)
    return channel, replace(fixture_translation.account("slack"), desk=frozenset({DESK}))


@pytest.mark.parametrize("case", INBOUND)
def test_events_in_a_desk_channel_are_never_taken_for_a_contacts(case: Path) -> None:
    channel, account = slack()
    try:
        what, payload = read_slack_payload(fixture_translation.request(case)[0], account, NOW)
    except InvalidRequest:
        return
    events = channel.parse_payload(what, move_to_desk_channel(payload), account)
    assert {event.type for event in events} <= {topics.DESK_COMMAND}


def test_some_of_them_would_be_a_contacts_elsewhere() -> None:
    """Else the test above could not fail."""
    kinds = {event["type"] for case in cases("slack", "inbound") for event in _told(case)}
    assert {topics.MESSAGE_RECEIVED, topics.MESSAGE_EDITED, topics.MESSAGE_DELETED, topics.REACTION_CHANGED} <= kinds


def _told(case: Path) -> list[Any]:
    told = read(case / "events.json")
    return told if isinstance(told, list) else []


def told_by_slack(case: Path) -> tuple[Any, Parse]:
    """A payload, and what becomes of it. Slack is never told that it made a mistake: it would stop after a while."""
    channel, account = slack()
    what, payload = read_slack_payload(fixture_translation.request(case)[0], account, NOW)

    def parse(odd: Any) -> list[ChannelEvent]:
        with capture_logs():
            events = channel.parse_payload(what, odd, account)
        return [] if (DESK in str(odd) and not _is_there(odd)) or DESK not in str(odd) else events

    return payload, parse


def told_by_webhook(kind: str) -> tuple[Any, Parse]:
    act = {"kind": kind, "by": "mo", "at": "2026-05-04T09:30:00Z", "text": "Hello", "fields": {"outcome": ["Solved"]}}
    payload = [{"queue": "support", "thread": "1", "message": "2", "act": act}]
    desk = WebhookDesk(TOOLS)

    def parse(odd: Any) -> list[ChannelEvent]:
        try:
            return desk.parse(RawRequest("POST", "", {}, {}, orjson.dumps(odd)), WEBHOOK)
        except InvalidRequest:
            return []  # its program is to be mended

    return payload, parse


TOLD = [
    *(pytest.param(told_by_slack, case, id=f"slack-{case.name}") for case in AT_DESK),
    *(pytest.param(told_by_webhook, kind, id=f"webhook-{kind}") for kind in get_args(DeskCommandKind)),
]


def test_people_act_in_many_of_them() -> None:
    """Else the next test could not fail."""
    slack, webhook = (
        [told_by_slack(case) for case in AT_DESK],
        [told_by_webhook(kind) for kind in get_args(DeskCommandKind)],
    )
    assert sum(bool(parse(payload)) for payload, parse in slack) > 10
    assert all([event.type for event in parse(payload)] == [topics.DESK_COMMAND] for payload, parse in webhook)


@pytest.mark.parametrize(("told", "case"), TOLD)
def test_junk_anywhere_at_the_desk_raises_nothing_and_becomes_nobodys_word(
    told: Callable[[Any], tuple[Any, Parse]], case: Any
) -> None:
    payload, parse = told(case)
    for path in iterate_paths(payload):
        for junk in JUNK:
            assert {event.type for event in parse(replace_at_path(payload, path, junk))} <= {topics.DESK_COMMAND}


@pytest.mark.parametrize("signature", ["", "00", "f" * 64])
def test_nobody_acts_behind_the_webhook_without_its_secret(signature: str) -> None:
    body = b"[]"
    desk, right = WebhookDesk(TOOLS), hmac.digest(b"secret", body, "sha256").hex()
    desk.verify(RawRequest("POST", "", {"x-signature": right}, {}, body), WEBHOOK)
    with pytest.raises(Unauthorized):
        desk.verify(RawRequest("POST", "", {"x-signature": signature}, {}, body), WEBHOOK)


def _is_there(payload: Any) -> bool:
    """Whether it still says that it happened at the desk: a payload without its channel can be of any."""
    event = payload.get("event")
    told = event if isinstance(event, dict) else payload
    places = (told.get("channel"), told.get("channel_id"), (told.get("item") or {}), (told.get("container") or {}))
    return DESK in str(places)
