"""Objects of the workspace in the form in which the API answers.

https://developers.notion.com/reference/page, /data-source, /database, /block and /parent-object"""

from __future__ import annotations

import re
from datetime import datetime

from tests.platforms.notion.workspace import PAGE_LIKE, Json, Node, Workspace, rich, rounded

_USER = {"object": "user", "id": "ee5f0f84-409a-440f-983a-a5315961c6e4"}
_NO_WORD = re.compile(r"\W+")


def encode_time(time: datetime) -> str:
    return rounded(time).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def encode_parent(parent: Node | None) -> Json:
    if parent is None:
        return {"type": "workspace", "workspace": True}
    if parent.kind == "data_source":
        database = parent.parent.id if parent.parent else ""
        return {"type": "data_source_id", "data_source_id": parent.id, "database_id": database}
    kind = {"page": "page_id", "database": "database_id"}.get(parent.kind, "block_id")
    return {"type": kind, kind: parent.id}


def page_url(node: Node) -> str:
    """In place of a test's own: the title, and the id without dashes."""
    if node.url is not None:
        return node.url
    name = "-".join((*_NO_WORD.sub(" ", node.title).split(), node.id.replace("-", "")))
    return f"https://www.notion.so/{name}"


def _common(workspace: Workspace, node: Node) -> Json:
    return {
        "id": node.id,
        "created_time": encode_time(node.created),
        "created_by": _USER,
        "last_edited_time": encode_time(node.edited),
        "last_edited_by": _USER,
        "in_trash": workspace.is_trashed(node),
        "archived": workspace.is_trashed(node),
    }


def encode_page(workspace: Workspace, page: Node) -> Json:
    return {
        "object": "page",
        **_common(workspace, page),
        "parent": encode_parent(page.parent),
        "properties": page.properties,
        "url": page_url(page),
        "public_url": None,
        "icon": None,
        "cover": None,
    }


def encode_data_source(workspace: Workspace, table: Node) -> Json:
    database = table.parent
    return {
        "object": "data_source",
        **_common(workspace, table),
        "title": [rich(table.title)],
        "description": [],
        "parent": encode_parent(database),
        "database_parent": encode_parent(database.parent if database else None),
        "is_inline": False,
        "properties": {"Name": {"id": "title", "name": "Name", "type": "title", "title": {}}},
        "url": page_url(table),
        "public_url": None,
        "icon": None,
        "cover": None,
    }


def encode_database(workspace: Workspace, database: Node) -> Json:
    return {
        "object": "database",
        **_common(workspace, database),
        "title": [rich(database.title)],
        "description": [],
        "parent": encode_parent(database.parent),
        "is_inline": False,
        "data_sources": [{"id": table.id, "name": table.title} for table in database.children],
        "url": page_url(database),
        "public_url": None,
        "icon": None,
        "cover": None,
    }


def encode_block(workspace: Workspace, node: Node) -> Json:
    kind, content = node.kind, node.content
    if node.kind in PAGE_LIKE:
        kind, content = f"child_{node.kind}", {"title": node.title}
    children = [child for child in node.children if not child.in_trash]
    origin = content.get("synced_from")
    shown = workspace.nodes.get(origin["block_id"]) if origin else None
    return {
        "object": "block",
        **_common(workspace, node),
        "parent": encode_parent(node.parent),
        "has_children": bool(children) or bool(shown and shown.children),
        "type": kind,
        kind: content,
    }
