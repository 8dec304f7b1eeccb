"""A message as the finished parts that a channel sends: one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from connectors.markup import citations as markup_citations
from connectors.markup.blocks import Blocks
from connectors.markup.cells import Cell, trimmed, write
from connectors.markup.citation_numbers import Numbering
from connectors.markup.dialects.dialect import Dialect
from connectors.markup.graphemes import Measure, characters, printable
from connectors.markup.inline import Inline
from connectors.markup.splitting import cut, room
from schemas.messages import Choice, Citation

_GAP = (Cell("\n", "\n"), Cell("\n", "\n"))


@dataclass(frozen=True, slots=True)
class Rendered:
    """``parts`` are sent in this order. ``context`` are the sources, where the channel shows them beside the text."""

    parts: tuple[str, ...]
    context: tuple[str, ...] = ()


def render(
    text: str,
    dialect: Dialect,
    limit: int,
    measure: Measure = characters,
    *,
    citations: Sequence[Citation] = (),
    choices: Sequence[Choice] = (),
    heading: str = "Sources",
) -> Rendered:
    """Canonical markdown in a channel's markup. Every part is at most ``limit`` long, counted by ``measure`` on what
    is really sent. ``choices`` are those that the channel cannot show as buttons; they become numbered lines.

    Raises ValueError if the limit is below ``MIN_LIMIT``.
    """
    numbering = Numbering(citations)
    inline = Inline(dialect, numbering, room(limit), measure)
    cells = Blocks(dialect, inline).cells(printable(text))
    if choices:
        cells += [*_GAP, *_numbered(choices, inline)]
    if numbering.cited and not dialect.context:
        cells += [*_GAP, *markup_citations.listed(numbering.cited, dialect, inline, room(limit), measure, heading)]
    beside = markup_citations.context(numbering.cited, dialect, inline) if dialect.context else ()
    return Rendered(tuple(cut(cells, limit, measure, partial(_written, dialect))), beside)


def _written(dialect: Dialect, cells: Sequence[Cell]) -> str:
    """One part. What stood inside a line may begin one now, and become a heading or a quote."""
    kept = list(trimmed(cells))
    first = kept[0] if kept else None
    if first and not (first.code or first.glued) and first.text == dialect.escape(first.source, " ", " "):
        kept[0] = replace(first, text=dialect.escape(first.source, "", " "))
    return write(kept, dialect.finish)


def _numbered(choices: Sequence[Choice], inline: Inline) -> Iterator[Cell]:
    for number, choice in enumerate(choices, 1):
        if number > 1:
            yield Cell("\n", "\n")
        yield Cell(f"{number}. ", f"{number}. ", glued=True)
        yield from inline.text(printable(" ".join(choice.label.split())), ())
