"""Unusual Slack payloads raise nothing, and what is parsed can be appended."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from connectors.slack.channel import SlackChannel
from connectors.slack.inbound.requests import Json
from connectors.slack.settings import SlackAccount
from schemas import topics
from schemas.errors import InvalidRequest
from schemas.ports import ChannelEvent
from tests.channels import fixture_translation
from tests.channels.fixture_cases import ROOT, cases
from tests.channels.webhook_intake import read_slack_payload
from tests.harness.channel_tools import NOW

JUNK: list[Any] = [None, 7, -1.5, True, "", "x\x00<!>", "9" * 30 + ".1", [], [None, 3], {}, {"a": [{}]}]


def iterate_paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from iterate_paths(each, (*path, key))


def replace_at_path(payload: Json, path: tuple[Any, ...], junk: Any) -> Json:
    whole = copy.deepcopy(payload)
    inside: Any = whole
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = junk
    return whole


def fits_envelope(event: ChannelEvent) -> bool:
    """As it is put on the log: encoded, with what the edge adds."""
    added = {"id": "i", "message_id": "i", "contact_id": "c", "place": event.place, "sent_at": NOW}
    model = topics.EVENT_TYPES[event.type][0]
    written = model.model_validate({"external_id": event.external_id, **added, **event.payload}).model_dump_json()
    return bool(written and event.place and event.addresses and event.external_id.encode())


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases("slack", "inbound")])
def test_junk_anywhere_spoils_at_most_its_own_event(case: Path) -> None:
    channel = fixture_translation.open_channel_at("slack")[0]
    assert isinstance(channel, SlackChannel)
    account = fixture_translation.account("slack")
    try:
        what, payload = read_slack_payload(fixture_translation.request(case)[0], account, NOW)
    except InvalidRequest:
        return  # it was no payload to begin with
    for path in iterate_paths(payload):
        for junk in JUNK:
            assert all(
                fits_envelope(event)
                for event in channel.parse_payload(what, replace_at_path(payload, path, junk), account)
            )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("unknown_kind", ("info", "kind_unknown")),
        ("unknown_subtype", ("info", "kind_unknown")),
        ("unknown_interaction", ("info", "kind_unknown")),
        ("event_malformed", ("info", "event_malformed")),
        ("choice_malformed", ("info", "event_malformed")),
        ("revoked", ("warning", "tokens_revoked")),
        ("uninstalled", ("warning", "app_uninstalled")),
        ("rate_limited", ("warning", "app_rate_limited")),
    ],
)
def test_left_out_events_are_logged_with_ids_alone(name: str, told: tuple[str, str]) -> None:
    case = next(case for case in cases("slack", "inbound") if case.name == name)
    with capture_logs() as lines:
        assert fixture_translation.events("slack", case) == []
    assert [(line["log_level"], line["event"]) for line in lines] == [told]
    assert lines[0].keys() <= {"log_level", "event", "tenant", "channel", "account", "kind", "subtype", "field"}


@pytest.mark.parametrize("name", ["joined", "other_bot", "own_message", "assistant_opened", "view_submitted"])
def test_expected_events_without_news_are_left_out_without_a_log_line(name: str) -> None:
    case = next(case for case in cases("slack", "inbound") if case.name == name)
    with capture_logs() as lines:
        assert fixture_translation.events("slack", case) == []
    assert not lines


@pytest.mark.parametrize("missing", ["bot_token", "signing_secret"])
def test_settings_without_a_secret_are_refused(missing: str) -> None:
    given = {"bot_token": "xoxb-1", "signing_secret": "s", missing: ""}
    with pytest.raises(ValueError, match=f"{missing} must not be empty"):
        SlackAccount.model_validate(given)


def test_a_socket_needs_the_apps_token_and_no_signing_secret() -> None:
    with pytest.raises(ValueError, match="app_token must not be empty in mode socket"):
        SlackAccount.model_validate({"mode": "socket", "bot_token": "xoxb-1", "signing_secret": "s"})
    SlackAccount.model_validate({"mode": "socket", "bot_token": "xoxb-1", "app_token": "xapp-1"})


def test_translation_needs_nothing_of_slacks() -> None:
    """Its library is there only for who connects."""
    loaded = "import sys, connectors.slack.channel; sys.exit('slack_sdk' in sys.modules or 'aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, check=False).returncode == 0


def test_secrets_do_not_print() -> None:
    settings = SlackAccount.model_validate({"bot_token": "xoxb-1", "signing_secret": "hidden"})
    assert "xoxb" not in repr(settings)
    assert "hidden" not in repr(settings)
