"""A text that comes in pieces, cut into sentences that carry their citation marks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent_worker.knowledge.text.sentences import sentence_spans

MARK = re.compile(r"\[(\d{1,3})\]")
_MARKS_FIRST = re.compile(r"[ \t]*(?:\[\d{1,3}\][ \t,;.]*)+")
_MAYBE_MARKS = re.compile(r"\s*(?:\[\d{0,3}\]?[\s,;.]*)*")
_BREAK = re.compile(r"(?<=\S)[ \t]*\n\s*(?=\S)")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,2}[.)])\s+")


def cut(text: str) -> list[str]:
    """Sentences, items and lines, in order; joined they are the text again. Space stands before the sentence it
    leads to, marks ("… euro. [1]") with the sentence they follow."""
    out: list[str] = []
    for line in _lines(text):
        first = True
        for piece in _sentences(line):
            marks = None if first else _MARKS_FIRST.match(piece)
            if marks and marks[0].strip():
                out[-1] += marks[0].rstrip()
                piece = piece[len(marks[0].rstrip()) :]
            if piece.strip() or not out:
                out.append(piece)
            else:
                out[-1] += piece
            first = False
    return out


def _lines(text: str) -> Iterator[str]:
    """Lines with the line breaks before them."""
    begin = 0
    for match in _BREAK.finditer(text):
        yield text[begin : match.start()]
        begin = match.start()
    yield text[begin:]


def _sentences(line: str) -> Iterator[str]:
    """The marker of an item is no sentence of its own."""
    marker = _ITEM.match(line)
    begin = 0
    for _, end in sentence_spans(line, marker.end() if marker else 0):
        yield line[begin:end]
        begin = end
    if begin < len(line):
        yield line[begin:]


class Sentences:
    """What is not yet certain to be whole is held back: marks may still follow a full stop."""

    def __init__(self) -> None:
        self._held = ""

    @property
    def held(self) -> int:
        """Characters of the unfinished sentence."""
        return len(self._held)

    def add(self, piece: str) -> list[str]:
        """The sentences that became whole by this piece."""
        self._held += piece
        if not self._held:
            return []
        pieces = cut(self._held)
        certain = len(pieces) - (2 if _MAYBE_MARKS.fullmatch(pieces[-1]) else 1)
        ready = pieces[: max(0, certain)]
        self._held = self._held[sum(map(len, ready)) :]
        return ready

    def rest(self) -> list[str]:
        """What is left when the text has ended."""
        left, self._held = self._held, ""
        return [piece for piece in cut(left) if piece.strip()]
