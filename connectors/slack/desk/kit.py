"""Parts of what the desk shows, as Slack's blocks. Names and words of contacts never become Slack's markup. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from connectors.markup import SLACK, printable, render
from connectors.slack.blocks import MOST_BLOCKS as MOST_SIZE
from connectors.slack.blocks import section
from schemas.messages import Citation

Json = dict[str, Any]

MOST_BLOCKS = 50
MOST_TEXT = 2_900
"""Characters of a section, with a little left for what stands around them."""
MOST_PLAIN = 300
MOST_NOTICE = 1_000
"""Characters of the text that notifications show; ``chat.update`` takes about 4,000 bytes of it."""


def words(text: str) -> list[str]:
    """Canonical markdown in Slack's markup, in parts that a section takes."""
    return list(render(text, SLACK, MOST_TEXT).parts)


def sections(text: str) -> list[Json]:
    return [section(part) for part in words(text)]


def marked(text: str) -> Json:
    """Markup of our own."""
    return section(text)


def plain(text: str) -> Json:
    """What is shown letter by letter, whatever it holds."""
    return {"type": "plain_text", "text": shortened(printable(text), MOST_PLAIN) or "–", "emoji": False}


def exact(text: str) -> list[Json]:
    """All of it, letter by letter."""
    shown = printable(text)
    parts = [shown[at : at + MOST_TEXT] for at in range(0, len(shown), MOST_TEXT)]
    return [{"type": "section", "text": {"type": "plain_text", "text": part, "emoji": False}} for part in parts]


def small(*elements: Json | str) -> Json:
    """A line in small letters; a text among them is markup of our own."""
    made = [{"type": "mrkdwn", "text": each, "verbatim": True} if isinstance(each, str) else each for each in elements]
    return {"type": "context", "elements": made}


def button(act: str, label: str, value: str, style: str = "") -> Json:
    """``act`` is what a press of it tells; see ``schemas.desk``."""
    made = {"type": "button", "action_id": f"parley-desk:{act}", "text": plain(label), "value": value}
    return {**made, "style": style} if style else made


def buttons(elements: Sequence[Json]) -> list[Json]:
    return [{"type": "actions", "elements": list(elements)}] if elements else []


def moment(at: datetime, form: str = "{date_short_pretty} at {time}", *, after: str = "") -> str:
    """As the clock of whoever looks at it shows it. ``after``: the words that it follows. They belong inside: Slack
    writes "Today" where a day begins the text, and "today" behind words."""
    lead = f"{after} " if after else ""
    return f"<!date^{int(at.timestamp())}^{lead}{form}|{lead}{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"


def unnumbered(text: str, citations: Iterable[Citation]) -> str:
    """Without the numbers of its sources, for where no list of them follows."""
    for each in citations:
        text = text.replace(f" [{each.n}]", "")
    return text


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def size(blocks: Iterable[Json]) -> int:
    """In characters, as Slack counts them."""
    return len(orjson.dumps(list(blocks)).decode())


def fits(blocks: Sequence[Json]) -> bool:
    return len(blocks) <= MOST_BLOCKS and size(blocks) <= MOST_SIZE


def packed(blocks: Sequence[Json]) -> Iterator[list[Json]]:
    """The blocks in messages that Slack takes, in order."""
    message: list[Json] = []
    for block in blocks:
        if message and not fits([*message, block]):
            yield message
            message = []
        message.append(block)
    if message:
        yield message


def notice(text: str) -> str:
    """What notifications and screen readers say: one line, in which nothing calls anybody."""
    flat = " ".join(" ".join(words(text)).split())
    return shortened(flat, MOST_NOTICE) or "…"
