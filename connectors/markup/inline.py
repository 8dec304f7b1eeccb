"""Inline markdown → cells of one dialect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import regex
from markdown_it.tree import SyntaxTreeNode

from connectors.markup.cells import Cell, Style, Styles
from connectors.markup.citation_numbers import MARK, Numbering
from connectors.markup.dialects.dialect import Dialect
from connectors.markup.dialects.escaping import LOOK_ALIKES, labelled
from connectors.markup.graphemes import CLUSTER, Measure, blank, graphemes
from connectors.markup.link_safety import BARE, is_misleading, linked

_PIECES = regex.compile(rf"{BARE}|{MARK}|{CLUSTER}")


class Inline:
    """Makes cells no longer than ``limit``, so that every one of them fits into a part."""

    def __init__(self, dialect: Dialect, numbering: Numbering, limit: int, measure: Measure) -> None:
        self._dialect = dialect
        self._numbering = numbering
        self._limit = limit
        self._measure = measure

    def cells(self, nodes: Iterable[SyntaxTreeNode], styles: Styles, block: Styles) -> Iterator[Cell]:
        """``block`` are the styles outside the paragraph: marks inside it do not reach over a line's end."""
        for node in nodes:
            if node.type in ("softbreak", "hardbreak"):
                yield Cell("\n", "\n", block)
            elif node.type == "link":
                yield from self._link(node, styles)
            elif node.type == "image":
                yield from self.text(_words(node), styles)
            elif node.type == "code_inline":
                yield from self._code_inline(node.content, styles)
            elif style := self._style(node.type):
                yield from self.cells(node.children, _within(styles, style), block)
            else:
                yield from self.text(node.content, styles)

    def _style(self, kind: str) -> Style | None:
        dialect = self._dialect
        return {"strong": dialect.strong, "em": dialect.emphasis, "s": dialect.struck}.get(kind)

    def text(self, text: str, styles: Styles) -> Iterator[Cell]:
        """Words, with addresses and citation marks whole. A mark that repeats the one before it says nothing new."""
        pieces: list[str] = _PIECES.findall(text)
        last = ""
        for number, piece in enumerate(pieces):
            mark = self._numbering.mark(piece) if len(piece) > 2 else None
            if mark is None:
                before, after = "".join(pieces[number - 1 : number]), "".join(pieces[number + 1 : number + 2])
                yield from self._piece(piece, before[-1:], after[:1], styles)
            elif mark != last or not self._numbering.renumbers:
                yield Cell(mark, mark, styles, mark=True)
            last = mark or ""

    def _piece(self, piece: str, before: str, after: str, styles: Styles) -> Iterator[Cell]:
        address = linked(piece) if len(piece) > 8 else ""
        text = self._dialect.address(address) if address else self._dialect.escape(piece, before, after)
        if self._measure(text) <= self._limit:
            yield Cell(text, piece, styles)
        else:
            # An address or a heap of accents longer than a message: better in two pieces than not at all.
            for unit in graphemes(piece) if address else piece:
                yield from self._piece(unit, before, after, styles)

    def code(self, text: str, styles: Styles) -> Iterator[Cell]:
        """Code, where nothing is markup."""
        before = ""
        for piece in graphemes(text):
            units = [piece] if self._measure(piece) * 2 <= self._limit else list(piece)
            for unit in units:
                yield Cell(self._dialect.code_escape(unit, before, ""), unit, styles)
                before = unit[-1]

    def _code_inline(self, text: str, styles: Styles) -> Iterator[Cell]:
        style = self._dialect.code
        # A backtick would end the code; only Discord could double the marks around it.
        shown = text.replace("`", LOOK_ALIKES["`"]) if style.open else text
        yield from self.code(shown, _within(styles, style))

    def _link(self, node: SyntaxTreeNode, styles: Styles) -> Iterator[Cell]:
        address = linked(str(node.attrs.get("href", "")))
        typed = node.markup == "autolink" and address.startswith("http")
        words = " ".join(self._numbering.marks_in(_words(node)).split())
        label = address if typed or blank(words) else words
        if not address:
            yield from self.text(label, styles)
            return
        whole = self.link(label, address)
        if self._measure(whole) <= self._limit and (typed or not is_misleading(label, address)):
            yield Cell(whole, label, styles)
        else:
            yield from self.text(label, styles)
            yield from self._afterwards(address, styles)

    def link(self, label: str, address: str) -> str:
        """A link as this channel shows it best."""
        shown, safe = self.escaped(label), self._dialect.address(address)
        return self._dialect.link(shown, safe) or labelled(shown, safe)

    def _afterwards(self, address: str, styles: Styles) -> Iterator[Cell]:
        shown = f" ({self._dialect.address(address)})"
        if self._measure(shown) <= self._limit:
            yield Cell(" ", " ", styles)
            yield Cell(shown[1:], shown[1:], styles)

    def escaped(self, text: str) -> str:
        """A title or a label in one line, with nothing live in it."""
        plain = Inline(self._dialect, Numbering(()), self._limit, self._measure)
        return "".join(cell.text for cell in plain.text(" ".join(text.split()), ()))


def _within(styles: Styles, style: Style) -> Styles:
    return styles if style in styles or style == Style() else (*styles, style)


def _words(node: SyntaxTreeNode) -> str:
    """What a reader reads in a link: its text, its code, its images' descriptions."""
    if node.type in ("softbreak", "hardbreak"):
        return " "
    return node.content if not node.children else "".join(map(_words, node.children))
