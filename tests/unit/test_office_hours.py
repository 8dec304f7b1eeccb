"""Office hours: what the clocks on the wall show, also on the days on which they are changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from schemas.handoff.business_hours import OfficeHours, span_of

BERLIN = ZoneInfo("Europe/Berlin")
NINE_TO_FIVE = span_of("09:00-17:00")
WEEK = OfficeHours(BERLIN, {day: [NINE_TO_FIVE] for day in range(5)})
ALWAYS = OfficeHours(BERLIN, {day: [(0, 1440)] for day in range(7)})


def at(day: str, clock: str = "00:00", zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone)


def test_span_is_written_as_clocks_show_it() -> None:
    """Hours are minutes after midnight, and 24:00 is the midnight that ends the day."""
    assert [span_of(text) for text in ("09:00-17:30", "22:00-24:00")] == [(540, 1050), (1320, 1440)]


@pytest.mark.parametrize(
    ("clock", "is_open"), [("08:59", False), ("09:00", True), ("16:59", True), ("17:00", False), ("23:00", False)]
)
def test_it_is_open_from_the_first_minute_and_until_the_last(clock: str, is_open: bool) -> None:
    """An office opens with its first minute, and is closed from the minute that ends its hours."""
    assert WEEK.is_open(at("2026-03-02", clock)) is is_open


def test_hours_are_those_of_the_zone() -> None:
    """Nine in Berlin is eight in UTC in winter, and seven in summer."""
    assert WEEK.is_open(datetime(2026, 3, 27, 8, 0, tzinfo=UTC))
    assert not WEEK.is_open(datetime(2026, 3, 27, 7, 59, tzinfo=UTC))
    assert WEEK.is_open(datetime(2026, 3, 30, 7, 0, tzinfo=UTC))
    assert not WEEK.is_open(datetime(2026, 3, 30, 15, 0, tzinfo=UTC))


def test_it_opens_next_on_the_next_working_day() -> None:
    """On Friday evening the next opening is Monday's; while it is open, it is now; before it opens, it is today."""
    assert WEEK.next_opening(at("2026-03-27", "18:00")) == at("2026-03-30", "09:00")
    assert WEEK.next_opening(at("2026-03-27", "10:30")) == at("2026-03-27", "10:30")
    assert WEEK.next_opening(at("2026-03-27", "06:00")) == at("2026-03-27", "09:00")


def test_nobody_is_there_on_a_holiday() -> None:
    """A holiday is closed whatever its weekday, and is no office time."""
    closed = OfficeHours(BERLIN, WEEK.days, frozenset({date(2026, 4, 3), date(2026, 4, 6)}))
    assert not closed.is_open(at("2026-04-03", "12:00"))
    assert closed.next_opening(at("2026-04-02", "18:00")) == at("2026-04-07", "09:00")
    assert closed.office_time_between(at("2026-04-02", "16:00"), at("2026-04-07", "10:00")) == timedelta(hours=2)


def test_office_that_never_opens_is_never_waited_for() -> None:
    """Without any hours there is no opening and no office time; a limit then runs by the clock."""
    never = OfficeHours(BERLIN, {})
    start = at("2026-03-02", "12:00")
    assert never.next_opening(start) is None
    assert never.office_time_between(start, start + timedelta(days=30)) == timedelta()
    assert never.add_office_time(start, timedelta(minutes=15)) == start + timedelta(minutes=15)


def test_office_time_leaves_out_nights_and_weekends() -> None:
    """From Friday at four until Monday at ten is two hours of office time, and none backwards."""
    friday, monday = at("2026-03-27", "16:00"), at("2026-03-30", "10:00")
    assert WEEK.office_time_between(friday, monday) == timedelta(hours=2)
    assert WEEK.office_time_between(monday, friday) == timedelta()
    assert WEEK.office_time_between(friday, at("2026-04-24", "16:00")) == timedelta(hours=8 * 20)


def test_a_due_time_counts_office_hours_only() -> None:
    """Fifteen minutes after ten to five are over at five past nine; after hours the time begins when it opens."""
    assert WEEK.add_office_time(at("2026-03-27", "16:50"), timedelta(minutes=15)) == at("2026-03-30", "09:05")
    assert WEEK.add_office_time(at("2026-03-28", "12:00"), timedelta(minutes=15)) == at("2026-03-30", "09:15")
    assert WEEK.add_office_time(at("2026-03-27", "16:45"), timedelta(minutes=15)) == at("2026-03-27", "17:00")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_day_on_which_clocks_are_changed_is_as_long_as_it_is(day: str, hours: int) -> None:
    """The Sunday in March has 23 hours, the one in October 25, another day 24."""
    start = at(day)
    assert ALWAYS.office_time_between(start, at((start.date() + timedelta(days=1)).isoformat())) == timedelta(
        hours=hours
    )


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 2), ("2026-10-25", 4)])
def test_hours_over_the_change_of_clocks_are_counted_by_time_that_passes(day: str, hours: int) -> None:
    """From one to four in the night of the change two hours pass in March, and four in October."""
    nights = OfficeHours(BERLIN, {6: [span_of("01:00-04:00")]})
    assert nights.office_time_between(at(day), at(day, "12:00")) == timedelta(hours=hours)
    assert nights.add_office_time(at(day), timedelta(hours=hours)) == at(day, "04:00")


def test_opening_in_an_hour_that_clocks_leave_out_comes_when_they_go_on() -> None:
    """Half past two does not exist in the night of March: it opens half an hour after what would be two."""
    early = OfficeHours(BERLIN, {6: [span_of("02:30-06:00")]})
    assert early.next_opening(at("2026-03-29")) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert early.office_time_between(at("2026-03-29"), at("2026-03-29", "12:00")) == timedelta(hours=2, minutes=30)


def test_night_shift_goes_on_past_midnight() -> None:
    """A span that ends before it begins ends on the next day."""
    nights = OfficeHours(BERLIN, {4: [span_of("22:00-06:00")]})
    assert nights.is_open(at("2026-03-28", "05:59"))
    assert not nights.is_open(at("2026-03-28", "06:00"))
    assert nights.next_opening(at("2026-03-28", "06:00")) == at("2026-04-03", "22:00")


def test_spans_that_overlap_count_once() -> None:
    """Time that two spans cover is passed once."""
    both = OfficeHours(BERLIN, {0: [span_of("09:00-13:00"), span_of("12:00-15:00")]})
    assert both.office_time_between(at("2026-03-02"), at("2026-03-03")) == timedelta(hours=6)
    assert both.add_office_time(at("2026-03-02"), timedelta(hours=5)) == at("2026-03-02", "14:00")
