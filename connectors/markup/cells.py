"""Text with markup as a sequence of cells, which are never cut. Each cell knows the styles around it.

Styles are opened and closed only when cells are written, so any run of cells can be written by itself: styles that are
open at a cut are closed there and reopened in the next part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

ZERO_WIDTH_SPACE = "\u200b"


@dataclass(frozen=True, slots=True)
class Style:
    """``line`` is repeated after every line break inside. Marks that need a word boundary do not work beside a
    letter."""

    open: str = ""
    close: str = ""
    line: str = ""
    needs_word_boundary: bool = False
    code: bool = False


Styles = tuple[Style, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """``text`` is what is sent, ``source`` what it stands for."""

    text: str
    source: str
    styles: Styles = ()
    keep_with_next: bool = False
    is_citation: bool = False

    @property
    def code(self) -> bool:
        return any(style.code for style in self.styles)


Finish = Callable[[str], str]
"""Last step before a text is sent: removes everything that would notify people."""


def write_cells(cells: Sequence[Cell], finish: Finish) -> str:
    """Return the text of a run of cells, with all its styles closed."""
    pieces: list[str] = []
    styles: Styles = ()
    for cell in cells:
        if cell.styles != styles:
            pieces.append(_switch_styles(styles, cell.styles, _last_character(pieces), cell.text))
            styles = cell.styles
        pieces.append(cell.text)
        if cell.text == "\n":
            pieces.append(_line_prefix(styles))
    pieces.append(_switch_styles(styles, (), _last_character(pieces), ""))
    return finish("".join(pieces))


def trim_cells(cells: Sequence[Cell]) -> Sequence[Cell]:
    """Remove white space at both ends; the first line of code keeps its indentation."""
    start, end = 0, len(cells)
    while start < end and _is_trimmable(cells[start]):
        start += 1
    while end > start and cells[end - 1].source.isspace():
        end -= 1
    return cells[start:end]


def _is_trimmable(cell: Cell) -> bool:
    return cell.source == "\n" if cell.code else cell.source.isspace()


def _switch_styles(old: Styles, new: Styles, previous: str, following: str) -> str:
    shared = 0
    while shared < min(len(old), len(new)) and old[shared] == new[shared]:
        shared += 1
    closing = "".join(_indent_mark(old, depth, old[depth].close) for depth in reversed(range(shared, len(old))))
    opening = "".join(_indent_mark(new, depth, new[depth].open) for depth in range(shared, len(new)))
    closes = any(style.needs_word_boundary for style in old[shared:])
    opens = any(style.needs_word_boundary for style in new[shared:])
    needs_separator = (closes and (opens or following[:1].isalnum())) or (opens and previous.isalnum())
    return closing + (ZERO_WIDTH_SPACE if needs_separator else "") + opening


def _indent_mark(styles: Styles, depth: int, mark: str) -> str:
    """A mark of several lines, such as a fence, repeats the line prefixes of the styles around it."""
    return mark.replace("\n", "\n" + _line_prefix(styles[:depth]))


def _line_prefix(styles: Styles) -> str:
    return "".join(style.line for style in styles)


def _last_character(pieces: list[str]) -> str:
    return next((piece[-1] for piece in reversed(pieces) if piece), "")
