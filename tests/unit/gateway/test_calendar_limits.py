"""Times near the limits of the calendar, which UTC may be unable to express, at every route that takes a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from agent_worker.knowledge.text.front_matter import parse_attributes, split_front_matter
from gateway.documents.content_hash import content_hash
from gateway.http.query_times import parse_instant, parse_start
from gateway.webchat.serialization import format_instant
from schemas.errors import InvalidRequest, Unprocessable
from tests.unit.gateway.conftest import Instance

LATE, EARLY = "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"
BODY: dict[str, Any] = {"title": "Shipping", "body": "# Shipping\n\nA parcel costs 12 euros."}
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("expires_at", [LATE, EARLY])
async def test_nothing_may_expire_beyond_the_calendar(instance: Instance, expires_at: str) -> None:
    put = await instance.admin("PUT", "/knowledge/shipping", BODY | {"expires_at": expires_at})
    assert (put.status, put.code) == (400, "invalid_request")
    assert put.body["error"]["message"].startswith("expires_at: must lie between the years 1 and 9999")
    tried = await instance.admin("POST", "/knowledge/shipping/try", BODY | {"expires_at": expires_at, "query": "price"})
    assert (tried.status, tried.code) == (400, "invalid_request")
    body = {"name": "ci", "scopes": ["read"], "expires_at": expires_at}
    assert (await instance.admin("POST", "/tokens", body)).code == "invalid_request"


async def test_a_run_of_a_suite_without_an_offset_is_listed_among_others(instance: Instance) -> None:
    run = {"suite": "s", "setup": "x", "cases": 1, "passed": 1, "low": 0, "high": 1, "cost": 0, "p95_ms": 1}
    for at in ("2026-05-04T09:30:00", "2026-05-04T09:30:00Z", LATE, EARLY):
        assert (await instance.admin("POST", "/evals", run | {"at": at})).status == 201
    listed = await instance.admin("GET", "/evals")
    assert [item["at"][:4] for item in listed.body["items"]] == ["9999", "2026", "2026", "0001"]


@pytest.mark.parametrize("at", [LATE, EARLY])
def test_a_stored_time_beyond_the_calendar_is_readable(at: str) -> None:
    year = at[:4]
    assert format_instant(datetime.fromisoformat(at)).startswith(year)
    fields = {"title": "t", "body": "b", "url": "", "language": "", "visibility": "public"}
    assert content_hash(**fields, expires_at=datetime.fromisoformat(at))


@pytest.mark.parametrize(
    "query", [{"until": "0001-01-01"}, {"until": EARLY}, {"until": LATE}, {"since": EARLY}, {"until": "0001-01-20"}]
)
async def test_a_period_beyond_the_calendar_is_refused(instance: Instance, query: dict[str, str]) -> None:
    for path in ("/outcomes", "/outcomes/conversations", "/insights", "/report"):
        answer = await instance.admin("GET", f"{path}?{urlencode(query)}")
        assert (answer.status, answer.code) == (400, "invalid_request")
        assert answer.body["error"]["message"].startswith(f"{next(iter(query))}: ")


async def test_a_period_may_span_the_whole_calendar(instance: Instance) -> None:
    """A report of it is no longer than others."""
    for path in ("/outcomes", "/report"):
        answer = await instance.admin("GET", f"{path}?since=0001-01-01&until=9999-12-31")
        assert answer.status == 200
        assert len(answer.body.get("steps", [])) <= 106


async def test_an_export_from_beyond_the_calendar_is_refused(instance: Instance) -> None:
    for path in ("/training", "/recordings", "/finetune/examples"):
        for since in (LATE, EARLY):
            answer = await instance.admin("GET", f"{path}?{urlencode({'since': since})}")
            assert (answer.status, answer.code) == (400, "invalid_request")


def test_front_matter_beyond_the_calendar_is_refused() -> None:
    for at in (LATE, EARLY):
        with pytest.raises(Unprocessable, match=r"expires_at: .*must lie between the years 1 and 9999"):
            parse_attributes("a.md", {"expires_at": at})
        with pytest.raises(Unprocessable):
            split_front_matter("a.md", f"---\nexpires_at: {at}\n---\nText")


def test_front_matter_with_a_day_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Unprocessable, match="day that does not exist"):
        split_front_matter("a.md", "---\nexpires_at: 2026-02-31\n---\nText")


def test_a_plus_sign_that_arrived_as_a_space_is_an_offset() -> None:
    expected = datetime(2026, 5, 4, 8, 30, tzinfo=UTC)
    assert parse_instant("since", "2026-05-04T09:30:00 01:00") == expected
    assert parse_instant("since", "2026-05-04 09:30:00 01:00") == parse_instant("since", "2026-05-04 09:30:00+01:00")
    assert parse_instant("since", "2026-05-04 09:30") == NOW


def test_a_wrong_start_names_the_form_of_a_length() -> None:
    assert parse_start("since", "1d", NOW) == NOW - timedelta(days=1)
    with pytest.raises(InvalidRequest, match="such as 30d"):
        parse_start("since", "-1d", NOW)
