"""Parts of what the desk shows, as Slack's blocks. Pure.

Names and words of contacts are shown letter by letter: nothing in them becomes markup, a mention or the label of a
link. The agent's words are markdown, and may quote a contact, so their links show where they lead.
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
"""Of the ids of our buttons and forms; the act follows."""
MAX_BLOCKS = 50
MOST_TEXT = 2_900
"""Characters of a section, with a little left for what stands around them."""
MOST_PLAIN = 300
MOST_NOTICE = 1_000
"""Characters of the text that notifications show; ``chat.update`` takes about 4,000 bytes of it."""


_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""Controls that turn the text after them around: an amount or a file's ending would read as another."""


def _shown_link(label: str, address: str) -> str:
    return f"<{address}>" if label in ("", address) else f"{label} (<{address}>)"


DESK = replace(SLACK, link=_shown_link)
"""Slack's markup in which no link hides its address behind a label."""


def sections(text: str) -> list[Json]:
    """Markdown of the agent and of colleagues."""
    return [build_section(part) for part in render(text, DESK, MOST_TEXT).parts]


def escape_text(text: str) -> str:
    """A contact's words amid markup of our own, at most as many as a section takes."""
    with plain_text_only():
        parts = render(_make_legible(text[:MOST_TEXT]), SLACK, MOST_TEXT).parts
    return parts[0] if parts else ""


def mrkdwn_section(text: str) -> Json:
    """Markup of our own."""
    return build_section(text)


def plain_text(text: str) -> Json:
    """Text that is shown letter by letter, whatever it holds."""
    return {"type": "plain_text", "text": shorten(_make_legible(text), MOST_PLAIN) or "–", "emoji": False}


def literal_sections(text: str) -> list[Json]:
    """All of it, letter by letter."""
    return [_exact(part) for part in _parts(_make_legible(text).strip()) if not is_blank(part)]


def _parts(text: str) -> Iterator[str]:
    """Cut between words where there are any."""
    start = 0
    while start < len(text):
        end = start + MOST_TEXT
        if end < len(text):
            end = max(text.rfind(mark, start + MOST_TEXT // 2, end) + 1 for mark in " \n") or end
        yield text[start:end]
        start = end


def _exact(text: str) -> Json:
    return {"type": "section", "expand": True, "text": {"type": "plain_text", "text": text, "emoji": False}}


def _make_legible(text: str) -> str:
    return clean_text(text).translate(_TURNING)


def context_block(*elements: Json | str) -> Json:
    """A line in small letters; a text among them is markup of our own."""
    made = [{"type": "mrkdwn", "text": each, "verbatim": True} if isinstance(each, str) else each for each in elements]
    return {"type": "context", "elements": made}


def action_blocks(buttons: Sequence[Button]) -> list[Json]:
    return [{"type": "actions", "elements": [button(each) for each in buttons]}] if buttons else []


def button(told: Button) -> Json:
    made = {
        "type": "button",
        "action_id": f"{PREFIX}{told.act}",
        "text": plain_text(told.label),
        "value": told.value,
    }
    return {**made, "style": told.style} if told.style else made


def undo_blocks(text: str, reply: str, root: str) -> list[Json]:
    """Offer an Undo of a reply. Only one person sees it, and Slack does not always say in which thread: the value tells
    that too."""
    pressed = {
        "type": "button",
        "action_id": f"{PREFIX}undo",
        "text": {"type": "plain_text", "text": "Undo"},
        "value": f"{reply} {root}",
    }
    said = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    return [said, {"type": "actions", "elements": [pressed]}]


def date_token(at: datetime, form: str = "{date_short_pretty} at {time}", *, after: str = "") -> str:
    """As the clock of whoever looks at it shows it. ``after``: the words that it follows. They belong inside: Slack
    writes "Today" where a day begins the text, and "today" behind words."""
    lead = f"{after} " if after else ""
    return f"<!date^{int(at.timestamp())}^{lead}{form}|{lead}{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"


def shorten(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def size(blocks: Iterable[Json]) -> int:
    """In characters, as Slack counts them."""
    return len(orjson.dumps(list(blocks)).decode())


def fits(blocks: Sequence[Json]) -> bool:
    return len(blocks) <= MAX_BLOCKS and size(blocks) <= MAX_SIZE


def pack(blocks: Sequence[Json]) -> Iterator[list[Json]]:
    """The blocks in messages that Slack takes, in order."""
    message: list[Json] = []
    for block in blocks:
        if message and not fits([*message, block]):
            yield message
            message = []
        message.append(block)
    if message:
        yield message


def strip_markdown(text: str) -> str:
    """The beginning of a markdown text without its marks, for a notice."""
    return " ".join(render(text[: 2 * MOST_NOTICE], PLAIN, MOST_TEXT).parts)


def notification_text(text: str) -> str:
    """Text for notifications and screen readers: one line, in which nothing calls anybody."""
    flat = " ".join(_make_legible(text[: 2 * MOST_NOTICE]).split())
    with plain_text_only():
        parts = render(flat, SLACK, MOST_NOTICE - 1).parts
    return "".join(parts[:1]) + ("…" if len(parts) != 1 else "")
