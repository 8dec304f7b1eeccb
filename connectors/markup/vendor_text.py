"""Parsing of Slack's and Discord's text formats into readable text.

Mentions become ``@name`` and ``#name``. Names are looked up by the vendor's id; an unknown id becomes a general word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from connectors.markup.graphemes import clean_text

_SCHEME = re.compile(r"https?://")
Names = Mapping[str, str]
"""The vendor's id of a person, channel or group → its name, without ``@`` or ``#``."""

_SLACK = re.compile(r"<([^<>\n]+)>")
_SLACK_ENTITY = re.compile(r"&(lt|gt|amp);")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&"}
_DISCORD = re.compile(
    r"<(?:(?P<sign>@[!&]?|#)(?P<id>\d{1,20})|a?(?P<emoji>:\w{1,32}:)\d{1,20}|t:(?P<time>-?\d{1,16})(?::[a-zA-Z])?"
    r"|(?P<command>/[^<>:\n]{1,100}):\d{1,20}|id:(?P<room>\w+)|(?P<url>(?:https?|mailto):[^<>\s]+))>"
)
_NO_NAMES: Names = {}
_UNKNOWN_WORDS = {"@": "someone", "@&": "group", "#": "channel"}


def parse_slack_text(text: str, names: Names = _NO_NAMES, *, keep_ids: bool = False) -> str:
    """Parse the text of a Slack message. ``<!date…>`` becomes its fallback; ``<url|label>`` becomes ``label (url)``.
    ``keep_ids`` keeps unknown ids, for a later lookup."""
    pieces: list[str] = []
    end = 0
    for match in _SLACK.finditer(text):
        pieces += [
            _unescape(text[end : match.start()]),
            _unescape(_parse_slack_entity(match.group(1), names, keep_ids)),
        ]
        end = match.end()
    return clean_text("".join([*pieces, _unescape(text[end:])]))


def parse_discord_text(text: str, names: Names = _NO_NAMES) -> str:
    """Parse the content of a Discord message. Custom emoji become ``:name:``, timestamps a date in UTC."""
    return clean_text(_DISCORD.sub(lambda found: _parse_discord_entity(found, names), text))


def _unescape(text: str) -> str:
    # In one pass, so that "&amp;lt;" becomes "&lt;" as typed.
    return _SLACK_ENTITY.sub(lambda found: _ENTITIES[found.group(1)], text)


def _parse_slack_entity(entity: str, names: Names, keep_ids: bool) -> str:
    target, _, label = entity.partition("|")
    if not target:
        return label
    sign, name = target[0], target[1:]
    if sign in "@#":
        return sign + (label.lstrip("@#") or names.get(name) or (name if keep_ids else _UNKNOWN_WORDS[sign]))
    if sign == "!":
        return _parse_slack_command(name, label, names, keep_ids)
    return _format_link(target, label)


def _parse_slack_command(name: str, label: str, names: Names, keep_ids: bool) -> str:
    kind, _, rest = name.partition("^")
    if kind == "date":
        return label or rest
    if kind == "subteam":
        return "@" + (label.lstrip("@") or names.get(rest) or (rest if keep_ids else _UNKNOWN_WORDS["@&"]))
    return "@" + (label.lstrip("@") or kind)


def _format_link(url: str, label: str) -> str:
    shown = url.removeprefix("mailto:").removeprefix("tel:")
    if not label or label == url:
        return shown
    # Slack adds the scheme to what was typed; "example.com" need not appear twice.
    return label if label in (shown, _SCHEME.sub("", url).rstrip("/")) else f"{label} ({shown})"


def _parse_discord_entity(found: re.Match[str], names: Names) -> str:
    parts = found.groupdict()
    if number := parts["id"]:
        sign = parts["sign"].replace("!", "")
        return sign[0] + (names.get(number) or _UNKNOWN_WORDS[sign])
    if parts["time"]:
        return _format_time(int(parts["time"])) or found.group()
    if parts["room"]:
        return "#" + parts["room"]
    return str(parts["emoji"] or parts["command"] or parts["url"])


def _format_time(seconds: int) -> str:
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return ""
    return at.strftime("%Y-%m-%d %H:%M UTC")
