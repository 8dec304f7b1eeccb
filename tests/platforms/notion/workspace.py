"""A workspace of Notion: pages, databases and blocks, the connection's access to them, and the index of the search.

What is documented:

- A connection sees pages that are shared with it and everything below them:
  https://developers.notion.com/guides/get-started/internal-connections
- Times are rounded down to the minute:
  https://developers.notion.com/changelog/last-edited-time-is-now-rounded-to-the-nearest-minute
- A page's direct parent may be a block, such as a toggle:
  https://developers.notion.com/changelog/releasing-notion-version-2022-06-28
- A page whose ancestor is in the trash is in the trash, too:
  https://developers.notion.com/changelog/changes-for-february-14-2022-february-28-2022
- The search finds new pages late, but shared pages at once, and need not find everything:
  https://developers.notion.com/reference/search-optimizations-and-limitations

What is not documented, and assumed: an edit, a new child and a moved child are edits of the page on which they stand.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

Json = dict[str, Any]
_NONE: Mapping[str, Json] = {}
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class WorkspaceClock:
    """The workspace's time, which passes only when somebody waits."""

    def __init__(self) -> None:
        self._passed = 0.0

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return self._passed

    def forward(self, seconds: float) -> None:
        self._passed += seconds

    async def sleep(self, seconds: float) -> None:
        self._passed += max(seconds, 0.0)


