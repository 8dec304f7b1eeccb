"""When people are there: the week as the clocks of one time zone show it. Pure."""

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

    def opens(self, at: datetime) -> datetime | None:
        """When it opens next: ``at`` itself while it is open, None when it does not within a year."""
        return next((max(begun, at.astimezone(UTC)) for begun, _ in self._open_from(at, days=_AHEAD)), None)

    def worked(self, since: datetime, until: datetime) -> timedelta:
        """Office time between the two; nothing when ``until`` is not later."""
        total = timedelta()
        for begun, ended in self._open_from(since, days=max(0, (until - since).days) + 2):
            total += max(timedelta(), min(ended, until) - max(begun, since))
        return total

    def due(self, since: datetime, worked: timedelta) -> datetime:
        """When so much office time will have passed since then. Where it never opens again within a year, all time
        counts: a limit that never comes would be none."""
        left = worked
        for begun, ended in self._open_from(since, days=_AHEAD):
            start = max(begun, since)
            if ended - start >= left:
                return (start + left).astimezone(UTC)
            left -= ended - start
        return (since + worked).astimezone(UTC)

    def _open_from(self, at: datetime, *, days: int) -> Iterator[tuple[datetime, datetime]]:
        """Spans in which it is open that end after ``at``, in order and apart, begun at most so many days later."""
        today = at.astimezone(self.zone).date()
        last: datetime | None = None
        for offset in range(-1, days + 1):
            for begun, ended in self._of(today + timedelta(days=offset)):
                begun = begun if last is None else max(begun, last)
                if ended > max(begun, at.astimezone(UTC)):
                    yield begun, ended
                    last = ended

    def _of(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        if day in self.holidays:
            return
        for begun, ended in sorted(self.days.get(day.weekday(), ())):
            end = day if ended > begun else day + timedelta(days=1)
            yield self._at(day, begun), self._at(end, ended)

    def _at(self, day: date, minutes: int) -> datetime:
        """What the clocks show then. An hour that they leave out ends when they go on; of one that comes twice the
        first counts."""
        whole, rest = divmod(minutes, 1440)
        shown = datetime.combine(day + timedelta(days=whole), time(*divmod(rest, 60)), self.zone)
        return shown.astimezone(UTC)
