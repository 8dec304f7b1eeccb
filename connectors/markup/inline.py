"""Rendering of inline markdown into cells of one dialect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import regex
from markdown_it.tree import SyntaxTreeNode

from connectors.markup.cells import Cell, Style, Styles
from connectors.markup.citation_numbers import CITATION_MARK, CitationNumbers
from connectors.markup.dialects.dialect import Dialect
from connectors.markup.dialects.escaping import LOOK_ALIKES, label_with_address
from connectors.markup.graphemes import CLUSTER, Measure, split_graphemes
from connectors.markup.link_safety import BARE_LINK, is_misleading, normalize_link
from schemas.validation.texts import is_blank

_PIECE = regex.compile(rf"{BARE_LINK}|{CITATION_MARK}|{CLUSTER}")


class InlineRenderer:
    """Makes cells no longer than ``limit``, so that each fits into one message part."""

    def __init__(self, dialect: Dialect, numbering: CitationNumbers, limit: int, measure: Measure) -> None:
        self._dialect = dialect
        self._numbers = numbering
        self._limit = limit
        self._measure = measure

    def cells(self, nodes: Iterable[SyntaxTreeNode], styles: Styles, block: Styles) -> Iterator[Cell]:
        """``block``: styles outside the paragraph. Marks inside it do not span lines."""
        for node in nodes:
            if node.type in ("softbreak", "hardbreak"):
                yield Cell("\n", "\n", block)
            elif node.type == "link":
                yield from self._render_link(node, styles)
            elif node.type == "image":
                yield from self.text(_read_text(node), styles)
            elif node.type == "code_inline":
                yield from self._render_inline_code(node.content, styles)
            elif style := self._get_style(node.type):
                yield from self.cells(node.children, _add_style(styles, style), block)
            else:
                yield from self.text(node.content, styles)

    def _get_style(self, kind: str) -> Style | None:
        dialect = self._dialect
        return {"strong": dialect.strong, "em": dialect.emphasis, "s": dialect.strikethrough}.get(kind)

    def text(self, text: str, styles: Styles) -> Iterator[Cell]:
        """Render text, with addresses and citation marks kept whole. A mark that repeats the previous one is
        dropped."""
        pieces: list[str] = _PIECE.findall(text)
        last = ""
        for number, piece in enumerate(pieces):
            mark = self._numbers.mark(piece) if len(piece) > 2 else None
            if mark is None:
                before, after = "".join(pieces[number - 1 : number]), "".join(pieces[number + 1 : number + 2])
                yield from self._render_piece(piece, before[-1:], after[:1], styles)
            elif mark != last or not self._numbers.renumbers:
                yield Cell(mark, mark, styles, is_citation=True)
            last = mark or ""

    def _render_piece(self, piece: str, before: str, after: str, styles: Styles) -> Iterator[Cell]:
        address = normalize_link(piece) if len(piece) > 8 else ""
        text = self._dialect.address(address) if address else self._dialect.escape(piece, before, after)
        if self._measure(text) <= self._limit:
            yield Cell(text, piece, styles)
        else:
            # An address, or a letter with many accents, that is longer than a message has to be cut.
            for unit in split_graphemes(piece) if address else piece:
                yield from self._render_piece(unit, before, after, styles)

    def code(self, text: str, styles: Styles) -> Iterator[Cell]:
        """Render code, in which nothing is markup."""
        before = ""
        for piece in split_graphemes(text):
            units = [piece] if self._measure(piece) * 2 <= self._limit else list(piece)
            for unit in units:
                yield Cell(self._dialect.code_escape(unit, before, ""), unit, styles)
                before = unit[-1]

    def _render_inline_code(self, text: str, styles: Styles) -> Iterator[Cell]:
        style = self._dialect.code
        # A backtick would close the code; only Discord could use longer marks instead.
        shown = text.replace("`", LOOK_ALIKES["`"]) if style.open else text
        yield from self.code(shown, _add_style(styles, style))

    def _render_link(self, node: SyntaxTreeNode, styles: Styles) -> Iterator[Cell]:
        address = normalize_link(str(node.attrs.get("href", "")))
        is_bare = node.markup == "autolink" and address.startswith("http")
        text = " ".join(self._numbers.marks_in(_read_text(node)).split())
        label = address if is_bare or is_blank(text) else text
        if not address:
            yield from self.text(label, styles)
            return
        link = self.link(label, address)
        if self._measure(link) <= self._limit and (is_bare or not is_misleading(label, address)):
            yield Cell(link, label, styles)
        else:
            yield from self.text(label, styles)
            yield from self._append_address(address, styles)

    def link(self, label: str, address: str) -> str:
        """Render a link as this channel shows it best."""
        escaped_label, escaped_address = self.escape_line(label), self._dialect.address(address)
        return self._dialect.link(escaped_label, escaped_address) or label_with_address(escaped_label, escaped_address)

    def _append_address(self, address: str, styles: Styles) -> Iterator[Cell]:
        shown = f" ({self._dialect.address(address)})"
        if self._measure(shown) <= self._limit:
            yield Cell(" ", " ", styles)
            yield Cell(shown[1:], shown[1:], styles)

    def escape_line(self, text: str) -> str:
        """Escape a title or label and put it on one line."""
        plain = InlineRenderer(self._dialect, CitationNumbers(()), self._limit, self._measure)
        return "".join(cell.text for cell in plain.text(" ".join(text.split()), ()))


def _add_style(styles: Styles, style: Style) -> Styles:
    return styles if style in styles or style == Style() else (*styles, style)


def _read_text(node: SyntaxTreeNode) -> str:
    """Return the visible text of a link: its text, code and image descriptions."""
    if node.type in ("softbreak", "hardbreak"):
        return " "
    return node.content if not node.children else "".join(map(_read_text, node.children))
