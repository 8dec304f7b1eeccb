"""What a Slack message says, in Slack's own markup.

Mostly that is its ``text``. Where it has none, it is read from blocks and attachments, which come in many kinds and are
not trusted: what makes no sense says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.markup import blank

DEEPEST = 8
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_NAMES = {"user": ("user_id", "@"), "usergroup": ("usergroup_id", "!subteam^"), "channel": ("channel_id", "#")}


def written(text: str | None, blocks: Any, attachments: Any) -> str:
    """The text of a message with these three parts."""
    if text and not blank(text):
        return text
    parts = [_of_block(block) for block in _dicts(blocks)] + [_of_attachment(each) for each in _dicts(attachments)]
    return "\n".join(part for part in parts if part)


def shared(attachments: Any) -> str:
    """The message of somebody else that this one shares; empty where it shares none."""
    return next((_of_attachment(each) for each in _dicts(attachments) if each.get("is_share") is True), "")


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    yield from (each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _plain(value: Any) -> str:
    return _string(value).translate(_ENTITIES)


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _of_attachment(attachment: dict[str, Any]) -> str:
    said = _lines(*(_string(attachment.get(name)) for name in ("pretext", "title", "text")))
    return said or written("", attachment.get("blocks"), None) or _string(attachment.get("fallback"))


def _of_block(block: dict[str, Any]) -> str:
    kind = block.get("type")
    if kind == "rich_text":
        return _lines(*(_of_rich(each, 0) for each in _dicts(block.get("elements"))))
    if kind == "markdown":
        return _plain(block.get("text"))
    if kind == "image":
        return _plain(block.get("alt_text"))
    inner = [block.get("text"), *_dicts(block.get("fields"))]
    if kind == "context":
        inner += _dicts(block.get("elements"))
    return _lines(*(_of_object(each) for each in inner))


def _of_object(value: Any) -> str:
    """A text object, or an image among them."""
    if not isinstance(value, dict):
        return ""
    said = value.get("text", value.get("alt_text"))
    return _string(said) if value.get("type") == "mrkdwn" else _plain(said)


def _of_rich(element: dict[str, Any], depth: int) -> str:
    if depth > DEEPEST:
        return ""
    inner = [_of_rich(each, depth + 1) for each in _dicts(element.get("elements"))]
    if element.get("type") == "rich_text_list":
        return "\n".join(f"• {each}" for each in inner)
    return _leaf(element) + "".join(inner)


def _leaf(element: dict[str, Any]) -> str:
    kind = _string(element.get("type"))
    if kind in _NAMES:
        key, sign = _NAMES[kind]
        return f"<{sign}{_plain(element.get(key))}>"
    if kind == "link":
        return f"<{_plain(element.get('url'))}|{_plain(element.get('text'))}>"
    if kind == "emoji":
        return f":{_plain(element.get('name'))}:"
    if kind == "broadcast":
        return f"<!{_plain(element.get('range'))}>"
    return _plain(element.get("text", element.get("fallback")))
