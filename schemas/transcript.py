"""How a transcript is read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from schemas.messages import TranscriptMessage

LATE = timedelta(seconds=2)
"""Less than this out of order is nothing: clocks of two machines differ, and vendors count in whole seconds."""


def in_place(lines: Iterable[TranscriptMessage]) -> list[TranscriptMessage]:
    """A contact's line that came late (from the vendor's history, or replayed) stands before those that they wrote
    after it; all others stand as they are numbered. Times are compared with the contact's alone: one clock tells
    those."""
    placed: list[TranscriptMessage] = []
    newest: datetime | None = None
    for line in lines:
        is_contact = line.author.kind == "contact"
        if is_contact and newest is not None and newest - line.created_at > LATE:
            placed.insert(_place(placed, line.created_at), line)
            continue
        placed.append(line)
        if is_contact:
            newest = line.created_at if newest is None else max(newest, line.created_at)
    return placed


def _place(lines: Sequence[TranscriptMessage], written: datetime) -> int:
    later = (n for n, line in enumerate(lines) if line.author.kind == "contact" and line.created_at - written > LATE)
    return next(later, len(lines))
