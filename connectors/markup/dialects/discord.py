"""Discord markdown. A backslash hides a mention, but Discord still notifies people, so mentions are split by a
zero-width space.

https://docs.discord.com/developers/reference#message-formatting
"""

from __future__ import annotations

import re

from connectors.markup.cells import ZERO_WIDTH_SPACE, Style
from connectors.markup.dialects import escaping
from connectors.markup.dialects.dialect import Dialect

_MARKS = frozenset("\\*_~`|[]")
_AT_LINE_START = frozenset(">#-+")
_MENTION = re.compile(r"@(?=everyone|here)|<(?=[@#:]|/[^>\n]*:\d+>|a:|t:|id:|sound:)", re.IGNORECASE)
_GROUP_MENTION = re.compile(r"@(?=everyone|here)", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z0-9+#-]{1,20}\Z")


def _escape(cluster: str, before: str, after: str) -> str:
    starts = escaping.starts_line(before) and cluster[0] in _AT_LINE_START
    if starts or (cluster[0] == "(" and before in ("", "]")):
        return "\\" + cluster
    return "".join("\\" + character if character in _MARKS else character for character in cluster)


def _address(address: str) -> str:
    return _GROUP_MENTION.sub("%40", escaping.percent_encode(address, "<>()|`\\*"))


def _link(label: str, address: str) -> str | None:
    # Discord does not render a masked link whose label looks like an address, or whose target is no web address.
    return f"[{label}]({address})" if _can_be_masked(label, address) else None


def _source(title: str, address: str) -> str:
    # Angle brackets stop Discord from adding a preview for every source.
    return (
        f"[{title}](<{address}>)"
        if _can_be_masked(title, address)
        else escaping.label_with_address(title, f"<{address}>")
    )


def _can_be_masked(label: str, address: str) -> bool:
    return bool(label) and "://" not in label and address.startswith("http")


def _finish(text: str) -> str:
    return _MENTION.sub(lambda match: match.group() + ZERO_WIDTH_SPACE, text)


def _fence(language: str) -> Style:
    named = language if _LANGUAGE.match(language) else ""
    return Style(f"```{named}\n", "\n```", code=True)


_BOLD = Style("**", "**")
DISCORD = Dialect(
    name="discord",
    escape=_escape,
    code_escape=escaping.escape_code,
    address=_address,
    link=_link,
    finish=_finish,
    strong=_BOLD,
    emphasis=Style("*", "*"),
    strikethrough=Style("~~", "~~"),
    code=Style("`", "`", code=True),
    fence=_fence,
    headings=(Style("# "), Style("## "), Style("### "), _BOLD),
    source=_source,
    small="-# ",
)
