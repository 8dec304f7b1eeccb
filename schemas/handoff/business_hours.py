"""Business hours: the opening times of a week in one time zone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

Span = tuple[int, int]
"""Minutes after midnight from which and until which; 1440 is the midnight that ends the day."""
_AHEAD = 370
"""Days that are looked at for an opening: every weekday comes within them, also around a year's holidays."""


def span_of(text: str) -> Span:
    """Of ``09:00-17:30``. One that does not end after it began goes on past midnight."""
    begun, ended = (int(hours) * 60 + int(minutes) for hours, minutes in (each.split(":") for each in text.split("-")))
    return begun, ended


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """``days``: spans by weekday (0 is Monday); a day that is not named is closed, as are ``holidays``. All instants
    are aware; what the clocks show counts, so a day on which they are changed is an hour longer or shorter."""

    zone: ZoneInfo
    days: Mapping[int, Sequence[Span]]
    holidays: frozenset[date] = field(default_factory=frozenset)

    def is_open(self, at: datetime) -> bool:
        return any(begun <= at < ended for begun, ended in self._open_from(at, days=0))

    def next_opening(self, at: datetime) -> datetime | None:
        """Compute the next opening time: ``at`` itself while it is open, None if it does not open within a year."""
        return next((max(begun, at.astimezone(UTC)) for begun, _ in self._open_from(at, days=_AHEAD)), None)

    def office_time_between(self, since: datetime, until: datetime) -> timedelta:
        """Office time between the two; nothing when ``until`` is not later."""
        total = timedelta()
        for begun, ended in self._open_from(since, days=max(0, (until - since).days) + 2):
            total += max(timedelta(), min(ended, until) - max(begun, since))
        return total

    def add_office_time(self, since: datetime, duration: timedelta) -> datetime:
        """Compute the time at which this much office time has passed. If it does not open within a year, all time
        counts: a limit that never comes would be none."""
        remaining = duration
        for begun, ended in self._open_from(since, days=_AHEAD):
            start = max(begun, since)
            if ended - start >= remaining:
                return (start + remaining).astimezone(UTC)
            remaining -= ended - start
        return (since + duration).astimezone(UTC)

    def _open_from(self, at: datetime, *, days: int) -> Iterator[tuple[datetime, datetime]]:
        """List the open spans that end after ``at``, in order and without overlaps, begun at most ``days`` days
        later."""
        today = at.astimezone(self.zone).date()
        last: datetime | None = None
        for offset in range(-1, days + 1):
            for begun, ended in self._spans_on(today + timedelta(days=offset)):
                begun = begun if last is None else max(begun, last)
                if ended > max(begun, at.astimezone(UTC)):
                    yield begun, ended
                    last = ended

    def _spans_on(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        if day in self.holidays:
            return
        for begun, ended in sorted(self.days.get(day.weekday(), ())):
            end = day if ended > begun else day + timedelta(days=1)
            yield self._to_utc(day, begun), self._to_utc(end, ended)

    def _to_utc(self, day: date, minutes: int) -> datetime:
        """Convert to local time. An hour that they leave out ends when they go on; of one that comes twice the first
        counts."""
        days, rest = divmod(minutes, 1440)
        local = datetime.combine(day + timedelta(days=days), time(*divmod(rest, 60)), self.zone)
        return local.astimezone(UTC)
