"""The markdown parser of every renderer, and the limits beyond which a text is shown as it was typed.

A short text can ask for a lot of work: a table of 100 columns makes 100 cells of each line of two characters, and
nested emphasis makes a tree as deep as the text is long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table
from markdown_it.token import Token

MAX_PARSED = 12_000
"""Characters; longer texts are not taken for markdown."""
MAX_CELLS = 500
"""Of all tables of a text. A table above it is shown as the lines it was typed in."""
MAX_TOKENS = 6_000
"""Pieces of markup; a text with more of them is a test of the parser, not an answer."""
MAX_DEPTH = 12
"""Of emphasis and links within each other; ``maxNesting`` of markdown-it limits quotes and lists."""
_SPENT = "cells"
_RULER = frozenset("|-: \t")
_plain: ContextVar[bool] = ContextVar("plain_text_only", default=False)


def parser() -> MarkdownIt:
    # Without references: a line such as "[1]: see page 4" is an answer's text here, not a definition to swallow.
    made = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 20})
    made.enable(["table", "strikethrough"]).disable("reference")
    made.block.ruler.at("table", _bounded_table, {"alt": ["paragraph", "reference"]})
    return made


def parse(markdown: MarkdownIt, text: str) -> list[Token] | None:
    """The text's tokens; None where it has to be shown as it was typed."""
    if len(text) > MAX_PARSED or _plain.get():
        return None
    tokens = markdown.parse(text)
    return tokens if _is_bounded(tokens) else None


@contextmanager
def plain_text_only() -> Iterator[None]:
    """Whatever is rendered inside is shown as it was typed: there was no time for more."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def is_plain_text_only() -> bool:
    return _plain.get()


def _is_bounded(tokens: list[Token]) -> bool:
    count = len(tokens)
    for token in tokens:
        depth = 0
        for child in token.children or ():
            count += 1
            depth += child.nesting
            if depth > MAX_DEPTH:
                return False
    return count <= MAX_TOKENS


def _bounded_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """markdown-it's rule for tables, with ``MAX_CELLS`` for the whole text."""
    if start + 1 >= end or not _is_ruler(state, start + 1):
        return False
    spent = int(state.env.get(_SPENT, 0))
    columns = max(1, _line(state, start + 1).count("|"))
    most = (MAX_CELLS - spent) // columns
    last = start
    while last < end and not state.isEmpty(last):
        last += 1
        if last - start > most:
            state.env[_SPENT] = MAX_CELLS  # the others are not counted again, line after line
            return False
    if not _rule(state, start, end, silent):
        return False
    if not silent:
        state.env[_SPENT] = spent + columns * (last - start)
    return True


_rule: Callable[[StateBlock, int, int, bool], bool] = table


def _is_ruler(state: StateBlock, line: int) -> bool:
    return state.eMarks[line] - state.bMarks[line] > 1 and _RULER.issuperset(_line(state, line))


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
