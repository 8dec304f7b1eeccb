"""How a transcript is read. Pure."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime, timedelta
from typing import overload

from schemas.messages import TranscriptMessage

UNSENT = frozenset({"pending", "failed", "dropped", "deleted"})
"""States of lines that the contact has not seen."""
LATE = timedelta(seconds=2)
"""Less than this out of order is nothing: clocks of two machines differ, and vendors count in whole seconds."""


class Lines(Sequence[TranscriptMessage]):
    """Lines that are decoded when somebody looks at them: many a turn is answered without the talk before, and reading
    twenty lines takes as long as all the rest that it reads."""

    __slots__ = ("_decode", "_decoded")

    def __init__(self, decode: Callable[[], Sequence[TranscriptMessage]]) -> None:
        self._decode = decode
        self._decoded: Sequence[TranscriptMessage] | None = None

    @property
    def _all(self) -> Sequence[TranscriptMessage]:
        if self._decoded is None:
            self._decoded = self._decode()
        return self._decoded

    def __len__(self) -> int:
        return len(self._all)

    @overload
    def __getitem__(self, at: int) -> TranscriptMessage: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[TranscriptMessage]: ...
    def __getitem__(self, at: int | slice) -> TranscriptMessage | Sequence[TranscriptMessage]:
        return self._all[at]


def select_sent(lines: Sequence[TranscriptMessage], *, without: Container[str]) -> list[TranscriptMessage]:
    """The lines that the contact has seen or written, in place; ``without`` these ids."""
    return in_place([line for line in lines if line.state not in UNSENT and line.id not in without])


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
