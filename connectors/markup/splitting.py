"""Cutting a row of cells into parts that a channel takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from connectors.markup.cells import Cell
from connectors.markup.graphemes import Measure, blank

MIN_LIMIT = 64
"""Shorter parts could not hold every escaped character with the marks around it."""
PARAGRAPH, LINE, SENTENCE, WORD, GRAPHEME, NEVER = range(6)
"""Borders, the best first."""
Written = Callable[[Sequence[Cell]], str]
"""Writes one part."""
Fits = Callable[[Sequence[Cell]], bool]
_ENDS = frozenset(".!?…؟۔।॥")
_WIDE_ENDS = frozenset("。！？｡")
_CLOSERS = frozenset("\"'”’»)]}›」』）*_~")
_MANY_CLOSERS = 64
"""So many quotes and citation marks end no sentence: looking past any number of them, before each, goes with the square
of the text."""


def room(limit: int) -> int:
    """How long one cell may be, so that a bullet or the marks around it fit as well. Raises ValueError if the limit is
    below ``MIN_LIMIT``."""
    if limit < MIN_LIMIT:
        raise ValueError(f"a part needs room for {MIN_LIMIT} units, not {limit}")
    return limit - 12


def cut(cells: Sequence[Cell], limit: int, measure: Measure, written: Written) -> Iterator[str]:
    """Parts, none longer than the limit and none without anything to see."""

    def fits(part: Sequence[Cell]) -> bool:
        return measure(written(part)) <= limit

    start = 0
    while start < len(cells):
        border = _border(cells, start, limit, fits)
        part = cells[start:border]
        if not all(blank(cell.source) for cell in part):
            # Deep nesting may need more room around one cell than there is; the words matter more than the marks.
            yield written(part if fits(part) else [replace(cell, styles=()) for cell in part])
        start = border


def _border(cells: Sequence[Cell], start: int, limit: int, fits: Fits) -> int:
    furthest = _furthest(cells, start, limit, fits)
    if furthest == len(cells):
        return furthest
    enough = start + (furthest - start) // 4
    best, end = min((_worth(_rank(cells, end), end > enough), -end) for end in range(start + 1, furthest + 1))
    return start + 1 if best == NEVER else -end


def _worth(rank: int, enough: bool) -> int:
    # A paragraph of three words is no reason to send a message of three words.
    return rank if enough else max(rank, WORD)


def _furthest(cells: Sequence[Cell], start: int, limit: int, fits: Fits) -> int:
    """The last border that fits. Closing marks count from where they are opened, so no later border needs less."""
    low, high = start + 1, min(len(cells), start + limit + _droppable(cells, start))
    if fits(cells[start:high]):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(cells[start:middle]) else (low, middle)
    return low


def _droppable(cells: Sequence[Cell], start: int) -> int:
    end = start
    while end < len(cells) and cells[end].source.isspace():
        end += 1
    return end - start


def _rank(cells: Sequence[Cell], end: int) -> int:
    """How good a border before ``cells[end]`` is."""
    if cells[end - 1].glued:
        return NEVER
    here, following = cells[end], cells[end + 1] if end + 1 < len(cells) else None
    if here.source == "\n":
        return PARAGRAPH if following is not None and following.source == "\n" else LINE
    if here.source.isspace():
        return _rank_of_space(cells, end, following)
    return SENTENCE if _ended(cells, end, _WIDE_ENDS) and here.source not in _CLOSERS | _WIDE_ENDS else GRAPHEME


def _rank_of_space(cells: Sequence[Cell], end: int, following: Cell | None) -> int:
    if following is None or following.mark:
        return GRAPHEME  # a citation stays with what it proves
    ends = _ended(cells, end, _ENDS | _WIDE_ENDS)
    return SENTENCE if ends and not following.source.islower() else WORD


def _ended(cells: Sequence[Cell], end: int, marks: frozenset[str]) -> bool:
    """Whether a sentence ends before ``cells[end]``, past closing quotes and citation marks."""
    last, first = end - 1, max(0, end - _MANY_CLOSERS)
    while last > first and (cells[last].mark or cells[last].source in _CLOSERS):
        last -= 1
    if cells[last].source not in marks:
        return False
    # "1." and "J." begin something more often than they end it.
    initial = last > 1 and cells[last - 1].source.isalnum() and cells[last - 2].source.isspace()
    return cells[last].source != "." or not initial
