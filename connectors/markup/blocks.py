"""Canonical markdown → cells of one dialect, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from markdown_it.tree import SyntaxTreeNode

from connectors.markup import markdown
from connectors.markup.cells import Cell, Style, Styles
from connectors.markup.dialects.dialect import Dialect
from connectors.markup.inline import Inline

QUOTE = Style(open="> ", line="> ")
ITEM = Style(line="  ")
RULE = "———"
_LISTS = ("bullet_list", "ordered_list")


_PARSER = markdown.parser()
MAX_REPEATED = 4_000
"""Characters that the names of columns may take, written again in every row; above it they stand once, before the
rows."""


class Blocks:
    """Reads one text."""

    def __init__(self, dialect: Dialect, inline: Inline) -> None:
        self._dialect = dialect
        self._inline = inline

    def cells(self, text: str) -> list[Cell]:
        tokens = markdown.parse(_PARSER, text)
        if tokens is None:
            return list(self._inline.text(text, ()))
        return list(self._children(SyntaxTreeNode(tokens).children, (), 2))

    def _children(self, nodes: Iterable[SyntaxTreeNode], styles: Styles, lines: int) -> Iterator[Cell]:
        for number, node in enumerate(nodes):
            if number:
                yield from [Cell("\n", "\n", styles)] * lines
            yield from self._block(node, styles)

    def _block(self, node: SyntaxTreeNode, styles: Styles) -> Iterator[Cell]:
        if node.type in ("paragraph", "heading"):
            yield from self._lines(node, styles)
        elif node.type in _LISTS:
            yield from self._list(node, styles)
        elif node.type == "blockquote":
            yield from self._children(node.children, (*styles, QUOTE), 2)
        elif node.type in ("fence", "code_block"):
            yield from self._fence(node, styles)
        elif node.type == "table":
            yield from self._table(node, styles)
        elif node.type == "hr":
            yield Cell(RULE, RULE, styles)
        else:
            yield from self._inline.text(node.content, styles)

    def _lines(self, node: SyntaxTreeNode, styles: Styles) -> Iterator[Cell]:
        within = styles
        if node.type == "heading":
            within = _added(styles, self._dialect.heading(int(node.tag[1:])))
        for child in node.children:
            yield from self._inline.cells(child.children, within, styles)

    def _fence(self, node: SyntaxTreeNode, styles: Styles) -> Iterator[Cell]:
        language = node.info.split()[0] if node.info.split() else ""
        yield from self._inline.code(node.content.removesuffix("\n"), (*styles, self._dialect.fence(language)))

    def _list(self, node: SyntaxTreeNode, styles: Styles) -> Iterator[Cell]:
        first = int(node.attrs.get("start", 1))
        for number, item in enumerate(node.children):
            if number:
                yield Cell("\n", "\n", styles)
            bullet = self._dialect.bullet if node.type == "bullet_list" else f"{first + number}. "
            within = (*styles, ITEM)
            yield Cell(bullet, bullet, within, glued=True)
            yield from self._children(item.children, within, 1)

    def _table(self, node: SyntaxTreeNode, styles: Styles) -> Iterator[Cell]:
        """A line a row, every value after its column's name."""
        rows = [list(row.children) for section in node.children for row in section.children]
        names, *bodies = rows
        is_long = sum(len(name.children[0].content) for name in names if name.children) * len(bodies) > MAX_REPEATED
        if not bodies or is_long:
            yield from self._row([], names, styles)
        if is_long:
            yield Cell("\n", "\n", styles)
            names = []
        for number, cells in enumerate(bodies):
            if number:
                yield Cell("\n", "\n", styles)
            yield Cell(self._dialect.bullet, self._dialect.bullet, styles, glued=True)
            yield from self._row(names, cells, styles)

    def _row(self, names: list[SyntaxTreeNode], values: list[SyntaxTreeNode], styles: Styles) -> Iterator[Cell]:
        for number, value in enumerate(values):
            if number:
                yield from self._inline.text("; ", styles)
            name = list(self._lines(names[number], styles)) if number < len(names) else []
            if name:
                yield from name
                yield from self._inline.text(": ", styles)
            yield from self._lines(value, styles)


def _added(styles: Styles, style: Style) -> Styles:
    return styles if style == Style() else (*styles, style)
