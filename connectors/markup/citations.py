"""What was cited, as each channel shows it best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connectors.markup.cells import Cell, Style, Styles, write
from connectors.markup.dialects.dialect import Dialect
from connectors.markup.graphemes import Measure, shortened
from connectors.markup.inline import Inline
from connectors.markup.link_safety import linked
from schemas.messages import Citation

MAX_TITLE = 80
MAX_LINE = 600
"""Characters. An address that makes its line longer is left out: the title names the document."""
MAX_CONTEXT = 10
"""Elements that Slack takes in one context block."""


def listed(
    cited: Sequence[Citation], dialect: Dialect, inline: Inline, room: int, measure: Measure, heading: str
) -> Iterator[Cell]:
    """A paragraph of lines below the answer."""
    styles = (Style(open=dialect.small),) if dialect.small else ()
    named = heading if dialect.small else f"{heading}:"
    yield Cell(named, named, styles, glued=True)
    for number, citation in enumerate(cited, 1):
        yield Cell("\n", "\n")
        yield Cell(f"[{number}] ", f"[{number}]", styles, glued=True)
        yield from _titled(citation, dialect, inline, room, measure, styles)


def context(cited: Sequence[Citation], dialect: Dialect, inline: Inline) -> tuple[str, ...]:
    """Lines that stand beside the answer, at most ten texts of them."""
    lines = [
        f"[{number}] " + write(list(_titled(citation, dialect, inline, MAX_LINE, len, ())), dialect.finish)
        for number, citation in enumerate(cited, 1)
    ]
    size = -(-len(lines) // MAX_CONTEXT) or 1
    return tuple("\n".join(lines[start : start + size]) for start in range(0, len(lines), size))


def _titled(
    citation: Citation, dialect: Dialect, inline: Inline, room: int, measure: Measure, styles: Styles
) -> Iterator[Cell]:
    title = shortened(citation.title or citation.heading or citation.document, MAX_TITLE)
    address = linked(citation.url)
    line = dialect.source(inline.escaped(title), dialect.address(address)) if address else ""
    if line and measure(line) <= min(room, MAX_LINE):
        yield Cell(line, line, styles)
    else:
        yield from inline.text(title, styles)
