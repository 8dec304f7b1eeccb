"""Lines on pages into markdown: what is larger than the rest is a heading, what stands together a paragraph, and what
every page repeats is its frame."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_LARGER = 1.15
_LONGEST_HEADING = 120
_GAP = 0.75
"""Of a line's height: more space than this over a line begins a paragraph."""
_EDGE = 2
"""Lines at a page's head and foot that may be its frame."""
_ITEM = re.compile(r"[•‣◦▪●○–*-]\s+|\d{1,3}[.)]\s+")
_BULLET = re.compile(r"^[•‣◦▪●○]\s*")
_ENDS = (".", "!", "?", ":", "。", "！", "？")


@dataclass(frozen=True, slots=True)
class Line:
    """``top`` and ``bottom`` in points above the page's foot; a text that ends in a hyphen of the layout ends in
    ``\\x02``."""

    text: str
    top: float
    bottom: float

    @property
    def height(self) -> float:
        return round(self.top - self.bottom, 1)


def markdown(pages: Sequence[Sequence[Line]]) -> tuple[str, str]:
    """``(title, body)``; the title is empty where no heading stands out."""
    kept = _without_frame(pages)
    lines = [line for page in kept for line in page]
    body = _body_height(lines)
    levels = _levels(lines, body)
    blocks = list(_blocks(kept, levels))
    title = next((text for level, text in blocks if level == 1), "")
    return title, "\n\n".join(f"{'#' * level} {text}" if level else text for level, text in blocks)


def _without_frame(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Without what stands at the head or foot of most pages: the same words, or the same around the page's number. Of
    words that are always the same the first is kept, for it may be the head of a table."""
    if len(pages) < 3:
        return [list(page) for page in pages]
    seen = Counter(
        text for number, page in enumerate(pages, 1) for text in {_plain(page[at], number) for at in _edge(page)}
    )
    frame = {text for text, count in seen.items() if count >= max(3, len(pages) / 2)}
    met: set[str] = set()
    kept = []
    for number, page in enumerate(pages, 1):
        edge = {at: _plain(page[at], number) for at in _edge(page)}
        gone = {at for at, text in edge.items() if text in frame and ("\0" in text or text in met)}
        met.update(edge.values())
        kept.append([line for at, line in enumerate(page) if at not in gone])
    return kept


def _edge(page: Sequence[Line]) -> list[int]:
    return [at for at in range(len(page)) if at < _EDGE or at >= len(page) - _EDGE]


def _plain(line: Line, number: int) -> str:
    """The same on every page, but for the page's own number."""
    return re.sub(rf"(?<!\d){number}(?!\d)", "\0", line.text, count=1).casefold()


def _body_height(lines: Sequence[Line]) -> float:
    """The height in which most is written."""
    written: Counter[float] = Counter()
    for line in lines:
        written[line.height] += len(line.text)
    return written.most_common(1)[0][0] if written else 0.0


def _levels(lines: Sequence[Line], body: float) -> dict[float, int]:
    """Height → level of heading, of at most four."""
    if body <= 0:
        return {}
    larger = {line.height for line in lines if line.height >= body * _LARGER and len(line.text) <= _LONGEST_HEADING}
    return {height: min(4, level) for level, height in enumerate(sorted(larger, reverse=True), 1)}


def _blocks(pages: Sequence[Sequence[Line]], levels: dict[float, int]) -> Iterator[tuple[int, str]]:
    """``(level, text)``, 0 for what is no heading. A paragraph goes on over a page's end unless it was finished."""
    held: list[str] = []
    level, before = 0, Line("", 0.0, 0.0)
    for number, page in enumerate(pages):
        for place, line in enumerate(page):
            new = levels.get(line.height, 0) if len(line.text) <= _LONGEST_HEADING else 0
            turned = place == 0 and number > 0
            apart = before.text.endswith(_ENDS) if turned else before.bottom - line.top > _GAP * line.height
            if held and (new != level or apart or (not new and _ITEM.match(line.text))):
                yield level, _joined(held, level)
                held = []
            level, before = new, line
            held.append(line.text)
    if held:
        yield level, _joined(held, level)


def _joined(lines: Sequence[str], level: int) -> str:
    text = " ".join(lines).replace("\x02 ", "").replace("\x02", "")
    return " ".join(text.split()) if level else _BULLET.sub("- ", text)
