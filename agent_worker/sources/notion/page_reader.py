"""Reading of one page: its tree of blocks, level by level, into markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent_worker.sources.notion.client import NotionClient, decode_blocks, repeat_list
from agent_worker.sources.notion.markdown_writer import MarkdownWriter
from agent_worker.sources.notion.objects import Block
from schemas.errors import DocumentTooLarge, NotFound

_MAX_REQUESTS = 2_000
"""For one page. Each block with children costs one, so that a page of this size takes eleven minutes."""


@dataclass(frozen=True, slots=True)
class PageContent:
    """``body`` is empty if the page has no text. ``pages`` and ``databases`` stand in it. ``originals`` are its synced
    blocks, ``copies`` those of other pages of which it shows copies."""

    body: str
    pages: tuple[str, ...]
    databases: tuple[str, ...]
    originals: tuple[str, ...]
    copies: tuple[str, ...]


class _ChildList:
    """The children of one block, fetched a hundred at a time. ``is_copy``: they belong to another page."""

    def __init__(self, client: NotionClient, id: str, is_copy: bool) -> None:
        self.id = id
        self.is_copy = is_copy
        self._client = client
        self._blocks: list[Block] = []
        self._cursor: str | None = None
        self._has_more = True

    async def next(self) -> Block | None:
        while not self._blocks and self._has_more:
            results = await self._client.children(self.id, self._cursor)
            self._blocks = decode_blocks(results)[::-1]
            self._cursor = results.next_cursor
            self._has_more = results.has_more and self._cursor is not None
        return self._blocks.pop() if self._blocks else None


class PageReader:
    def __init__(self, client: NotionClient, titles: Mapping[str, str]) -> None:
        self._client = client
        self._titles = titles

    async def read(self, id: str, title: str, properties: str) -> PageContent:
        """Raises NotFound for a page that is gone, DocumentTooLarge, and what ``NotionClient`` raises."""
        return await repeat_list(
            lambda: _PageRead(self._client, id, MarkdownWriter(title, properties, self._titles)).run()
        )


class _PageRead:
    """One reading of a page, depth first, without recursion."""

    def __init__(self, client: NotionClient, id: str, writer: MarkdownWriter) -> None:
        self._client = client
        self._writer = writer
        self._levels = [_ChildList(client, id, is_copy=False)]
        self._inside = {id}
        self._last_request = client.requests + _MAX_REQUESTS
        self._pages: list[str] = []
        self._databases: list[str] = []
        self._originals: dict[str, None] = {}
        self._copies: dict[str, None] = {}

    async def run(self) -> PageContent:
        while self._levels:
            level = self._levels[-1]
            block = await self._next(level)
            if block is None:
                self._inside.discard(level.id)
                self._levels.pop()
                if self._levels:
                    self._writer.close()
            else:
                self._note_child(level, block)
                if self._writer.open(block):
                    self._enter(level, block)
        writer = self._writer
        return PageContent(
            body=writer.text if writer.has_text else "",
            pages=tuple(self._pages),
            databases=tuple(self._databases),
            originals=tuple(self._originals),
            copies=tuple(self._copies),
        )

    async def _next(self, level: _ChildList) -> Block | None:
        if self._client.requests > self._last_request:
            raise DocumentTooLarge(
                f"more than {_MAX_REQUESTS:,} blocks with others inside", fix="split the page into several"
            )
        try:
            return await level.next()
        except NotFound:
            if len(self._levels) == 1:
                raise
            return None  # the original of a synced block, which is not shared, or a block that was just deleted

    def _note_child(self, level: _ChildList, block: Block) -> None:
        """A page within a copy is nested where the original is."""
        if not level.is_copy and block.type == "child_page":
            self._pages.append(block.id)
        if not level.is_copy and block.type == "child_database":
            self._databases.append(block.id)

    def _enter(self, level: _ChildList, block: Block) -> None:
        id, is_copy = block.id, level.is_copy
        if block.type == "synced_block":
            if block.content.synced_from is not None:
                id, is_copy = block.content.synced_from.block_id, True
                self._copies[id] = None
            elif not is_copy:
                self._originals[id] = None
        if id in self._inside:  # a synced block that contains a copy of itself
            self._writer.close()
            return
        self._inside.add(id)
        self._levels.append(_ChildList(self._client, id, is_copy))
