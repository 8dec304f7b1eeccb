"""Times in the queries of the admin API."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.errors import InvalidRequest


def parse_instant(name: str, text: str) -> datetime | None:
    """Read a date or time; None if there is none. Raises InvalidRequest."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{name}: must be a date or a time such as 2026-05-04T09:30:00Z") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
