"""Reading a transcript: lazy decoding, the order of lines, and the text of those with voice notes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import overload

from schemas.messages import Attachment, TranscriptMessage

UNSENT = frozenset({"pending", "failed", "dropped", "deleted"})
"""States of lines that the contact has not seen."""
CLOCK_TOLERANCE = timedelta(seconds=2)
"""A smaller difference does not count as out of order: clocks of two machines differ, and vendors count in whole
seconds."""


class Lines(Sequence[TranscriptMessage]):
    """Transcript lines that are decoded on first access: many turns are answered without the history, and decoding
    twenty lines takes as long as everything else that a turn reads."""

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

    def __iter__(self) -> Iterator[TranscriptMessage]:
        return iter(self._all)

    def __reversed__(self) -> Iterator[TranscriptMessage]:
        return reversed(self._all)

    @overload
    def __getitem__(self, at: int) -> TranscriptMessage: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[TranscriptMessage]: ...
    def __getitem__(self, at: int | slice) -> TranscriptMessage | Sequence[TranscriptMessage]:
        return self._all[at]


def select_sent(lines: Sequence[TranscriptMessage], *, without: Container[str]) -> list[TranscriptMessage]:
    """The lines that the contact has seen or written, in place; ``without`` these ids."""
    return order_lines([line for line in lines if line.state not in UNSENT and line.id not in without])


def order_lines(lines: Iterable[TranscriptMessage]) -> list[TranscriptMessage]:
    """Order lines for reading. A contact's late line (from the vendor's history, or replayed) moves before the lines
    that they wrote after it; all others stay in numerical order. Only times of the contact's lines are compared,
    because they come from one clock."""
    placed: list[TranscriptMessage] = []
    newest: datetime | None = None
    for line in lines:
        is_contact = line.author.kind == "contact"
        if is_contact and newest is not None and newest - line.created_at > CLOCK_TOLERANCE:
            placed.insert(_place(placed, line.created_at), line)
            continue
        placed.append(line)
        if is_contact:
            newest = line.created_at if newest is None else max(newest, line.created_at)
    return placed


def _place(lines: Sequence[TranscriptMessage], written: datetime) -> int:
    later = (
        n
        for n, line in enumerate(lines)
        if line.author.kind == "contact" and line.created_at - written > CLOCK_TOLERANCE
    )
    return next(later, len(lines))


# Text of a message with voice notes: what the contact wrote, followed by what they said.


def is_audio(file: Attachment) -> bool:
    return file.type.startswith("audio/")


def join_speech(written: str, files: Iterable[Attachment]) -> str:
    """The text of a message with these files."""
    said = _list_texts(files)
    return "\n".join(filter(None, (written.strip(), *said))) if said else written


def find_written_text(line: TranscriptMessage) -> str:
    """The part of a line's text that was written, without what voice notes say."""
    said = "\n".join(_list_texts(line.attachments))
    return line.text.removesuffix(said).rstrip("\n") if said else line.text


def _list_texts(files: Iterable[Attachment]) -> list[str]:
    return [file.speech.text for file in files if file.speech is not None and file.speech.text]