@dataclass(eq=False)
class Node:
    """A block, page, database or data source. ``content`` is what stands under the name of a block's type."""

    id: str
    kind: str
    parent: Node | None = None
    content: Json = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    title: str = ""
    url: str | None = None
    properties: Json = field(default_factory=dict)
    created: datetime = START
    edited: datetime = START
    in_trash: bool = False

    def tree(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.tree()


PAGE_LIKE = ("page", "database", "data_source")


class Workspace:
    def __init__(self, clock: WorkspaceClock | None = None, seed: int = 1) -> None:
        self.clock = clock or WorkspaceClock()
        self.nodes: dict[str, Node] = {}
        self.shared: set[str] = set()
        self.restricted: set[str] = set()
        self.unindexed: set[str] = set()
        """Pages that the search does not find yet, or at all."""
        self.index_lags = False
        self.edits_reach_parents = True
        self._random = Random(seed)

    def _id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _put(self, kind: str, parent: Node | None, **fields: Any) -> Node:
        now = self.clock.now
        node = Node(self._id(), kind, parent, created=now, edited=now, **fields)
        self.nodes[node.id] = node
        if parent is not None:
            parent.children.append(node)
            if self.edits_reach_parents:
                self.touch(parent)
        return node

    # ── what people do ───────────────────────────────────────────────────────────────────────────────────────────────

    def page(self, title: str, *blocks: Block, parent: Node | None = None, share: bool = False) -> Node:
        page = self._put("page", parent, title=title, properties=title_property(title))
        if self.index_lags:
            self.unindexed.add(page.id)
        if share:
            self.share(page)
        self.write(page, *blocks)
        return page

    def database(self, title: str, parent: Node | None = None, tables: int = 1, share: bool = False) -> Node:
        """The database's tables are its children."""
        database = self._put("database", parent, title=title)
        for number in range(tables):
            self._put("data_source", database, title=f"{title} {number}" if number else title)
        if share:
            self.share(database)
        return database

    def row(
        self, database: Node, title: str, *blocks: Block, table: int = 0, properties: Mapping[str, Json] = _NONE
    ) -> Node:
        row = self.page(title, *blocks, parent=database.children[table])
        row.properties.update(properties)
        return row

    def write(self, place: Node, *blocks: Block) -> list[Node]:
        """Add blocks at the end of a page or block."""
        return [self._write(place, block) for block in blocks]

    def _write(self, place: Node, block: Block) -> Node:
        node = self._put(block.type, place, content=dict(block.content))
        for child in block.children:
            self._write(node, child)
        return node

    def rewrite(self, page: Node, *blocks: Block) -> None:
        """Replace all blocks of a page, except for nested pages."""
        for child in [child for child in page.children if child.kind not in PAGE_LIKE]:
            self.erase(child)
        self.write(page, *blocks)

    def rename(self, page: Node, title: str) -> None:
        page.title = title
        page.properties = {**page.properties, **title_property(title)}
        self.touch(page)

    def erase(self, node: Node) -> None:
        """Delete for good."""
        if node.parent is not None:
            node.parent.children.remove(node)
            if self.edits_reach_parents:
                self.touch(node.parent)
        for each in list(node.tree()):
            self.nodes.pop(each.id, None)

    def trash(self, node: Node) -> None:
        node.in_trash = True
        if node.parent is not None and self.edits_reach_parents:
            self.touch(node.parent)

    def restore(self, node: Node) -> None:
        node.in_trash = False
        self.touch(node)

    def move(self, node: Node, to: Node | None) -> None:
        for end in filter(None, (node.parent, to)):
            if self.edits_reach_parents:
                self.touch(end)
        if node.parent is not None:
            node.parent.children.remove(node)
        node.parent = to
        if to is not None:
            to.children.append(node)

    def share(self, node: Node) -> None:
        self.shared.add(node.id)
        self.unindexed.discard(node.id)

    def unshare(self, node: Node) -> None:
        self.shared.discard(node.id)

    def restrict(self, node: Node) -> None:
        """Take the connection off a page below one that is shared."""
        self.restricted.add(node.id)

    def touch(self, node: Node) -> None:
        """An edit inside the page on which the node stands."""
        node.edited = self.clock.now
        page = self.page_of(node)
        if page is not None:
            page.edited = self.clock.now

    # ── what the connection sees ─────────────────────────────────────────────────────────────────────────────────────

    def page_of(self, node: Node | None) -> Node | None:
        while node is not None and node.kind not in PAGE_LIKE:
            node = node.parent
        return node

    def is_visible(self, node: Node) -> bool:
        for each in _upwards(node):
            if each.id in self.restricted:
                return False
            if each.id in self.shared:
                return True
        return False

    def is_trashed(self, node: Node) -> bool:
        return any(each.in_trash for each in _upwards(node))

    def find(self, id: str, *kinds: str) -> Node | None:
        node = self.nodes.get(str(uuid.UUID(id)))
        return node if node is not None and self.is_visible(node) and (not kinds or node.kind in kinds) else None

    def searchable(self) -> list[Node]:
        """The newest first."""
        found = [
            node
            for node in self.nodes.values()
            if node.kind in ("page", "data_source")
            and node.id not in self.unindexed
            and self.is_visible(node)
            and not self.is_trashed(node)
        ]
        return sorted(found, key=lambda node: (rounded(node.edited), node.id), reverse=True)


def _upwards(node: Node) -> Iterator[Node]:
    """The node and what it stands in. A test may have two pages in each other."""
    seen = set()
    at: Node | None = node
    while at is not None and at.id not in seen:
        seen.add(at.id)
        yield at
        at = at.parent


@dataclass(frozen=True)
class Block:
    """A block that is not yet in a workspace."""

    type: str
    content: Json = field(default_factory=dict)
    children: Sequence[Block] = ()


def rounded(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)


def rich(text: str, href: str | None = None, **annotations: bool) -> Json:
    looks = dict.fromkeys(("bold", "italic", "strikethrough", "underline", "code"), False)
    return {
        "type": "text",
        "text": {"content": text, "link": {"url": href} if href else None},
        "annotations": {**looks, **annotations, "color": "default"},
        "plain_text": text,
        "href": href,
    }


def title_property(title: str) -> Json:
    return {"Name": {"id": "title", "type": "title", "title": [rich(title)] if title else []}}


def text_block(type: str, text: str, *children: Block, **more: Any) -> Block:
    return Block(type, {"rich_text": [rich(text)] if text else [], "color": "default", **more}, children)


def paragraph(text: str, *children: Block) -> Block:
    return text_block("paragraph", text, *children)


def heading(level: int, text: str, *children: Block) -> Block:
    return text_block(f"heading_{level}", text, *children, is_toggleable=bool(children))


def toggle(text: str, *children: Block) -> Block:
    return text_block("toggle", text, *children)


def bullet(text: str, *children: Block) -> Block:
    return text_block("bulleted_list_item", text, *children)


def table(*rows: Sequence[str], header: bool = True) -> Block:
    cells = [Block("table_row", {"cells": [[rich(cell)] if cell else [] for cell in row]}) for row in rows]
    return Block("table", {"table_width": len(rows[0]), "has_column_header": header, "has_row_header": False}, cells)


def synced(*children: Block, copy_of: Node | None = None) -> Block:
    origin = None if copy_of is None else {"type": "block_id", "block_id": copy_of.id}
    return Block("synced_block", {"synced_from": origin}, children)
