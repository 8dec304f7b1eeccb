"""Text of a Slack message, in Slack's own markup.

Usually that is ``text``. Without one, it is read from blocks and attachments, which come in many kinds and are not
trusted: invalid parts are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.markup import is_blank

MAX_DEPTH = 8
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_NAMES = {"user": ("user_id", "@"), "usergroup": ("usergroup_id", "!subteam^"), "channel": ("channel_id", "#")}


def read_text(text: str | None, blocks: Any, attachments: Any) -> str:
    """Return the text of a message with these three parts."""
    if text and not is_blank(text):
        return text
    parts = [_read_block(block) for block in _iterate_dicts(blocks)] + [
        _read_attachment(each) for each in _iterate_dicts(attachments)
    ]
    return "\n".join(part for part in parts if part)


def read_shared_message(attachments: Any) -> str:
    """Return the message of somebody else that this one shares; empty if none."""
    return next((_read_attachment(each) for each in _iterate_dicts(attachments) if each.get("is_share") is True), "")


def _iterate_dicts(value: Any) -> Iterator[dict[str, Any]]:
    yield from (each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()


def _get_string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _escape(value: Any) -> str:
    return _get_string(value).translate(_ENTITIES)


def _join_lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _read_attachment(attachment: dict[str, Any]) -> str:
    text = _join_lines(*(_get_string(attachment.get(name)) for name in ("pretext", "title", "text")))
    return text or read_text("", attachment.get("blocks"), None) or _get_string(attachment.get("fallback"))


def _read_block(block: dict[str, Any]) -> str:
    kind = block.get("type")
    if kind == "rich_text":
        return _join_lines(*(_read_rich_element(each, 0) for each in _iterate_dicts(block.get("elements"))))
    if kind == "markdown":
        return _escape(block.get("text"))
    if kind == "image":
        return _escape(block.get("alt_text"))
    inner = [block.get("text"), *_iterate_dicts(block.get("fields"))]
    if kind == "context":
        inner += _iterate_dicts(block.get("elements"))
    return _join_lines(*(_read_object(each) for each in inner))


def _read_object(value: Any) -> str:
    """Read a text object, or an image among them."""
    if not isinstance(value, dict):
        return ""
    text = value.get("text", value.get("alt_text"))
    return _get_string(text) if value.get("type") == "mrkdwn" else _escape(text)


def _read_rich_element(element: dict[str, Any], depth: int) -> str:
    if depth > MAX_DEPTH:
        return ""
    inner = [_read_rich_element(each, depth + 1) for each in _iterate_dicts(element.get("elements"))]
    if element.get("type") == "rich_text_list":
        return "\n".join(f"• {each}" for each in inner)
    return _read_leaf(element) + "".join(inner)


def _read_leaf(element: dict[str, Any]) -> str:
    kind = _get_string(element.get("type"))
    if kind in _NAMES:
        key, sign = _NAMES[kind]
        return f"<{sign}{_escape(element.get(key))}>"
    if kind == "link":
        return f"<{_escape(element.get('url'))}|{_escape(element.get('text'))}>"
    if kind == "emoji":
        return f":{_escape(element.get('name'))}:"
    if kind == "broadcast":
        return f"<!{_escape(element.get('range'))}>"
    return _escape(element.get("text", element.get("fallback")))
