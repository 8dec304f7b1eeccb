"""Rendering of a message into the parts that a channel sends, and of choices into labels of buttons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from connectors.markup.blocks import BlockRenderer
from connectors.markup.cells import Cell, Style, Styles, trim_cells, write_cells
from connectors.markup.citation_numbers import CitationNumbers
from connectors.markup.dialects.dialect import Dialect
from connectors.markup.graphemes import Measure, clean_text, count_characters, shorten
from connectors.markup.inline import InlineRenderer
from connectors.markup.link_safety import normalize_link
from connectors.markup.splitting import cut_parts, get_cell_limit
from schemas.choice_matching import fold_case
from schemas.messages import Choice, Citation

_GAP = (Cell("\n", "\n"), Cell("\n", "\n"))


@dataclass(frozen=True, slots=True)
class RenderedText:
    """``parts`` are sent in order. ``context`` are the sources, where the channel shows them beside the text."""

    parts: tuple[str, ...]
    context: tuple[str, ...] = ()


def render(
    text: str,
    dialect: Dialect,
    limit: int,
    measure: Measure = count_characters,
    *,
    citations: Sequence[Citation] = (),
    choices: Sequence[Choice] = (),
    heading: str = "Sources",
) -> RenderedText:
    """Render markdown in a channel's markup. Every part is at most ``limit`` long, measured on the final text.
    ``choices``: those that the channel cannot show as buttons; they become numbered lines.

    Raises ValueError if the limit is below ``MIN_LIMIT``.
    """
    numbers = CitationNumbers(citations)
    inline = InlineRenderer(dialect, numbers, get_cell_limit(limit), measure)
    cells = BlockRenderer(dialect, inline).cells(clean_text(text))
    if choices:
        cells += [*_GAP, *_render_choices(choices, inline)]
    if numbers.cited and not dialect.context:
        cells += [
            *_GAP,
            *render_source_list(numbers.cited, dialect, inline, get_cell_limit(limit), measure, heading),
        ]
    context = render_context(numbers.cited, dialect, inline) if dialect.context else ()
    return RenderedText(tuple(cut_parts(cells, limit, measure, partial(_write_part, dialect))), context)


def _write_part(dialect: Dialect, cells: Sequence[Cell]) -> str:
    """Write one part. Text from the middle of a line may start one now, and has to be escaped as such."""
    trimmed = list(trim_cells(cells))
    first = trimmed[0] if trimmed else None
    if first and not (first.code or first.keep_with_next) and first.text == dialect.escape(first.source, " ", " "):
        trimmed[0] = replace(first, text=dialect.escape(first.source, "", " "))
    return write_cells(trimmed, dialect.finish)


def _render_choices(choices: Sequence[Choice], inline: InlineRenderer) -> Iterator[Cell]:
    for number, choice in enumerate(choices, 1):
        if number > 1:
            yield Cell("\n", "\n")
        yield Cell(f"{number}. ", f"{number}. ", keep_with_next=True)
        yield from inline.text(clean_text(" ".join(choice.label.split())), ())


MAX_TITLE = 80
MAX_LINE = 600
"""Characters. A link that would make its line longer is left out: the title names the document."""
MAX_CONTEXT = 10
"""Elements that Slack accepts in one context block."""


def render_source_list(
    cited: Sequence[Citation], dialect: Dialect, inline: InlineRenderer, room: int, measure: Measure, heading: str
) -> Iterator[Cell]:
    """Render a paragraph below the answer, one line per source."""
    styles = (Style(open=dialect.small),) if dialect.small else ()
    title = heading if dialect.small else f"{heading}:"
    yield Cell(title, title, styles, keep_with_next=True)
    for number, citation in enumerate(cited, 1):
        yield Cell("\n", "\n")
        yield Cell(f"[{number}] ", f"[{number}]", styles, keep_with_next=True)
        yield from _render_source(citation, dialect, inline, room, measure, styles)


def render_context(cited: Sequence[Citation], dialect: Dialect, inline: InlineRenderer) -> tuple[str, ...]:
    """Render the sources for display beside the answer, as at most ten texts."""
    lines = [
        f"[{number}] " + write_cells(list(_render_source(citation, dialect, inline, MAX_LINE, len, ())), dialect.finish)
        for number, citation in enumerate(cited, 1)
    ]
    size = -(-len(lines) // MAX_CONTEXT) or 1
    return tuple("\n".join(lines[start : start + size]) for start in range(0, len(lines), size))


def _render_source(
    citation: Citation, dialect: Dialect, inline: InlineRenderer, room: int, measure: Measure, styles: Styles
) -> Iterator[Cell]:
    title = shorten(citation.title or citation.heading or citation.document, MAX_TITLE)
    address = normalize_link(citation.url)
    line = dialect.source(inline.escape_line(title), dialect.address(address)) if address else ""
    if line and measure(line) <= min(room, MAX_LINE):
        yield Cell(line, line, styles)
    else:
        yield from inline.text(title, styles)


def build_labels(choices: Sequence[Choice], limit: int, measure: Measure = count_characters) -> list[str]:
    """Return the labels of one message, none longer than the limit and no two alike, because vendors refuse duplicate
    buttons."""
    built: list[str] = []
    for number, choice in enumerate(choices, 1):
        shortened = shorten(choice.label, limit, measure)
        if not fold_case(shortened) or fold_case(shortened) in map(fold_case, built):
            shortened = _append_number(choice.label, number, limit, measure)
        built.append(shortened)
    return built


def _append_number(text: str, number: int, limit: int, measure: Measure) -> str:
    mark = f" ({number})"
    return (shorten(text, limit - measure(mark), measure) + mark).strip()
