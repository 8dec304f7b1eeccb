"""Discord markdown. A backslash hides a mention's looks but it still pings, so mentions are broken in two.

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
_NAMED = re.compile(r"@(?=everyone|here)", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z0-9+#-]{1,20}\Z")


def _escape(cluster: str, before: str, after: str) -> str:
    starts = escaping.starts_line(before) and cluster[0] in _AT_LINE_START
    if starts or (cluster[0] == "(" and before in ("", "]")):
        return "\\" + cluster
    return "".join("\\" + character if character in _MARKS else character for character in cluster)


def _address(address: str) -> str:
    return _NAMED.sub("%40", escaping.percent(address, "<>()|`\\*"))


def _link(label: str, address: str) -> str | None:
    # Discord shows a masked link whose label looks like an address, or that is no web address, as it is written.
    return f"[{label}]({address})" if _maskable(label, address) else None


def _source(title: str, address: str) -> str:
    # Angle brackets: without them every source would unfold into a preview.
    return f"[{title}](<{address}>)" if _maskable(title, address) else escaping.labelled(title, f"<{address}>")


def _maskable(label: str, address: str) -> bool:
    return bool(label) and "://" not in label and address.startswith("http")


def _finish(text: str) -> str:
    return _MENTION.sub(lambda found: found.group() + ZERO_WIDTH_SPACE, text)


def _fence(language: str) -> Style:
    named = language if _LANGUAGE.match(language) else ""
    return Style(f"```{named}\n", "\n```", code=True)


_BOLD = Style("**", "**")
DISCORD = Dialect(
    name="discord",
    escape=_escape,
    code_escape=escaping.code,
    address=_address,
    link=_link,
    finish=_finish,
    strong=_BOLD,
    emphasis=Style("*", "*"),
    struck=Style("~~", "~~"),
    code=Style("`", "`", code=True),
    fence=_fence,
    headings=(Style("# "), Style("## "), Style("### "), _BOLD),
    source=_source,
    small="-# ",
)
