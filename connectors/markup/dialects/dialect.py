"""Description of one channel's markup, including how text is escaped so that it is not read as markup or as a
mention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connectors.markup.cells import Finish, Style

Escape = Callable[[str, str, str], str]
"""One grapheme, the ones before and after it ("" at an edge) → what is sent."""
Link = Callable[[str, str], str | None]
"""Escaped label and checked address → a link, or None if this label cannot have one."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One channel's markup. ``context``: sources are shown beside the text, not in it."""

    name: str
    escape: Escape
    address: Callable[[str], str]
    link: Link
    finish: Finish
    strong: Style
    emphasis: Style
    strikethrough: Style
    code: Style
    fence: Callable[[str], Style]
    headings: tuple[Style, ...]
    source: Callable[[str, str], str]
    small: str = ""
    bullet: str = "- "
    code_escape: Escape = lambda cluster, before, after: cluster
    context: bool = False

    def heading(self, level: int) -> Style:
        return self.headings[min(level, len(self.headings)) - 1]
