"""Rendering of messages as Slack Web API calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson

from connectors.markup import SLACK, build_labels, render
from connectors.slack.inbound.interactions import MAX_ID, build_action_id
from connectors.slack.places import parse_place
from schemas.errors import SendRefused
from schemas.messages import Choice, OutboundMessage
from schemas.ports import RenderContext, VendorCall

Json = dict[str, Any]

MAX_TEXT = 3000
"""Characters of a section."""
MAX_BUTTONS = 5
MAX_OPTIONS = 100
MAX_LABEL = 75
MAX_BLOCKS = 12_500
"""Characters of a message's blocks as JSON. Undocumented: above about 13,200 Slack refuses."""
MAX_ACTIONS = 6_000
CLOCK_SKEW = timedelta(minutes=1)
"""Largest expected difference between our clock and Slack's."""


def build_calls(message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
    """Build the calls: the text in parts, with sources and choices below the last one, then the files. Raises
    SendRefused."""
    target = parse_place(message.place, sending.answers)
    # A lookup starts here: earlier messages cannot be this one.
    since = f"{(message.created_at - CLOCK_SKEW).timestamp():.6f}"
    buttons = _build_actions(message)
    numbered = () if buttons else message.choices
    rendered = render(message.text, SLACK, MAX_TEXT, citations=message.citations, choices=numbered)
    blocks_below = [_build_context(rendered.context)] if rendered.context else []
    posts = _build_posts(rendered.parts, blocks_below + buttons, [choice.label for choice in message.choices])
    calls = [VendorCall("chat.postMessage", {**target, **post, **_NO_UNFURLING, "since": since}) for post in posts]
    if message.attachments:
        file_target = {"channel_id" if name == "channel" else name: value for name, value in target.items()}
        calls.append(
            VendorCall("files.completeUploadExternal", {**file_target, "since": since}, tuple(message.attachments))
        )
    if not calls:
        raise SendRefused("empty")
    return calls


_NO_UNFURLING = {"unfurl_links": False, "unfurl_media": False}


def _build_posts(parts: Sequence[str], below: list[Json], choices: Sequence[str]) -> list[Json]:
    """``text`` is what notifications and screen readers show for blocks."""
    posts: list[Json] = [{"text": part} for part in parts]
    if not below:
        return posts
    last = posts.pop() if posts else None
    blocks = [*([build_section(last["text"])] if last else []), *below]
    if last and _get_size(blocks) > MAX_BLOCKS:
        posts.append(last)
        last, blocks = None, below
    posts.append({"text": last["text"] if last else ", ".join(choices) or "…", "blocks": blocks})
    return posts


def build_section(text: str) -> Json:
    return {"type": "section", "expand": True, "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _build_context(lines: Sequence[str]) -> Json:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": line, "verbatim": True} for line in lines]}


def _build_actions(message: OutboundMessage) -> list[Json]:
    """Build up to five buttons, else a menu; nothing where the choices do not fit and have to be numbered lines."""
    choices = message.choices
    if not 0 < len(choices) <= MAX_OPTIONS or not all(0 < len(choice.id) <= MAX_ID for choice in choices):
        return []
    are_few = len(choices) <= MAX_BUTTONS
    actions = {
        "type": "actions",
        "elements": _build_buttons(message.id, choices) if are_few else [_build_menu(message.id, choices)],
    }
    return [actions] if _get_size([actions]) <= MAX_ACTIONS else []


def _build_buttons(message: str, choices: Sequence[Choice]) -> list[Json]:
    labelled = zip(choices, build_labels(choices, MAX_LABEL), strict=True)
    return [
        {
            "type": "button",
            "action_id": build_action_id(message, number),
            "text": _build_label(label),
            "value": choice.id,
        }
        for number, (choice, label) in enumerate(labelled, 1)
    ]


def _build_menu(message: str, choices: Sequence[Choice]) -> Json:
    labelled = zip(choices, build_labels(choices, MAX_LABEL), strict=True)
    options = [{"text": _build_label(label), "value": choice.id} for choice, label in labelled]
    return {"type": "static_select", "action_id": build_action_id(message), "options": options}


def _build_label(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def _get_size(blocks: Sequence[Json]) -> int:
    return len(orjson.dumps(blocks).decode())
