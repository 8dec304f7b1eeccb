"""What people type in Slack, as canonical markdown: their bold is one asterisk, which elsewhere is emphasis. Pure.

https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re

from connectors.slack.emoji import emoji

_CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
_MARKS = (
    # Emphasis first: what it makes of one underscore is one asterisk, and bold would take that for its own.
    (re.compile(r"(?<![\w*~_])_(?!\s)([^_\n]+?)(?<!\s)_(?![\w_])"), "\x01\\1\x01"),
    (re.compile(r"(?<![\w*_])\*(?!\s)([^*\n]+?)(?<!\s)\*(?![\w*])"), r"**\1**"),
    (re.compile(r"(?<![\w~*_])~(?!\s)([^~\n]+?)(?<!\s)~(?![\w~])"), r"~~\1~~"),
    (re.compile("\x01"), "*"),
    (re.compile(r"^([^\S\n]*)[•◦▪︎]\s+", re.MULTILINE), r"\1- "),
)
_EMOJI = re.compile(r"(?<![\w:]):([a-z0-9_+'-]{1,60}(?:::skin-tone-[2-6])?):(?![\w:])")
_MENTION = re.compile(r"@([UW][A-Z0-9]{6,20})\b")


def canonical(text: str) -> str:
    """Code stays as it is. An emoji whose name is not known here stays a name."""
    pieces = _CODE.split(text.replace("\x01", ""))
    return "".join(piece if number % 2 else _marked(piece) for number, piece in enumerate(pieces))


def mentioned(text: str) -> list[str]:
    """People who are called by their id, for that is all that Slack tells."""
    return list(dict.fromkeys(_MENTION.findall(text)))


def with_names(text: str, names: dict[str, str]) -> str:
    return _MENTION.sub(lambda found: "@" + names.get(found.group(1), found.group(1)), text)


def _marked(text: str) -> str:
    for pattern, made in _MARKS:
        text = pattern.sub(made, text)
    return _EMOJI.sub(lambda found: emoji(found.group(1)), text)
