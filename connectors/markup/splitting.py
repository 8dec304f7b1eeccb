"""Splitting of a sequence of cells into parts of limited length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from connectors.markup.cells import Cell
from connectors.markup.graphemes import Measure
from schemas.validation.texts import is_blank

MIN_LIMIT = 64
"""Shorter parts could not hold every escaped character with its marks."""
PARAGRAPH, LINE, SENTENCE, WORD, GRAPHEME, NEVER = range(6)
"""Kinds of boundaries, the best first."""
WritePart = Callable[[Sequence[Cell]], str]
"""Writes one part."""
Fits = Callable[[Sequence[Cell]], bool]
_SENTENCE_ENDS = frozenset(".!?…؟۔।॥")
_WIDE_SENTENCE_ENDS = frozenset("。！？｡")
_CLOSERS = frozenset("\"'”’»)]}›」』）*_~")
_MAX_CLOSERS = 64
"""More quotes and citation marks than this are not skipped, because skipping any number would take quadratic time."""


def get_cell_limit(limit: int) -> int:
    """Return how long one cell may be so that a bullet or marks still fit around it. Raises ValueError if the limit is
    below ``MIN_LIMIT``."""
    if limit < MIN_LIMIT:
        raise ValueError(f"a part needs room for {MIN_LIMIT} units, not {limit}")
    return limit - 12


def cut_parts(cells: Sequence[Cell], limit: int, measure: Measure, write: WritePart) -> Iterator[str]:
    """Yield parts, none longer than the limit and none blank."""

    def fits(part: Sequence[Cell]) -> bool:
        return measure(write(part)) <= limit

    start = 0
    while start < len(cells):
        boundary = _find_boundary(cells, start, limit, fits)
        part = cells[start:boundary]
        if not all(is_blank(cell.source) for cell in part):
            # Deeply nested marks may not fit around one cell: then the text is kept without marks.
            yield write(part if fits(part) else [replace(cell, styles=()) for cell in part])
        start = boundary


def _find_boundary(cells: Sequence[Cell], start: int, limit: int, fits: Fits) -> int:
    last_fit = _find_last_fit(cells, start, limit, fits)
    if last_fit == len(cells):
        return last_fit
    min_end = start + (last_fit - start) // 4
    best, end = min((_weigh(_rank_boundary(cells, end), end > min_end), -end) for end in range(start + 1, last_fit + 1))
    return start + 1 if best == NEVER else -end


def _weigh(rank: int, is_long_enough: bool) -> int:
    # A short paragraph is no reason to send a very short message.
    return rank if is_long_enough else max(rank, WORD)


def _find_last_fit(cells: Sequence[Cell], start: int, limit: int, fits: Fits) -> int:
    """Find the last boundary that fits. Closing marks count from where they are opened, so later boundaries never need
    less."""
    low, high = start + 1, min(len(cells), start + limit + _count_spaces(cells, start))
    if fits(cells[start:high]):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(cells[start:middle]) else (low, middle)
    return low


def _count_spaces(cells: Sequence[Cell], start: int) -> int:
    end = start
    while end < len(cells) and cells[end].source.isspace():
        end += 1
    return end - start


def _rank_boundary(cells: Sequence[Cell], end: int) -> int:
    """Rate the boundary before ``cells[end]``."""
    if cells[end - 1].keep_with_next:
        return NEVER
    cell, following = cells[end], cells[end + 1] if end + 1 < len(cells) else None
    if cell.source == "\n":
        return PARAGRAPH if following is not None and following.source == "\n" else LINE
    if cell.source.isspace():
        return _rank_space(cells, end, following)
    return (
        SENTENCE
        if _ends_sentence(cells, end, _WIDE_SENTENCE_ENDS) and cell.source not in _CLOSERS | _WIDE_SENTENCE_ENDS
        else GRAPHEME
    )


def _rank_space(cells: Sequence[Cell], end: int, following: Cell | None) -> int:
    if following is None or following.is_citation:
        return GRAPHEME  # a citation stays with its sentence
    ends = _ends_sentence(cells, end, _SENTENCE_ENDS | _WIDE_SENTENCE_ENDS)
    return SENTENCE if ends and not following.source.islower() else WORD


def _ends_sentence(cells: Sequence[Cell], end: int, marks: frozenset[str]) -> bool:
    """Return whether a sentence ends before ``cells[end]``, skipping closing quotes and citation marks."""
    last, first = end - 1, max(0, end - _MAX_CLOSERS)
    while last > first and (cells[last].is_citation or cells[last].source in _CLOSERS):
        last -= 1
    if cells[last].source not in marks:
        return False
    # "1." and "J." usually begin something rather than end it.
    is_initial = last > 1 and cells[last - 1].source.isalnum() and cells[last - 2].source.isspace()
    return cells[last].source != "." or not is_initial
