"""Blocks of a page as markdown, written while they are read.

Whoever reads the blocks calls ``open`` for each, then for its children, then ``close``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agent_worker.knowledge.text.documents import MAX_BYTES
from agent_worker.sources.notion.objects import Block, page_address, web_link
from agent_worker.sources.notion.rich_text import escape_line_starts, fence_code, inline, link, markdown, plain_text
from schemas.errors import DocumentTooLarge

_HEADINGS = {"heading_1": 2, "heading_2": 3, "heading_3": 4, "heading_4": 5}
"""Levels below the page's title."""
_DEEPEST = 6
_LISTS = frozenset({"bulleted_list_item", "numbered_list_item", "to_do"})
_QUOTES = frozenset({"quote", "callout"})
_LINKS = frozenset({"child_page", "child_database", "link_to_page"})
_MEDIA = frozenset({"bookmark", "embed", "link_preview", "image", "video", "audio", "file", "pdf"})
_CONTAINERS = frozenset({"column_list", "column", "synced_block", "tab"})
"""Blocks without a text of their own."""
_LEFT_OUT = frozenset({"template", "unsupported", "breadcrumb", "table_of_contents", "divider", "button"})
_MAX_PREFIX = 40
"""Deeper lists are no longer indented, so that a line costs no more than its text."""


@dataclass(slots=True)
class _Frame:
    """A block whose children are being written. ``floor``: how many headings enclose it, which no heading inside it
    ends. ``keep``: how many stay open after it, None if it makes no difference. ``previous``: the type of the child
    before."""

    kind: Literal["section", "list", "quote", "table"]
    prefix: str = ""
    floor: int = 1
    keep: int | None = None
    previous: str = ""
    number: int = 0
    rows: int = 0
    has_header: bool = False


