"""Times in queries and options: dates, and how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from schemas.errors import InvalidRequest
from schemas.validation.times import UNREPRESENTABLE, require_representable

_PERIOD = re.compile(r"(\d{1,5})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_LOST_PLUS = re.compile(r"(?<=\d) (?=\d\d:?\d\d$)")
"""The sign of an offset that was not percent-encoded, so that it arrived as a space."""
_TIME = "a date or a time such as 2026-05-04T09:30:00Z"


def parse_instant(name: str, text: str) -> datetime | None:
    """Read a date or time; None if there is none. Raises InvalidRequest."""
    return _parse(name, text, _TIME)


def parse_start(name: str, text: str, now: datetime) -> datetime | None:
    """Read the start of a period: a date or time, or how long ago it was (30d, 12h, 15m). None if there is none. Raises
    InvalidRequest."""
    if (period := _PERIOD.fullmatch(text)) is not None:
        return now - timedelta(**{_UNITS[period[2]]: int(period[1])})
    return _parse(name, text, f"{_TIME}, or how long ago, such as 30d, 12h or 15m")


def _parse(name: str, text: str, expected: str) -> datetime | None:
    if not text:
        return None
    try:
        # In "2026-05-04 09:30" the space stands before the time of day.
        time = datetime.fromisoformat(_LOST_PLUS.sub("+", text) if ":" in text.rpartition(" ")[0] else text)
    except ValueError:
        raise InvalidRequest(f"{name}: must be {expected}") from None
    try:
        return require_representable(time if time.tzinfo else time.replace(tzinfo=UTC))
    except ValueError:
        raise InvalidRequest(f"{name}: {UNREPRESENTABLE}") from None
