"""Conversion of positioned lines on pages to markdown: larger lines are headings, lines close together form paragraphs,
and lines repeated on every page are removed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_HEADING_RATIO = 1.15
_MAX_HEADING_LENGTH = 120
_PARAGRAPH_GAP = 0.75
"""In line heights: a larger gap above a line begins a paragraph."""
_EDGE_LINES = 2
"""Lines at a page's top and bottom that may be a header or footer."""
_ITEM = re.compile(r"[•‣◦▪●○–*-]\s+|\d{1,3}[.)]\s+")
_BULLET = re.compile(r"^[•‣◦▪●○]\s*")
_SENTENCE_ENDS = (".", "!", "?", ":", "。", "！", "？")


@dataclass(frozen=True, slots=True)
class Line:
    r"""``top`` and ``bottom`` in points above the page's bottom edge. A text that ends in a layout hyphen ends in
    ``\x02``."""

    text: str
    top: float
    bottom: float

    @property
    def height(self) -> float:
        return round(self.top - self.bottom, 1)


def markdown(pages: Sequence[Sequence[Line]]) -> tuple[str, str]:
    """``(title, body)``; the title is empty if no heading stands out."""
    content_pages = _remove_frame(pages)
    lines = [line for page in content_pages for line in page]
    body = _body_height(lines)
    levels = _levels(lines, body)
    blocks = list(_blocks(content_pages, levels))
    title = next((text for level, text in blocks if level == 1), "")
    return title, "\n\n".join(f"{'#' * level} {text}" if level else text for level, text in blocks)


def _remove_frame(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Remove headers and footers of most pages: the same words, or the same around the page number. The first
    occurrence of identical words is kept, because it may be the header of a table."""
    if len(pages) < 3:
        return [list(page) for page in pages]
    counts = Counter(
        text
        for number, page in enumerate(pages, 1)
        for text in {_normalize_line(page[index], number) for index in _edge_lines(page)}
    )
    frame = {text for text, count in counts.items() if count >= max(3, len(pages) / 2)}
    known: set[str] = set()
    remaining = []
    for number, page in enumerate(pages, 1):
        edge_texts = {index: _normalize_line(page[index], number) for index in _edge_lines(page)}
        repeated = {index for index, text in edge_texts.items() if text in frame and ("\0" in text or text in known)}
        known.update(edge_texts.values())
        remaining.append([line for index, line in enumerate(page) if index not in repeated])
    return remaining


def _edge_lines(page: Sequence[Line]) -> list[int]:
    return [index for index in range(len(page)) if index < _EDGE_LINES or index >= len(page) - _EDGE_LINES]


def _normalize_line(line: Line, number: int) -> str:
    """The same text on every page apart from the page number."""
    return re.sub(rf"(?<!\d){number}(?!\d)", "\0", line.text, count=1).casefold()


def _body_height(lines: Sequence[Line]) -> float:
    """The line height with the most text."""
    written: Counter[float] = Counter()
    for line in lines:
        written[line.height] += len(line.text)
    return written.most_common(1)[0][0] if written else 0.0


def _levels(lines: Sequence[Line], body: float) -> dict[float, int]:
    """Line height → heading level, at most four."""
    if body <= 0:
        return {}
    larger = {
        line.height for line in lines if line.height >= body * _HEADING_RATIO and len(line.text) <= _MAX_HEADING_LENGTH
    }
    return {height: min(4, level) for level, height in enumerate(sorted(larger, reverse=True), 1)}


def _blocks(pages: Sequence[Sequence[Line]], levels: dict[float, int]) -> Iterator[tuple[int, str]]:
    """``(level, text)``, level 0 for other text. A paragraph continues on the next page unless it ended."""
    paragraph: list[str] = []
    level, previous = 0, Line("", 0.0, 0.0)
    for number, page in enumerate(pages):
        for place, line in enumerate(page):
            new_level = levels.get(line.height, 0) if len(line.text) <= _MAX_HEADING_LENGTH else 0
            is_new_page = place == 0 and number > 0
            is_separate = (
                previous.text.endswith(_SENTENCE_ENDS)
                if is_new_page
                else previous.bottom - line.top > _PARAGRAPH_GAP * line.height
            )
            if paragraph and (new_level != level or is_separate or (not new_level and _ITEM.match(line.text))):
                yield level, _join_lines(paragraph, level)
                paragraph = []
            level, previous = new_level, line
            paragraph.append(line.text)
    if paragraph:
        yield level, _join_lines(paragraph, level)


def _join_lines(lines: Sequence[str], level: int) -> str:
    text = " ".join(lines).replace("\x02 ", "").replace("\x02", "")
    return " ".join(text.split()) if level else _BULLET.sub("- ", text)
