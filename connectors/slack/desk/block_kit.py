"""Block Kit building blocks of the desk's posts. Pure.

Names and texts of contacts are shown literally: nothing in them becomes markup, a mention or a link's label. The
agent's texts are markdown, and may quote a contact, so their links show their address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from connectors.desk.contents import Button
from connectors.markup import PLAIN, SLACK, clean_text, is_blank, plain_text_only, render
from connectors.slack.blocks import MAX_BLOCKS as MAX_SIZE
from connectors.slack.blocks import build_section

Json = dict[str, Any]

PREFIX = "parley-desk:"
"""Prefix of the ids of our buttons and forms; the command follows."""
MAX_BLOCKS = 50
MAX_SECTION_TEXT = 2_900
"""Characters of a section, with some room for the text around them."""
MAX_PLAIN_TEXT = 300
MAX_NOTIFICATION = 1_000
"""Characters of the text that notifications show; ``chat.update`` takes about 4,000 bytes of it."""


_BIDI_CONTROLS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""Unicode controls of text direction, which could make an amount or a file's extension read as another."""


def _shown_link(label: str, address: str) -> str:
    return f"<{address}>" if label in ("", address) else f"{label} (<{address}>)"


DESK_MARKUP = replace(SLACK, link=_shown_link)
"""Slack's markup with the address of every link visible."""


def markdown_sections(text: str) -> list[Json]:
    """Build sections from markdown of the agent or of colleagues."""
    return [build_section(part) for part in render(text, DESK_MARKUP, MAX_SECTION_TEXT).parts]


def escape_text(text: str) -> str:
    """Escape a contact's text for use within our markup, cut to the length of a section."""
    with plain_text_only():
        parts = render(_make_legible(text[:MAX_SECTION_TEXT]), SLACK, MAX_SECTION_TEXT).parts
    return parts[0] if parts else ""


def mrkdwn_section(text: str) -> Json:
    """Build a section from our own markup."""
    return build_section(text)


def plain_text(text: str) -> Json:
    """Build a plain-text object, which shows the text literally."""
    return {"type": "plain_text", "text": shorten(_make_legible(text), MAX_PLAIN_TEXT) or "–", "emoji": False}


def literal_sections(text: str) -> list[Json]:
    """Build sections that show the whole text literally."""
    return [_literal_section(part) for part in _split_text(_make_legible(text).strip()) if not is_blank(part)]


def _split_text(text: str) -> Iterator[str]:
    """Split a long text, between words where possible."""
    start = 0
    while start < len(text):
        end = start + MAX_SECTION_TEXT
        if end < len(text):
            end = max(text.rfind(mark, start + MAX_SECTION_TEXT // 2, end) + 1 for mark in " \n") or end
        yield text[start:end]
        start = end


def _literal_section(text: str) -> Json:
    return {"type": "section", "expand": True, "text": {"type": "plain_text", "text": text, "emoji": False}}


def _make_legible(text: str) -> str:
    return clean_text(text).translate(_BIDI_CONTROLS)


def context_block(*elements: Json | str) -> Json:
    """Build a line in small print. Strings among the elements are our own markup."""
    items = [{"type": "mrkdwn", "text": each, "verbatim": True} if isinstance(each, str) else each for each in elements]
    return {"type": "context", "elements": items}


def action_blocks(buttons: Sequence[Button]) -> list[Json]:
    return [{"type": "actions", "elements": [button(each) for each in buttons]}] if buttons else []


def button(content: Button) -> Json:
    element = {
        "type": "button",
        "action_id": f"{PREFIX}{content.act}",
        "text": plain_text(content.label),
        "value": content.value,
    }
    return {**element, "style": content.style} if content.style else element


def undo_blocks(text: str, reply: str, root: str) -> list[Json]:
    """Build the offer of an Undo. Only one person sees it, and Slack does not always name its thread, so the value
    contains the thread too."""
    element = {
        "type": "button",
        "action_id": f"{PREFIX}undo",
        "text": {"type": "plain_text", "text": "Undo"},
        "value": f"{reply} {root}",
    }
    section = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    return [section, {"type": "actions", "elements": [element]}]


def date_token(at: datetime, form: str = "{date_short_pretty} at {time}", *, after: str = "") -> str:
    """Build a date in the reader's time zone. ``after``: the words before it. They belong inside the token: Slack
    writes "Today" at the beginning of a text, and "today" after words."""
    lead = f"{after} " if after else ""
    return f"<!date^{int(at.timestamp())}^{lead}{form}|{lead}{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"


def shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def json_length(blocks: Iterable[Json]) -> int:
    """Return the number of characters, as Slack counts them."""
    return len(orjson.dumps(list(blocks)).decode())


def fits(blocks: Sequence[Json]) -> bool:
    return len(blocks) <= MAX_BLOCKS and json_length(blocks) <= MAX_SIZE


def pack(blocks: Sequence[Json]) -> Iterator[list[Json]]:
    """Distribute the blocks over messages within Slack's limits, in order."""
    message: list[Json] = []
    for block in blocks:
        if message and not fits([*message, block]):
            yield message
            message = []
        message.append(block)
    if message:
        yield message


def strip_markdown(text: str) -> str:
    """Return the beginning of a markdown text without markup, for a notification."""
    return " ".join(render(text[: 2 * MAX_NOTIFICATION], PLAIN, MAX_SECTION_TEXT).parts)


def notification_text(text: str) -> str:
    """Build the text for notifications and screen readers: one line without mentions."""
    flat = " ".join(_make_legible(text[: 2 * MAX_NOTIFICATION]).split())
    with plain_text_only():
        parts = render(flat, SLACK, MAX_NOTIFICATION - 1).parts
    return "".join(parts[:1]) + ("…" if len(parts) != 1 else "")
