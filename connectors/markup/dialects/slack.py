"""Slack mrkdwn. `&`, `<` and `>` are its control characters; nothing else can ping anybody.

https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re

from connectors.markup.cells import ZERO_WIDTH_SPACE, Style
from connectors.markup.dialects import escaping
from connectors.markup.dialects.dialect import Dialect

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_OPENING = re.compile(r"<(?!(?:https?://|mailto:)[^<>|\s]+(?:\|[^<>\n]*)?>)")
_NAMES = re.compile(r"@(?=channel|here|everyone|group)", re.IGNORECASE)
_SOFT_HYPHEN = "\u00ad"
"""Seen by nobody, but a quote no longer begins with `>`."""


def _escape(cluster: str, before: str, after: str) -> str:
    if cluster[0] == ">" and escaping.starts_line(before):
        return _SOFT_HYPHEN + _entities(cluster)
    return _entities(escaping.unmarked(cluster, before, after))


def _entities(text: str) -> str:
    return "".join(_ENTITIES.get(character, character) for character in text)


def _code(cluster: str, before: str, after: str) -> str:
    return _entities(escaping.code(cluster, before, after))


def _address(address: str) -> str:
    return _NAMES.sub("%40", escaping.percent(address, "<>|`")).replace("&", "&amp;")


def _link(label: str, address: str) -> str:
    return f"<{address}|{label}>" if label and label != address else f"<{address}>"


def _finish(text: str) -> str:
    # The API leaves bare names alone unless it is told to link them; a workspace that does must not be pinged either.
    return _NAMES.sub("@" + ZERO_WIDTH_SPACE, _OPENING.sub("&lt;", text))


_BOLD = Style("*", "*", bounded=True)
SLACK = Dialect(
    name="slack",
    escape=_escape,
    code_escape=_code,
    address=_address,
    link=_link,
    finish=_finish,
    strong=_BOLD,
    emphasis=Style("_", "_", bounded=True),
    struck=Style("~", "~", bounded=True),
    code=Style("`", "`", bounded=True, code=True),
    fence=lambda language: Style("```\n", "\n```", code=True),
    headings=(_BOLD,),
    bullet="• ",
    source=lambda title, address: f"<{address}|{title}>",
    context=True,
)
