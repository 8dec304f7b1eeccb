"""Slack mrkdwn. `&`, `<` and `>` are its control characters; nothing else can notify people.

https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re

from connectors.markup.cells import ZERO_WIDTH_SPACE, Style
from connectors.markup.dialects import escaping
from connectors.markup.dialects.dialect import Dialect

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_UNSAFE_BRACKET = re.compile(r"<(?!(?:https?://|mailto:)[^<>|\s]+(?:\|[^<>\n]*)?>)")
_GROUP_MENTION = re.compile(r"@(?=channel|here|everyone|group)", re.IGNORECASE)
_SOFT_HYPHEN = "\u00ad"
"""Invisible; before a `>` at the start of a line it prevents a quote."""


def _escape(cluster: str, before: str, after: str) -> str:
    if cluster[0] == ">" and escaping.starts_line(before):
        return _SOFT_HYPHEN + _escape_entities(cluster)
    return _escape_entities(escaping.replace_marks(cluster, before, after))


def _escape_entities(text: str) -> str:
    return "".join(_ENTITIES.get(character, character) for character in text)


def _code(cluster: str, before: str, after: str) -> str:
    return _escape_entities(escaping.escape_code(cluster, before, after))


def _address(address: str) -> str:
    return _GROUP_MENTION.sub("%40", escaping.percent_encode(address, "<>|`")).replace("&", "&amp;")


def _link(label: str, address: str) -> str:
    return f"<{address}|{label}>" if label and label != address else f"<{address}>"


def _finish(text: str) -> str:
    # The API links bare names only if asked to, but a workspace can be set up to do so.
    return _GROUP_MENTION.sub("@" + ZERO_WIDTH_SPACE, _UNSAFE_BRACKET.sub("&lt;", text))


_BOLD = Style("*", "*", needs_word_boundary=True)
SLACK = Dialect(
    name="slack",
    escape=_escape,
    code_escape=_code,
    address=_address,
    link=_link,
    finish=_finish,
    strong=_BOLD,
    emphasis=Style("_", "_", needs_word_boundary=True),
    strikethrough=Style("~", "~", needs_word_boundary=True),
    code=Style("`", "`", needs_word_boundary=True, code=True),
    fence=lambda language: Style("```\n", "\n```", code=True),
    headings=(_BOLD,),
    bullet="• ",
    source=lambda title, address: f"<{address}|{title}>",
    context=True,
)
