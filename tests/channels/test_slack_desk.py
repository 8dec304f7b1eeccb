"""Nothing that happens where people work is ever taken for a contact's word."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from connectors.slack.channel import SlackChannel
from connectors.slack.requests import payload_of
from schemas import topics
from schemas.errors import InvalidRequest
from schemas.ports import Account
from tests.channels import translation
from tests.channels.cases import cases, read
from tests.channels.test_slack_odd import JUNK, changed, nodes

DESK = "C0DESK001"
_CHANNEL = re.compile(r"[CDG]0[A-Z0-9]{4,}")
INBOUND = [pytest.param(case, id=case.name) for case in cases("slack", "inbound")]
AT_DESK = [pytest.param(case, id=case.name) for case in cases("slack", "inbound") if case.name.startswith("desk_")]


def moved(value: Any) -> Any:
    """The same in a channel of the desk."""
    if isinstance(value, dict):
        return {name: moved(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [moved(inner) for inner in value]
    return DESK if isinstance(value, str) and _CHANNEL.fullmatch(value) else value


def slack() -> tuple[SlackChannel, Account]:
    channel = translation.opened("slack")[0]
    assert isinstance(channel, SlackChannel)
    return channel, replace(translation.account("slack"), desk=frozenset({DESK}))


@pytest.mark.parametrize("case", INBOUND)
def test_whatever_happens_in_a_channel_of_the_desk_is_no_contacts(case: Path) -> None:
    channel, account = slack()
    try:
        what, payload = payload_of(translation.request(case)[0])
    except InvalidRequest:
        return
    events = channel.events(what, moved(payload), account)
    assert {event.type for event in events} <= {topics.DESK_ACTED}


def test_some_of_them_would_be_a_contacts_elsewhere() -> None:
    """Else the test above could not fail."""
    kinds = {event["type"] for case in cases("slack", "inbound") for event in _told(case)}
    assert {topics.MESSAGE_RECEIVED, topics.MESSAGE_EDITED, topics.MESSAGE_DELETED, topics.REACTION_CHANGED} <= kinds


def _told(case: Path) -> list[Any]:
    told = read(case / "events.json")
    return told if isinstance(told, list) else []


@pytest.mark.parametrize("case", AT_DESK)
def test_junk_anywhere_at_the_desk_raises_nothing_and_becomes_nobodys_word(case: Path) -> None:
    channel, account = slack()
    what, payload = payload_of(translation.request(case)[0])
    for path in nodes(payload):
        for junk in JUNK:
            odd = changed(payload, path, junk)
            with capture_logs():
                events = channel.events(what, odd, account)
            if DESK in str(odd):
                assert {event.type for event in events} <= {topics.DESK_ACTED} or not _is_there(odd)


def _is_there(payload: Any) -> bool:
    """Whether it still says that it happened at the desk: a payload without its channel can be of any."""
    event = payload.get("event")
    told = event if isinstance(event, dict) else payload
    places = (told.get("channel"), told.get("channel_id"), (told.get("item") or {}), (told.get("container") or {}))
    return DESK in str(places)
