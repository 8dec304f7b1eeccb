"""Every channel translates its fixtures as they say, and has every case that a channel must have."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.registry import CHANNELS
from tests.channels import fixture_cases, fixture_translation

VENDORS = [name for name in CHANNELS if fixture_cases.fixtures(name).exists()]
FOUND = {
    way: [
        pytest.param(name, case, id=f"{name}-{case.name}")
        for name in VENDORS
        for case in fixture_cases.cases(name, way)
    ]
    for way in ("inbound", "outbound")
}


ANSWERED = [
    pytest.param(name, case, id=f"{name}-{case.name}")
    for name in VENDORS
    for case in fixture_cases.cases(name, "outbound")
    if (case / "reply.json").exists()
]


@pytest.mark.parametrize(("channel", "case"), FOUND["inbound"])
def test_an_inbound_fixture_is_parsed_into_the_recorded_events(channel: str, case: Path) -> None:
    assert fixture_translation.events(channel, case) == fixture_cases.read(case / "events.json")


@pytest.mark.parametrize(("channel", "case"), FOUND["outbound"])
def test_a_message_becomes_these_calls(channel: str, case: Path) -> None:
    assert fixture_translation.requests(channel, case) == fixture_cases.read(case / "requests.json")


@pytest.mark.parametrize(("channel", "case"), ANSWERED)
def test_a_vendors_answer_means_this(channel: str, case: Path) -> None:
    assert fixture_translation.receipt(channel, case) == fixture_cases.read(case / "receipt.json")


@pytest.mark.parametrize("channel", VENDORS)
def test_every_case_is_there_or_cannot_exist(channel: str) -> None:
    """A case is absent with a reason, never by oversight, and never both there and absent."""
    wanted = {f"inbound/{name}" for name in fixture_cases.INBOUND} | {
        f"outbound/{name}" for name in fixture_cases.OUTBOUND
    }
    there = {f"{way}/{case.name}" for way in ("inbound", "outbound") for case in fixture_cases.cases(channel, way)}
    excused = fixture_cases.absent(channel)
    assert wanted - there == excused.keys() & wanted
    assert not excused.keys() & there
    assert all(reason.strip() for reason in excused.values())


def test_every_channel_but_the_web_has_fixtures() -> None:
    assert set(CHANNELS) - set(VENDORS) == {"web"}
