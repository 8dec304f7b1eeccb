"""Splitting of text as it stands: nothing is rendered, only cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import regex

from connectors.markup.cells import Cell, Style, Styles, trimmed, write
from connectors.markup.citation_numbers import MARK
from connectors.markup.graphemes import CLUSTER, Measure, blank, characters, graphemes, printable
from connectors.markup.link_safety import BARE
from connectors.markup.splitting import cut, room

_LINK = r"!?\[[^\[\]\n]*\]\([^()\s]*\)"
_ANGLED = r"<[^<>\s|]+(?:\|[^<>\n]*)?>"
_ENTITY = r"&(?:[A-Za-z]{2,8}|#\d{1,7});"
_ESCAPED = rf"\\{CLUSTER}"
_PIECES = regex.compile("|".join((_LINK, _ANGLED, BARE, MARK, _ENTITY, _ESCAPED, CLUSTER)))
_FENCE = regex.compile(r" {0,3}(`{3,}|~{3,})([^`\n]*)")
_MAX_FENCE = 24


def split(text: str, limit: int, measure: Measure = characters) -> list[str]:
    """Parts no longer than the limit, cut where it hurts least: between paragraphs, lines, sentences, words, and at
    last between graphemes. A code block that is cut is closed and opened again; links and ``[n]`` marks stay whole
    unless they alone are longer than a part. Joined, the parts lack nothing but white space at their borders.

    Raises ValueError if the limit is below ``MIN_LIMIT``.
    """
    clean = printable(text)
    if measure(clean) <= limit:
        return [] if blank(clean) else [clean.strip()]
    return list(cut(list(_cells(clean, room(limit), measure)), limit, measure, _written))


def _written(cells: Sequence[Cell]) -> str:
    return write(trimmed(cells), str)


def _cells(text: str, limit: int, measure: Measure) -> Iterator[Cell]:
    fence: Styles = ()
    opened, fresh = "", True
    for line in text.split("\n"):
        found = _FENCE.fullmatch(line)
        if fence and found and not found.group(2).strip() and found.group(1).startswith(opened):
            fence = ()
            continue
        if not fresh:
            yield Cell("\n", "\n", fence)
        fresh = False
        if not fence and found and len(line) <= _MAX_FENCE:
            opened = found.group(1)
            fence = (Style(f"{line}\n", f"\n{opened}", code=True),)
            yield Cell("", "", fence, glued=True)
            fresh = True
            continue
        yield from _line(line, fence, limit, measure)


def _line(line: str, styles: Styles, limit: int, measure: Measure) -> Iterator[Cell]:
    for piece in graphemes(line) if styles else _PIECES.findall(line):
        if measure(piece) <= limit:
            yield Cell(piece, piece, styles, mark=bool(regex.fullmatch(MARK, piece)))
        else:
            for unit in graphemes(piece) if len(graphemes(piece)) > 1 else list(piece):
                yield Cell(unit, unit, styles)
