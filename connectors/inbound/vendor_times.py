"""The times that vendors name for messages, edits, reactions and receipts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.ports import ChannelEvent

FIELDS = ("sent_at", "at", "edited_at", "deleted_at")
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""No channel is older."""
MAX_AHEAD = timedelta(days=1)
"""Clocks are wrong by minutes, and by hours if a time zone is."""


def clamp_times(events: Sequence[ChannelEvent], now: datetime) -> Sequence[ChannelEvent]:
    """Replace times that cannot be true by the time of receipt: a message of the year 5138 would stay the last of its
    conversation, and an opt-out of that year would outlast every later one."""
    if not any(_find_implausible(event, now) for event in events):
        return events
    return [replace(event, payload={**event.payload, **_find_implausible(event, now)}) for event in events]


def _find_implausible(event: ChannelEvent, now: datetime) -> dict[str, Any]:
    """The fields to replace."""
    given = {name: event.payload.get(name) for name in FIELDS}
    return {name: now for name, value in given.items() if value is not None and not _is_plausible(value, now)}


def _is_plausible(value: object, now: datetime) -> bool:
    """What is no time at all is for the validation of the payload to refuse."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return True
    if not isinstance(value, datetime) or value.tzinfo is None:
        return True
    return EARLIEST <= value <= now + MAX_AHEAD
