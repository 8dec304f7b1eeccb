"""Renders a message's markup as HTML, as Slack's client does.

https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from html import escape, unescape

from tests.simulators.slack.people import EMOJI
from tests.simulators.slack.screen import ENTITY
from tests.simulators.slack.workspace import Workspace

GLYPHS = {name: glyph for glyph, name in EMOJI.items()} | {
    "envelope": "✉️",
    "x": "❌",
    "lock": "🔒",
}
CODE = re.compile(r"```\n?(.*?)\n?```|`([^`\n]+)`", re.DOTALL)
STYLES = tuple(
    (re.compile(rf"(?<![\w{mark}]){mark}(?!\s)([^\n]+?)(?<!\s){mark}(?![\w{mark}])"), tag)
    for mark, tag in ((r"\*", "b"), ("_", "i"), ("~", "s"))
)
NAMED = re.compile(r":([a-z0-9_+'-]+):")
QUOTE = re.compile(r"^&gt;[ ]?(.*)$")


@dataclass(frozen=True)
class Reader:
    """Whoever looks: their clock, and whom they know."""

    workspace: Workspace
    now: datetime
    zone: tzinfo

    def time(self, ts: float) -> str:
        return f"{datetime.fromtimestamp(ts, self.zone):%H:%M}"

    def html(self, mrkdwn: str) -> str:
        """Code first: nothing in it is markup."""
        parts, at = [], 0
        for found in CODE.finditer(mrkdwn):
            block, inline = found.groups()
            code = f"<pre>{_code(block)}</pre>" if block is not None else f"<code>{_code(inline)}</code>"
            parts += [self._text(mrkdwn[at : found.start()]), code]
            at = found.end()
        return "".join([*parts, self._text(mrkdwn[at:])])

    def plain(self, text: str, *, emoji: bool = True) -> str:
        shown = escape(text).replace("\n", "<br>")
        return NAMED.sub(_glyph, shown) if emoji else shown

    def _text(self, mrkdwn: str) -> str:
        held: list[str] = []

        def hold(found: re.Match[str]) -> str:
            held.append(self._entity(*found.groups()))
            return f"\0{len(held) - 1}\0"

        text = ENTITY.sub(hold, mrkdwn)
        text = escape(unescape(text), quote=False)
        for style, tag in STYLES:
            text = style.sub(rf"<{tag}>\1</{tag}>", text)
        text = NAMED.sub(_glyph, text)
        return re.sub("\0(\\d+)\0", lambda found: held[int(found[1])], _lines(text))

    def _entity(self, sign: str, target: str, label: str | None) -> str:
        if sign == "@":
            person = self.workspace.by_id(target)
            return f'<span class="mention">@{escape(person.name if person else target)}</span>'
        if sign == "#":
            room = self.workspace.rooms.get(target)
            return f'<span class="mention">#{escape(label or (room.name if room else target))}</span>'
        if sign == "!":
            kind, *more = target.split("^")
            return escape(self._moment(*more[:2])) if kind == "date" else f'<span class="call">@{kind}</span>'
        return f'<a href="{escape(target)}">{escape(unescape(label or target))}</a>'

    def _moment(self, ts: str, form: str) -> str:
        at = datetime.fromtimestamp(int(ts), self.zone)
        days = (self.now.astimezone(self.zone).date() - at.date()).days
        day = {0: "today", 1: "yesterday", -1: "tomorrow"}.get(days, f"{at:%b} {at.day}")
        if form.startswith("{"):
            day = day.capitalize() if days in (-1, 0, 1) else day
        return form.replace("{date_short_pretty}", day).replace("{time}", f"{at:%H:%M}")


def _lines(text: str) -> str:
    """Quoted lines stand together beside a bar."""
    shown: list[str] = []
    for line in text.split("\n"):
        if quoted := QUOTE.match(line):
            before = shown.pop().removesuffix("</blockquote>") + "<br>" if _is_quote(shown) else "<blockquote>"
            shown.append(f"{before}{quoted[1]}</blockquote>")
        else:
            shown.append(("<br>" if shown and not _is_quote(shown) else "") + line)
    return "".join(shown)


def _is_quote(shown: list[str]) -> bool:
    return bool(shown) and shown[-1].endswith("</blockquote>")


def _code(text: str) -> str:
    return escape(unescape(text))


def _glyph(found: re.Match[str]) -> str:
    return GLYPHS.get(found[1], found[0])
