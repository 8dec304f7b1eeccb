"""Rendering of block-level markdown into cells of one dialect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from markdown_it.tree import SyntaxTreeNode

from connectors.markup import markdown
from connectors.markup.cells import Cell, Style, Styles
from connectors.markup.dialects.dialect import Dialect
from connectors.markup.inline import InlineRenderer

QUOTE = Style(open="> ", line="> ")
ITEM = Style(line="  ")
HORIZONTAL_RULE = "———"
_LISTS = ("bullet_list", "ordered_list")


_PARSER = markdown.build_parser()
MAX_REPEATED = 4_000
"""Characters that column names may take when repeated in every row. Above this they appear once, before the rows."""


class BlockRenderer:
    """Renders one text."""

    def __init__(self, dialect: Dialect, inline: InlineRenderer) -> None:
        self._dialect = dialect
        self._inline = inline

    def cells(self, text: str) -> list[Cell]:
        tokens = markdown.parse(_PARSER, text)
        if tokens is None:
            return list(self._inline.text(text, ()))
        return list(self._render_children(SyntaxTreeNode(tokens).children, (), 2))

    def _render_children(self, nodes: Iterable[SyntaxTreeNode], styles: Styles, lines: int) -> Iterator[Cell]:
        for number, node in enumerate(nodes):
            if number:
                yield from [Cell("\n", "\n", styles)] * lines
            yield from self._render_block(node, styles)

    def _render_block(self, node: SyntaxTreeNode, styles: Styles) -> Iterator[Cell]:
        if node.type in ("paragraph", "heading"):
            yield from self._render_text(node, styles)
        elif node.type in _LISTS:
            yield from self._render_list(node, styles)
        elif node.type == "blockquote":
            yield from self._render_children(node.children, (*styles, QUOTE), 2)
        elif node.type in ("fence", "code_block"):
            yield from self._render_fence(node, styles)
        elif node.type == "table":
            yield from self._render_table(node, styles)
        elif node.type == "hr":
            yield Cell(HORIZONTAL_RULE, HORIZONTAL_RULE, styles)
        else:
            yield from self._inline.text(node.content, styles)

    def _render_text(self, node: SyntaxTreeNode, styles: Styles) -> Iterator[Cell]:
        text_styles = styles
        if node.type == "heading":
            text_styles = _add_style(styles, self._dialect.heading(int(node.tag[1:])))
        for child in node.children:
            yield from self._inline.cells(child.children, text_styles, styles)

    def _render_fence(self, node: SyntaxTreeNode, styles: Styles) -> Iterator[Cell]:
        language = node.info.split()[0] if node.info.split() else ""
        yield from self._inline.code(node.content.removesuffix("\n"), (*styles, self._dialect.fence(language)))

    def _render_list(self, node: SyntaxTreeNode, styles: Styles) -> Iterator[Cell]:
        first = int(node.attrs.get("start", 1))
        for number, item in enumerate(node.children):
            if number:
                yield Cell("\n", "\n", styles)
            bullet = self._dialect.bullet if node.type == "bullet_list" else f"{first + number}. "
            item_styles = (*styles, ITEM)
            yield Cell(bullet, bullet, item_styles, keep_with_next=True)
            yield from self._render_children(item.children, item_styles, 1)

    def _render_table(self, node: SyntaxTreeNode, styles: Styles) -> Iterator[Cell]:
        """One line per row, with every value after its column's name."""
        rows = [list(row.children) for section in node.children for row in section.children]
        names, *rows_below = rows
        is_long = sum(len(name.children[0].content) for name in names if name.children) * len(rows_below) > MAX_REPEATED
        if not rows_below or is_long:
            yield from self._render_row([], names, styles)
        if is_long:
            yield Cell("\n", "\n", styles)
            names = []
        for number, cells in enumerate(rows_below):
            if number:
                yield Cell("\n", "\n", styles)
            yield Cell(self._dialect.bullet, self._dialect.bullet, styles, keep_with_next=True)
            yield from self._render_row(names, cells, styles)

    def _render_row(self, names: list[SyntaxTreeNode], values: list[SyntaxTreeNode], styles: Styles) -> Iterator[Cell]:
        for number, value in enumerate(values):
            if number:
                yield from self._inline.text("; ", styles)
            name = list(self._render_text(names[number], styles)) if number < len(names) else []
            if name:
                yield from name
                yield from self._inline.text(": ", styles)
            yield from self._render_text(value, styles)


def _add_style(styles: Styles, style: Style) -> Styles:
    return styles if style == Style() else (*styles, style)
