"""A message as people see it: the text that is read, the choices that can be picked, whom it notifies."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from tests.simulators.slack.blocks import actions_in
from tests.simulators.slack.workspace import Json, Workspace

ENTITY = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
BROADCASTS = ("channel", "here", "everyone")


def visible_text(body: Json, workspace: Workspace) -> str:
    """Blocks hide the text they come with, which is then only for notifications."""
    blocks = body.get("blocks") or []
    text = "\n".join(part for block in blocks if (part := _of_block(block, workspace)))
    return text or plain(str(body.get("text") or ""), workspace)


def plain(mrkdwn: str, workspace: Workspace) -> str:
    """Entities as they are read. Marks of bold and the like stay."""

    def read(match: re.Match[str]) -> str:
        sign, target, label = match.groups()
        if sign == "@":
            person = workspace.by_id(target)
            return f"@{person.name if person else target}"
        if sign == "#":
            room = workspace.rooms.get(target)
            return f"#{label or (room.name if room else target)}"
        if sign == "!":
            return label or f"@{target.split('^')[0]}"
        return label or target

    return html.unescape(ENTITY.sub(read, mrkdwn))


def find_notified(body: Json, workspace: Workspace) -> list[str]:
    """Whom the mentions in a message call: user ids, and ``!channel`` and the like."""
    called: list[str] = []
    for text in _mrkdwn(body):
        for sign, target, _ in ENTITY.findall(text):
            if sign == "@" and workspace.by_id(target):
                called.append(target)
            if sign == "!" and (target in BROADCASTS or target.startswith("subteam^")):
                called.append(f"!{target}")
    return called


def _mrkdwn(body: Json) -> list[str]:
    """Every text in which entities count."""
    found = [str(body.get("text") or "")] if not body.get("blocks") else []

    def walk(value: Any) -> None:
        if isinstance(value, list):
            for each in value:
                walk(each)
        elif isinstance(value, dict):
            if value.get("type") in ("mrkdwn", "markdown") and isinstance(value.get("text"), str):
                found.append(value["text"])
            for each in value.values():
                walk(each)

    walk(body.get("blocks") or [])
    return found


def _of_block(block: Json, workspace: Workspace) -> str:
    kind = block.get("type")
    if kind == "rich_text":
        return _of_rich_text(block, workspace)
    if kind == "image":
        return str(block.get("alt_text", ""))
    parts = [block.get("text"), *block.get("fields", [])]
    if kind == "context":
        parts += [element for element in block.get("elements", []) if "text" in element]
    return "\n".join(_of_text(part, workspace) for part in parts if part)


def _of_text(text: Any, workspace: Workspace) -> str:
    if isinstance(text, str):
        return plain(text, workspace)
    written = str(text.get("text", ""))
    return plain(written, workspace) if text.get("type") == "mrkdwn" else written


def _of_rich_text(block: Json, workspace: Workspace) -> str:
    pieces: list[str] = []

    def walk(element: Json) -> None:
        if element.get("type") == "user":
            pieces.append(plain(f"<@{element['user_id']}>", workspace))
        pieces.append(str(element.get("text") or (element.get("url", ""))))
        for each in element.get("elements", []):
            walk(each)

    walk(block)
    return "".join(pieces)


def choices(body: Json) -> list[str]:
    """Labels of buttons and of the options of menus, in reading order."""
    found: list[str] = []
    for _, element in actions_in(body.get("blocks") or []):
        if element.get("type") == "button":
            found.append(str(element["text"]["text"]))
        found += [str(option["text"]["text"]) for option in element.get("options", [])]
    return found


def marker(body: Json) -> str:
    """Our own mark: the payload's text if there is just one, else the whole payload as JSON."""
    payload = (body.get("metadata") or {}).get("event_payload") or {}
    values = list(payload.values())
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return json.dumps(payload, sort_keys=True) if payload else ""
