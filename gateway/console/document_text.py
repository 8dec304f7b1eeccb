"""The text of a document as HTML that is safe to show: no script, no image from another server, no foreign markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markupsafe import Markup

from agent_worker.knowledge.text.blocks import blocks_of
from connectors.markup import MAX_PARSED, render_html

MAX_SHOWN = 200_000
"""Characters of a document that a page shows; the rest can be read in the editor."""
_PIECE = 4_000
"""Characters that are rendered together. Blocks stay whole, so that the limits for one text are rarely reached."""
_HEADING = re.compile(r"<(/?)h([1-6])>")


def render_document_text(title: str, body: str, *, below: int = 1) -> Markup:
    """Blocking, for as long as a large text takes. ``below``: the level of the page's heading above the text."""
    html = "".join(render_html(piece) for piece in _split_pieces(_without_title(title, body)[:MAX_SHOWN]))
    return Markup(_HEADING.sub(_HeadingLevels(below), html))  # noqa: S704 - render_html returns safe HTML


class _HeadingLevels:
    """Moves headings below the page's own, and closes the gaps that a text leaves between levels."""

    def __init__(self, below: int) -> None:
        self._below = below
        self._path: list[int] = []
        """The levels, in the text, of the headings above the present place."""

    def __call__(self, match: re.Match[str]) -> str:
        if not match[1]:
            level = int(match[2])
            self._path = [*(above for above in self._path if above < level), level]
        return f"<{match[1]}h{min(6, self._below + len(self._path))}>"


def _without_title(title: str, body: str) -> str:
    """The text without a first heading that repeats the title."""
    first, _, rest = body.lstrip().partition("\n")
    return rest if first.startswith("# ") and first[2:].strip().casefold() == title.strip().casefold() else body


def _split_pieces(body: str) -> Iterator[str]:
    start = end = 0
    for block in blocks_of(body):
        if block.end - start > min(_PIECE, MAX_PARSED) and end > start:
            yield body[start:end]
            start = end
        end = block.end
    if body[start:].strip():
        yield body[start:]
