"""A tenant's hours as the worker gets them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import ValidationError

from gateway.config.desk import DeskHours, DeskSettings
from gateway.wiring.consumers import build_desk_service_level


def test_written_hours_are_office_hours() -> None:
    """One span or several a day, in the tenant's zone, with its holidays."""
    hours = DeskHours(
        timezone="Europe/Berlin", mon="09:00-17:00", tue=["09:00-12:00", "13:00-24:00"], holidays=["2026-03-09"]
    ).office()
    assert hours is not None
    assert hours.days == {0: ((540, 1020),), 1: ((540, 720), (780, 1440))}
    assert hours.holidays == {date(2026, 3, 9)}
    assert hours.is_open(datetime(2026, 3, 2, 8, 0, tzinfo=UTC))
    assert not hours.is_open(datetime(2026, 3, 9, 8, 0, tzinfo=UTC))


def test_without_hours_somebody_is_always_there() -> None:
    """A tenant that names no day is never closed."""
    assert DeskHours(timezone="Europe/Berlin").office() is None


@pytest.mark.parametrize("day", ["2026-13-01", "24.12.2026", "2026-02-30"])
def test_holiday_is_a_day(day: str) -> None:
    """A holiday that the calendar does not have is refused, with an example of one."""
    with pytest.raises(ValidationError, match="2026-12-24"):
        DeskHours(holidays=[day])


def test_worker_is_told_of_hours_limit_and_rating() -> None:
    """A limit of no minutes is none."""
    terms = build_desk_service_level(DeskSettings.model_validate({"channel": "C0123456789"}))
    assert (terms.hours, terms.first_reply, terms.rating) == (None, timedelta(minutes=15), True)
    without = build_desk_service_level(
        DeskSettings.model_validate({"channel": "C0123456789", "times": {"first_reply": 0}, "rating": False})
    )
    assert (without.first_reply, without.rating) == (None, False)
