"""The markdown parser of all renderers, with limits beyond which a text is shown as it was typed.

A short text can cause much work: a table with 100 columns turns each line of two characters into 100 cells, and nested
emphasis makes a tree as deep as the text is long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table
from markdown_it.token import Token

MAX_PARSED = 12_000
"""Characters; longer texts are not parsed as markdown."""
MAX_CELLS = 500
"""Of all tables in a text. A table above it is shown as typed."""
MAX_TOKENS = 6_000
"""Tokens of markup in one text."""
MAX_DEPTH = 12
"""Of nested emphasis and links; ``maxNesting`` of markdown-it limits quotes and lists."""
_CELL_COUNT_KEY = "cells"
_RULER_CHARACTERS = frozenset("|-: \t")
_plain: ContextVar[bool] = ContextVar("plain_text_only", default=False)


def build_parser() -> MarkdownIt:
    # Without references: "[1]: see page 4" is part of an answer here, not a definition.
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 20})
    parser.enable(["table", "strikethrough"]).disable("reference")
    parser.block.ruler.at("table", _limited_table, {"alt": ["paragraph", "reference"]})
    return parser


def parse(markdown: MarkdownIt, text: str) -> list[Token] | None:
    """Return the text's tokens; None if it has to be shown as typed."""
    if len(text) > MAX_PARSED or _plain.get():
        return None
    tokens = markdown.parse(text)
    return tokens if _is_within_limits(tokens) else None


@contextmanager
def plain_text_only() -> Iterator[None]:
    """While this context is active, every text is rendered as it was typed, which is fast."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def is_plain_text_only() -> bool:
    return _plain.get()


def _is_within_limits(tokens: list[Token]) -> bool:
    count = len(tokens)
    for token in tokens:
        depth = 0
        for child in token.children or ():
            count += 1
            depth += child.nesting
            if depth > MAX_DEPTH:
                return False
    return count <= MAX_TOKENS


def _limited_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """The table rule of markdown-it, with ``MAX_CELLS`` for the whole text."""
    if start + 1 >= end or not _is_ruler(state, start + 1):
        return False
    cell_count = int(state.env.get(_CELL_COUNT_KEY, 0))
    columns = max(1, _get_line(state, start + 1).count("|"))
    max_lines = (MAX_CELLS - cell_count) // columns
    last = start
    while last < end and not state.isEmpty(last):
        last += 1
        if last - start > max_lines:
            state.env[_CELL_COUNT_KEY] = MAX_CELLS  # skips counting for every later line
            return False
    if not _rule(state, start, end, silent):
        return False
    if not silent:
        state.env[_CELL_COUNT_KEY] = cell_count + columns * (last - start)
    return True


_rule: Callable[[StateBlock, int, int, bool], bool] = table


def _is_ruler(state: StateBlock, line: int) -> bool:
    return state.eMarks[line] - state.bMarks[line] > 1 and _RULER_CHARACTERS.issuperset(_get_line(state, line))


def _get_line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
