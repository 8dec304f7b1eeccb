"""Times that come from outside: every one of them can be written in UTC.

The calendar ends with the years 1 and 9999. Near its limits, a time with an offset may have no equivalent in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
UNREPRESENTABLE = "must lie between the years 1 and 9999 in UTC, such as 2026-05-04T09:30:00Z"


def require_representable(at: datetime) -> datetime:
    """Return the time itself. Raises ValueError if UTC cannot express it."""
    try:
        at.astimezone(UTC)
    except OverflowError:
        raise ValueError(UNREPRESENTABLE) from None
    return at


def convert_to_utc(at: datetime) -> datetime:
    """Convert a time that may have been stored before such times were refused. The end of the calendar stands for what
    lies beyond it."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        # Only a time zone east of Greenwich leads to before the beginning.
        return FIRST if at.year == FIRST.year else LAST
