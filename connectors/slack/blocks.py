"""A message of ours as calls of Slack's Web API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson

from connectors.markup import SLACK, labels, render
from connectors.slack.interactions import MOST_ID, action_id
from connectors.slack.places import target
from schemas.errors import SendRefused
from schemas.messages import Choice, OutboundMessage
from schemas.ports import Call, Sending

Json = dict[str, Any]

MOST_TEXT = 3000
"""Characters of a section."""
MOST_BUTTONS = 5
MOST_OPTIONS = 100
MOST_LABEL = 75
MOST_BLOCKS = 12_500
"""Characters of all blocks of a message as JSON. Slack does not document it; above about 13,200 it refuses."""
MOST_ACTIONS = 6_000
EARLIER = timedelta(minutes=1)
"""Clocks may differ by so much."""


def calls(message: OutboundMessage, sending: Sending) -> list[Call]:
    """The text in parts, with sources and choices below the last one; then the files. Raises SendRefused."""
    where = target(message.place, sending.answers)
    # Looked for from here on, when it is in doubt. What was said before the message was made is not the message.
    since = f"{(message.created_at - EARLIER).timestamp():.6f}"
    buttons = _buttons(message)
    listed = () if buttons else message.choices
    rendered = render(message.text, SLACK, MOST_TEXT, citations=message.citations, choices=listed)
    below = [_context(rendered.context)] if rendered.context else []
    posts = _posts(rendered.parts, below + buttons, [choice.label for choice in message.choices])
    made = [Call("chat.postMessage", {**where, **post, **_QUIETLY, "since": since}) for post in posts]
    if message.attachments:
        there = {"channel_id" if name == "channel" else name: value for name, value in where.items()}
        made.append(Call("files.completeUploadExternal", {**there, "since": since}, tuple(message.attachments)))
    if not made:
        raise SendRefused("empty")
    return made


_QUIETLY = {"unfurl_links": False, "unfurl_media": False}


def _posts(parts: Sequence[str], below: list[Json], choices: Sequence[str]) -> list[Json]:
    """``text`` is what notifications and screen readers say of blocks."""
    posts: list[Json] = [{"text": part} for part in parts]
    if not below:
        return posts
    last = posts.pop() if posts else None
    blocks = [*([section(last["text"])] if last else []), *below]
    if last and _size(blocks) > MOST_BLOCKS:
        posts.append(last)
        last, blocks = None, below
    posts.append({"text": last["text"] if last else ", ".join(choices) or "…", "blocks": blocks})
    return posts


def section(text: str) -> Json:
    return {"type": "section", "expand": True, "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _context(lines: Sequence[str]) -> Json:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": line, "verbatim": True} for line in lines]}


def _buttons(message: OutboundMessage) -> list[Json]:
    """Up to five buttons, else a menu; nothing where the choices do not fit either, and have to be written out."""
    choices = message.choices
    if not 0 < len(choices) <= MOST_OPTIONS or not all(0 < len(choice.id) <= MOST_ID for choice in choices):
        return []
    few = len(choices) <= MOST_BUTTONS
    actions = {"type": "actions", "elements": _few(message.id, choices) if few else [_menu(message.id, choices)]}
    return [actions] if _size([actions]) <= MOST_ACTIONS else []


def _few(message: str, choices: Sequence[Choice]) -> list[Json]:
    shown = zip(choices, labels(choices, MOST_LABEL), strict=True)
    return [
        {"type": "button", "action_id": action_id(message, number), "text": _label(label), "value": choice.id}
        for number, (choice, label) in enumerate(shown, 1)
    ]


def _menu(message: str, choices: Sequence[Choice]) -> Json:
    shown = zip(choices, labels(choices, MOST_LABEL), strict=True)
    options = [{"text": _label(label), "value": choice.id} for choice, label in shown]
    return {"type": "static_select", "action_id": action_id(message), "options": options}


def _label(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def _size(blocks: Sequence[Json]) -> int:
    return len(orjson.dumps(blocks).decode())
