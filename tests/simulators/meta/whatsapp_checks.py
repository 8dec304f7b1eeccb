"""Checks what WhatsApp refuses to send, and renders what a person sees."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.meta.errors import GraphError, make_invalid_error, make_missing_error, too_long
from tests.simulators.meta.media import MEGABYTE

MEDIA_TYPES: dict[str, dict[str, int]] = {
    "image": dict.fromkeys(("image/jpeg", "image/png"), 5 * MEGABYTE),
    "audio": dict.fromkeys(("audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg"), 16 * MEGABYTE),
    "video": dict.fromkeys(("video/mp4", "video/3gpp"), 16 * MEGABYTE),
    "sticker": {"image/webp": 500 * 1024},
    "document": dict.fromkeys(
        (
            "text/plain",
            "application/pdf",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ),
        100 * MEGABYTE,
    ),
}


@dataclass(slots=True)
class ShownContent:
    """What reaches a person: text, labels to pick from, media to fetch by id or address."""

    text: str = ""
    choices: list[str] = field(default_factory=list)
    media: dict[str, str] = field(default_factory=dict)
    """``id`` or ``link``."""


def check_frame(body: dict[str, Any]) -> str:
    """The type of a send whose dependencies are right. Raises GraphError."""
    if body.get("messaging_product") != "whatsapp":
        raise make_missing_error("messaging_product")
    kind = body.get("type", "text")
    if kind not in CHECKS:
        raise GraphError(100, f"(#100) Param type must be one of {{{', '.join(sorted(CHECKS)).upper()}}}")
    if body.get("recipient_type", "individual") not in ("individual", "group"):
        raise make_invalid_error("recipient_type must be individual or group")
    if not body.get("to") and not body.get("recipient"):
        raise make_missing_error("to")
    # A list of contacts is the one content that is no object.
    if not isinstance(body.get(kind), list if kind == "contacts" else dict):
        raise make_missing_error(kind)
    if len(body.get("biz_opaque_callback_data", "")) > 512:
        raise too_long("biz_opaque_callback_data", 512)
    return str(kind)


def check_content(kind: str, content: dict[str, Any]) -> ShownContent:
    """Raises GraphError."""
    return CHECKS[kind](content)


def _text(content: dict[str, Any]) -> ShownContent:
    _only(content, {"body", "preview_url"}, "text")
    return ShownContent(_string(content, "text", "body", 4096))


def _media(kind: str) -> Callable[[dict[str, Any]], ShownContent]:
    def check(content: dict[str, Any]) -> ShownContent:
        allowed = {"id", "link"} | ({"caption"} if kind in ("image", "video", "document") else set())
        _only(content, allowed | ({"filename"} if kind == "document" else set()), kind)
        if ("id" in content) == ("link" in content):
            raise make_invalid_error(f"{kind} takes one of id and link")
        caption = _string(content, kind, "caption", 1024) if "caption" in content else ""
        return ShownContent(caption, media={name: str(content[name]) for name in ("id", "link") if name in content})

    return check


def _location(content: dict[str, Any]) -> ShownContent:
    for name in ("latitude", "longitude"):
        if not isinstance(content.get(name), int | float | str):
            raise GraphError(131008, details=f"location['{name}'] is required")
    return ShownContent(f"{content.get('name', 'Location')} ({content['latitude']}, {content['longitude']})")


def _reaction(content: dict[str, Any]) -> ShownContent:
    _string(content, "reaction", "message_id", 1000)
    return ShownContent(str(content.get("emoji", "")))


def _template(content: dict[str, Any]) -> ShownContent:
    _string(content, "template", "name", 512)
    language = content.get("language")
    if not isinstance(language, dict) or not language.get("code"):
        raise GraphError(131008, details="template['language']['code'] is required")
    return ShownContent()


def _interactive(content: dict[str, Any]) -> ShownContent:
    kind = content.get("type")
    if kind not in ("button", "list", "cta_url", "location_request_message"):
        raise make_invalid_error(f"interactive type {kind!r} is not supported")
    _only(content, {"type", "header", "body", "footer", "action"}, "interactive")
    body, action = content.get("body"), content.get("action")
    if not isinstance(body, dict):
        raise GraphError(131008, details="interactive['body'] is required")
    if not isinstance(action, dict):
        raise GraphError(131008, details="interactive['action'] is required")
    text = _string(body, "interactive['body']", "text", 4096 if kind == "list" else 1024)
    for part in ("header", "footer"):
        if isinstance(content.get(part), dict) and "text" in content[part]:
            _string(content[part], f"interactive['{part}']", "text", 60)
    if kind in ("button", "list"):
        return ShownContent(text, _buttons(action) if kind == "button" else _rows(action))
    return ShownContent(text)


def _buttons(action: dict[str, Any]) -> list[str]:
    buttons = action.get("buttons")
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
        raise make_invalid_error("Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3")
    replies = [each.get("reply") if each.get("type") == "reply" else None for each in buttons]
    if not all(isinstance(each, dict) for each in replies):
        raise make_invalid_error("a button must be of type reply and have a reply")
    titles = [_string(each, "button", "title", 20) for each in replies]
    _distinct((_string(each, "button", "id", 256) for each in replies), "Duplicated reply id")
    _distinct(titles, "Duplicated button title")
    return titles


def _rows(action: dict[str, Any]) -> list[str]:
    _string(action, "interactive['action']", "button", 20)
    sections = action.get("sections")
    if not isinstance(sections, list) or not 1 <= len(sections) <= 10:
        raise make_invalid_error("Invalid sections count. Min allowed sections: 1, Max allowed sections: 10")
    for section in sections:
        if len(sections) > 1 or "title" in section:
            _string(section, "section", "title", 24)
    rows = [row for section in sections for row in section.get("rows", [])]
    if not 1 <= len(rows) <= 10:
        raise make_invalid_error(f"Total row count exceed max allowed count: 10, got {len(rows)}")
    for row in rows:
        if "description" in row:
            _string(row, "row", "description", 72)
    _distinct((_string(row, "row", "id", 200) for row in rows), "Duplicated row id")
    return [_string(row, "row", "title", 24) for row in rows]


def _contacts(content: Any) -> ShownContent:
    if not isinstance(content, list) or not content:
        raise make_missing_error("contacts")
    names = [each.get("name", {}).get("formatted_name") for each in content]
    if not all(names):
        raise GraphError(131008, details="contacts['name']['formatted_name'] is required")
    return ShownContent(", ".join(names))


def fill_template(body: str, content: dict[str, Any]) -> str:
    """A template's text with its parameters. Raises GraphError when their number is another."""
    given = [
        str(parameter.get("text", ""))
        for component in content.get("components", [])
        if component.get("type") == "body"
        for parameter in component.get("parameters", [])
    ]
    wanted = len(set(re.findall(r"{{(\d+)}}", body)))
    if len(given) != wanted:
        raise GraphError(
            132000,
            details=f"body: number of localizable_params ({len(given)}) does not match the expected number ({wanted})",
        )
    return re.sub(r"{{(\d+)}}", lambda found: given[int(found[1]) - 1], body)


def _string(content: Any, where: str, name: str, limit: int) -> str:
    """Raises GraphError unless there is a text that is neither empty nor too long."""
    value = content.get(name) if isinstance(content, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise GraphError(131008, details=f"The parameter {where}['{name}'] is required.")
    if len(value) > limit:
        raise too_long(f"{where}['{name}']", limit)
    return value


def _only(content: dict[str, Any], allowed: set[str], where: str) -> None:
    for name in content.keys() - allowed:
        raise GraphError(100, f'(#100) Unexpected key "{name}" on param "{where}".')


def _distinct(values: Iterable[str], complaint: str) -> None:
    every = list(values)
    if len(set(every)) < len(every):
        raise make_invalid_error(complaint)


CHECKS: dict[str, Callable[[Any], ShownContent]] = {
    "text": _text,
    "interactive": _interactive,
    "location": _location,
    "reaction": _reaction,
    "template": _template,
    "contacts": _contacts,
    **{kind: _media(kind) for kind in MEDIA_TYPES},
}
