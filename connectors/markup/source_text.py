"""Splitting of source text, without rendering."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import regex

from connectors.markup.cells import Cell, Style, Styles, trim_cells, write_cells
from connectors.markup.citation_numbers import CITATION_MARK
from connectors.markup.graphemes import CLUSTER, Measure, clean_text, count_characters, is_blank, split_graphemes
from connectors.markup.link_safety import BARE_LINK
from connectors.markup.splitting import cut_parts, get_cell_limit

_LINK = r"!?\[[^\[\]\n]*\]\([^()\s]*\)"
_ANGLED = r"<[^<>\s|]+(?:\|[^<>\n]*)?>"
_ENTITY = r"&(?:[A-Za-z]{2,8}|#\d{1,7});"
_ESCAPED = rf"\\{CLUSTER}"
_PIECE = regex.compile("|".join((_LINK, _ANGLED, BARE_LINK, CITATION_MARK, _ENTITY, _ESCAPED, CLUSTER)))
_FENCE = regex.compile(r" {0,3}(`{3,}|~{3,})([^`\n]*)")
_MAX_FENCE = 24


def split_text(text: str, limit: int, measure: Measure = count_characters) -> list[str]:
    """Split into parts no longer than the limit, preferably between paragraphs, then lines, sentences, words, and
    graphemes. A code block that is cut is closed and reopened; links and ``[n]`` marks stay whole unless longer than a
    part. Apart from white space at the cuts, nothing is lost.

    Raises ValueError if the limit is below ``MIN_LIMIT``.
    """
    clean = clean_text(text)
    if measure(clean) <= limit:
        return [] if is_blank(clean) else [clean.strip()]
    return list(cut_parts(list(_build_cells(clean, get_cell_limit(limit), measure)), limit, measure, _write_part))


def _write_part(cells: Sequence[Cell]) -> str:
    return write_cells(trim_cells(cells), str)


def _build_cells(text: str, limit: int, measure: Measure) -> Iterator[Cell]:
    fence: Styles = ()
    fence_mark, is_first = "", True
    for line in text.split("\n"):
        match = _FENCE.fullmatch(line)
        if fence and match and not match.group(2).strip() and match.group(1).startswith(fence_mark):
            fence = ()
            continue
        if not is_first:
            yield Cell("\n", "\n", fence)
        is_first = False
        if not fence and match and len(line) <= _MAX_FENCE:
            fence_mark = match.group(1)
            fence = (Style(f"{line}\n", f"\n{fence_mark}", code=True),)
            yield Cell("", "", fence, keep_with_next=True)
            is_first = True
            continue
        yield from _build_line_cells(line, fence, limit, measure)


def _build_line_cells(line: str, styles: Styles, limit: int, measure: Measure) -> Iterator[Cell]:
    for piece in split_graphemes(line) if styles else _PIECE.findall(line):
        if measure(piece) <= limit:
            yield Cell(piece, piece, styles, is_citation=bool(regex.fullmatch(CITATION_MARK, piece)))
        else:
            for unit in split_graphemes(piece) if len(split_graphemes(piece)) > 1 else list(piece):
                yield Cell(unit, unit, styles)
