"""Splits a growing text into sentences that include their citation marks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent_worker.knowledge.text.sentences import sentence_spans

CITATION_MARK = re.compile(r"\[(\d{1,3})\]")
_MARKS_FIRST = re.compile(r"[ \t]*(?:\[\d{1,3}\][ \t,;.]*)+")
_MAYBE_MARKS = re.compile(r"\s*(?:\[\d{0,3}\]?[\s,;.]*)*")
_BREAK = re.compile(r"(?<=\S)[ \t]*\n\s*(?=\S)")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,2}[.)])\s+")


def split_sentences(text: str) -> list[str]:
    """Sentences, items and lines in order; joined they are the text again. Whitespace belongs to the sentence after it,
    citation marks ("… euro. [1]") to the sentence before."""
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
    """The marker of a list item is not a sentence."""
    marker = _ITEM.match(line)
    begin = 0
    for _, end in sentence_spans(line, marker.end() if marker else 0):
        yield line[begin:end]
        begin = end
    if begin < len(line):
        yield line[begin:]


class SentenceSplitter:
    """Holds back a sentence until it is certainly complete, because marks may follow its full stop."""

    def __init__(self) -> None:
        self._pending = ""

    @property
    def pending_length(self) -> int:
        """Characters of the incomplete sentence."""
        return len(self._pending)

    def add(self, piece: str) -> list[str]:
        """The sentences completed by this piece."""
        self._pending += piece
        if not self._pending:
            return []
        pieces = split_sentences(self._pending)
        certain = len(pieces) - (2 if _MAYBE_MARKS.fullmatch(pieces[-1]) else 1)
        ready = pieces[: max(0, certain)]
        self._pending = self._pending[sum(map(len, ready)) :]
        return ready

    def flush(self) -> list[str]:
        """The remaining sentences at the end of the text."""
        pending, self._pending = self._pending, ""
        return [piece for piece in split_sentences(pending) if piece.strip()]
