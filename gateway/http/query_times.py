"""Times in queries and options: dates, and how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from schemas.errors import InvalidRequest

_PERIOD = re.compile(r"(\d{1,5})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def parse_instant(name: str, text: str) -> datetime | None:
    """Read a date or time; None if there is none. Raises InvalidRequest."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{name}: must be a date or a time such as 2026-05-04T09:30:00Z") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def parse_start(name: str, text: str, now: datetime) -> datetime | None:
    """Read the start of a period: a date or time, or how long ago it was (30d, 12h, 15m). None if there is none. Raises
    InvalidRequest."""
    if (period := _PERIOD.fullmatch(text)) is not None:
        return now - timedelta(**{_UNITS[period[2]]: int(period[1])})
    return parse_instant(name, text)
