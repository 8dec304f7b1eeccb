"""Markdown blocks with their exact position in the text, so that everything cut from it stays verbatim."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["heading", "text", "list", "table", "code"]
_HEADING = re.compile(r"(#{1,6})[ \t]+(.+)")
_FENCE = re.compile(r"[ \t]*(```+|~~~+)")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+")
_ROW = re.compile(r"[ \t]*\|")


@dataclass(frozen=True, slots=True)
class Block:
    """``body[start:end]`` is the block. ``level`` is set for headings."""

    kind: Kind
    start: int
    end: int
    level: int = 0
    title: str = ""


def lines_of(body: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Spans of the lines in ``body[start:end]``, without their line ends."""
    stop = len(body) if end is None else end
    while start < stop:
        cut = body.find("\n", start, stop)
        cut = stop if cut < 0 else cut
        yield start, cut
        start = cut + 1


def is_ruler(line: str) -> bool:
    """Return whether the line separates a table's header from its body."""
    return "-" in line and "|" in line and not line.strip(" \t:|-")


def heading_text(text: str) -> str:
    """The heading without closing number signs."""
    return text.strip().rstrip(" \t#") or text.strip()


def is_row(line: str) -> bool:
    return bool(_ROW.match(line))


def is_item(line: str) -> bool:
    return bool(_ITEM.match(line))


def bare_item(line: str) -> int:
    """Length of the marker of a list item, 0 when there is none."""
    match = _ITEM.match(line)
    return match.end() if match else 0


def blocks_of(body: str) -> list[Block]:
    """Headings, paragraphs, lists, tables and fenced code, separated by blank lines."""
    out: list[Block] = []
    lines = list(lines_of(body))
    at = 0
    while at < len(lines):
        start, end = lines[at]
        line = body[start:end]
        if not line.strip():
            at += 1
        elif match := _HEADING.match(line):
            out.append(Block("heading", start, end, len(match[1]), heading_text(match[2])))
            at += 1
        elif fence := _FENCE.match(line):
            last = _closing_fence(body, lines, at, fence[1])
            out.append(Block("code", start, lines[last][1]))
            at = last + 1
        else:
            last, kind = _run(body, lines, at)
            out.append(Block(kind, start, lines[last][1]))
            at = last + 1
    return out


def _closing_fence(body: str, lines: list[tuple[int, int]], at: int, fence: str) -> int:
    for index in range(at + 1, len(lines)):
        if body[lines[index][0] : lines[index][1]].strip().startswith(fence):
            return index
    return len(lines) - 1


def _run(body: str, lines: list[tuple[int, int]], at: int) -> tuple[int, Kind]:
    """The last line and the kind of the paragraph, list or table that begins at ``at``."""
    first = body[lines[at][0] : lines[at][1]]
    kind: Kind = "table" if is_row(first) else "list" if is_item(first) else "text"
    last = at
    for index in range(at + 1, len(lines)):
        line = body[lines[index][0] : lines[index][1]]
        if not line.strip() or _HEADING.match(line) or _FENCE.match(line):
            break
        if kind == "text" and (is_row(line) or is_item(line)):
            break
        if kind == "table" and not is_row(line):
            break
        last = index
    return last, kind