class MarkdownWriter:
    """``titles``: page → title, for links. ``has_text``: whether there is more than a title and links to other
    pages."""

    def __init__(self, title: str, properties: str, titles: Mapping[str, str], max_size: int = MAX_BYTES) -> None:
        self._titles = titles
        self._max_size = max_size
        self._parts: list[str] = []
        self._size = 0
        self._frames = [_Frame("section")]
        # The headings under which the next text belongs, and the one under which it would stand.
        self._open: list[tuple[int, str]] = [(1, title)]
        self._current = self._open[0]
        self.has_text = bool(properties)
        self._append(f"# {title}")
        if properties:
            self._append(f"\n\n{properties}")

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def open(self, block: Block) -> bool:
        """Write a block. Returns whether its children are to be read; then ``close`` ends them."""
        frame = self._frames[-1]
        opened = self._write(frame, block)
        frame.previous = block.type
        if opened is None or not (block.has_children or block.content.synced_from):
            return False
        self._frames.append(opened)
        return True

    def close(self) -> None:
        frame = self._frames.pop()
        if frame.keep is not None:
            del self._open[frame.keep :]

    # ── kinds of blocks ──────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, frame: _Frame, block: Block) -> _Frame | None:
        """The frame for the block's children, None if they are not read."""
        kind = block.type
        if kind in _LEFT_OUT:
            return None
        if kind in _CONTAINERS:
            return self._continue(frame)
        if kind in _LISTS:
            return self._write_item(frame, block)
        if kind in _HEADINGS:
            return self._write_heading(frame, block)
        if kind in _QUOTES:
            return self._write_quote(frame, block)
        if kind in _LINKS:
            self._write_page_link(frame, block)
            return None
        if kind in _MEDIA:
            self._write_media(frame, block)
            return None
        return self._write_text(frame, block)

    def _write_text(self, frame: _Frame, block: Block) -> _Frame | None:
        content = block.content
        match block.type:
            case "toggle":
                return self._write_toggle(frame, block)
            case "code":
                code = "".join(each.plain_text for each in content.rich_text)
                if code.strip():
                    self._put(frame, fence_code(code, "".join((content.language or "").split()[:1])))
                self._put(frame, markdown(content.caption))
                return None
            case "equation":
                self._put(frame, f"$${content.expression}$$" if content.expression.strip() else "")
                return None
            case "table":
                return _Frame("table", frame.prefix, has_header=content.has_column_header)
            case "table_row":
                self._write_row(frame, [inline(cell).replace("|", "\\|") for cell in content.cells])
                return None
            case _:  # a paragraph, or a type that is newer than this program
                self._put(frame, escape_line_starts(markdown(content.rich_text)))
                return self._continue(frame)

    def _write_item(self, frame: _Frame, block: Block) -> _Frame:
        is_first = frame.previous not in _LISTS and frame.kind != "list"
        text = markdown(block.content.rich_text)
        if block.type == "numbered_list_item":
            start = block.content.list_start_index or 1
            frame.number = frame.number + 1 if frame.previous == block.type else start
            marker = f"{frame.number}. "
        else:
            marker = "- "
        box = ("[x] " if block.content.checked else "[ ] ") if block.type == "to_do" else ""
        self._put(frame, box + text if text else "", marker, tight=not is_first)
        return _Frame("list", _extend_prefix(frame.prefix, " " * len(marker)))

    def _write_heading(self, frame: _Frame, block: Block) -> _Frame:
        text = plain_text(block.content.rich_text)
        if frame.kind != "section" or not text:
            self._put(frame, f"**{text}**" if text else "")
            return self._continue(frame)
        level = min(_DEEPEST, max(_HEADINGS[block.type], self._open[frame.floor - 1][0] + 1))
        while len(self._open) > frame.floor and self._open[-1][0] >= level:
            self._open.pop()
        return self._begin_section(level, text)

    def _write_toggle(self, frame: _Frame, block: Block) -> _Frame:
        """A toggle is a section, as in lists of questions; within a list it is an item."""
        text = plain_text(block.content.rich_text)
        if frame.kind != "section":
            self._put(frame, text, "- ", tight=frame.kind == "list")
            return _Frame("list", _extend_prefix(frame.prefix, "  "))
        if text and block.has_children:
            return self._begin_section(min(_DEEPEST, self._open[-1][0] + 1), text)
        self._put(frame, escape_line_starts(text))
        return self._continue(frame)

    def _write_quote(self, frame: _Frame, block: Block) -> _Frame:
        icon = block.content.icon.emoji if block.content.icon else ""
        text = escape_line_starts(markdown(block.content.rich_text))
        if not text:
            return self._continue(frame)
        quote = _Frame("quote", _extend_prefix(frame.prefix, "> "), previous=block.type)
        self._separate(frame)
        self._write_lines(quote.prefix, f"{icon} {text}" if icon else text)
        return quote

    def _write_page_link(self, frame: _Frame, block: Block) -> None:
        """Nested pages are documents of their own."""
        content = block.content
        id = (content.page_id or content.database_id or "") if block.type == "link_to_page" else block.id
        title = content.title if isinstance(content.title, str) else plain_text(content.title)
        title = link_text(title or self._titles.get(id, ""))
        if title:
            is_tight = frame.kind == "list" or frame.previous in _LINKS
            self._separate(frame, is_tight)
            self._write_lines(frame.prefix, f"- {link(title, page_address(id))}")

    def _write_media(self, frame: _Frame, block: Block) -> None:
        """Addresses of files that Notion keeps expire within the hour, so only the names of those are written."""
        content = block.content
        address = web_link(content.url or (content.external.url if content.external else ""))
        text = inline(content.caption) or link_text(content.name) or address
        self._put(frame, link(text, address) if text else "")

    def _write_row(self, frame: _Frame, cells: list[str]) -> None:
        ruler = f"|{' --- |' * len(cells)}"
        if not cells or frame.kind != "table":
            return
        if not frame.rows and not frame.has_header:
            self._put(frame, f"|{'  |' * len(cells)}\n{ruler}")
        self._put(frame, f"| {' | '.join(cells)} |", tight=frame.rows > 0 or not frame.has_header)
        if not frame.rows and frame.has_header:
            self._put(frame, ruler, tight=True)
        frame.rows += 1

    # ── output ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _continue(self, frame: _Frame) -> _Frame:
        """Children that stand where the block itself stands."""
        return _Frame(frame.kind, frame.prefix, frame.floor)

    def _begin_section(self, level: int, text: str) -> _Frame:
        outside = len(self._open)
        self._open.append((level, text))
        self._write_current_heading()
        return _Frame("section", floor=outside + 1, keep=outside)

    def _write_current_heading(self) -> None:
        self._current = self._open[-1]
        self._append(f"\n\n{'#' * self._current[0]} {self._current[1]}")

    def _put(self, frame: _Frame, text: str, marker: str = "", *, tight: bool = False) -> None:
        if text:
            self.has_text = True
            self._separate(frame, tight)
            self._write_lines(frame.prefix, text, marker)

    def _separate(self, frame: _Frame, tight: bool = False) -> None:
        """After a toggle, repeat the heading that the next text belongs under."""
        if not frame.prefix and self._current is not self._open[-1]:
            self._write_current_heading()
        self._append("\n" if tight or frame.kind == "list" else f"\n{frame.prefix.rstrip()}\n")

    def _write_lines(self, prefix: str, text: str, marker: str = "") -> None:
        first, *others = text.split("\n")
        indent = prefix + " " * len(marker)
        self._append("\n".join((prefix + marker + first, *((indent + line).rstrip() for line in others))))

    def _append(self, text: str) -> None:
        self._size += len(text)
        if self._size > self._max_size:
            raise DocumentTooLarge(
                f"more than {self._max_size // 1024} KB of text", fix="split the page into several, one topic each"
            )
        self._parts.append(text)


def _extend_prefix(prefix: str, by: str) -> str:
    return prefix + by if len(prefix) < _MAX_PREFIX else prefix


def link_text(text: str) -> str:
    """A text on one line, without what would end a link."""
    return " ".join(text.replace("[", "(").replace("]", ")").split())
