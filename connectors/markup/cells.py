"""Marked-up text as a row of cells that must not be cut, each knowing the styles around it.

Styles are opened and closed only when cells are written. So any run of cells can be written by itself: what is open
where a text is cut is closed there and opened again in the next part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

ZERO_WIDTH_SPACE = "\u200b"


@dataclass(frozen=True, slots=True)
class Style:
    """``line`` is repeated after every line break inside. ``bounded`` marks work only beside what is not a word."""

    open: str = ""
    close: str = ""
    line: str = ""
    bounded: bool = False
    code: bool = False


Styles = tuple[Style, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """``text`` is what is sent, ``source`` what it stands for. A ``glued`` cell is not parted from the one after it."""

    text: str
    source: str
    styles: Styles = ()
    glued: bool = False
    mark: bool = False

    @property
    def code(self) -> bool:
        return any(style.code for style in self.styles)


Finish = Callable[[str], str]
"""The last look at a text before it is sent: what it lets through pings nobody."""


def write(cells: Sequence[Cell], finish: Finish) -> str:
    """The text of a run of cells, with every style that it opens closed."""
    written: list[str] = []
    styles: Styles = ()
    for cell in cells:
        if cell.styles != styles:
            written.append(_turn(styles, cell.styles, _last(written), cell.text))
            styles = cell.styles
        written.append(cell.text)
        if cell.text == "\n":
            written.append(_lines(styles))
    written.append(_turn(styles, (), _last(written), ""))
    return finish("".join(written))


def trimmed(cells: Sequence[Cell]) -> Sequence[Cell]:
    """Without white space at both ends; the first line of code keeps its indentation."""
    start, end = 0, len(cells)
    while start < end and _droppable(cells[start]):
        start += 1
    while end > start and cells[end - 1].source.isspace():
        end -= 1
    return cells[start:end]


def _droppable(cell: Cell) -> bool:
    return cell.source == "\n" if cell.code else cell.source.isspace()


def _turn(old: Styles, new: Styles, before: str, after: str) -> str:
    shared = 0
    while shared < min(len(old), len(new)) and old[shared] == new[shared]:
        shared += 1
    closing = "".join(_inside(old, depth, old[depth].close) for depth in reversed(range(shared, len(old))))
    opening = "".join(_inside(new, depth, new[depth].open) for depth in range(shared, len(new)))
    closes = any(style.bounded for style in old[shared:])
    opens = any(style.bounded for style in new[shared:])
    apart = (closes and (opens or after[:1].isalnum())) or (opens and before.isalnum())
    return closing + (ZERO_WIDTH_SPACE if apart else "") + opening


def _inside(styles: Styles, depth: int, mark: str) -> str:
    """A mark of several lines, such as a fence, repeats what begins every line of the styles around it."""
    return mark.replace("\n", "\n" + _lines(styles[:depth]))


def _lines(styles: Styles) -> str:
    return "".join(style.line for style in styles)


def _last(written: list[str]) -> str:
    return next((piece[-1] for piece in reversed(written) if piece), "")
