"""Texts that would ping or mislead on Slack and Discord."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from connectors.markup import DISCORD, PLAIN, SLACK, WHATSAPP, Dialect

DIALECTS = (SLACK, DISCORD, WHATSAPP, PLAIN)
MENTIONS = [
    *("<!channel>", "<!here>", "<!everyone>", "<!channel|x>", "<!subteam^S012|@team>", "<!date^1^{date}|x>"),
    *("<@U123>", "<@W123|name>", "<#C1>", "<#C1|general>", "@channel", "@here", "@everyone", "@Everyone"),
    *("<@123>", "<@!123>", "<@&1>", "<#1>", "</ban:1>", "<a:x:1>", "<:x:1>", "<t:1618953630:R>", "<id:customize>"),
    *("<javascript:alert(1)|x>", "<slack://open|x>", "<tel:1|x>"),
]

_SLACK_LINK = re.compile(r"(?:https?://|mailto:)[^\s<>|]+(?:\|[^<>\n]*)?")
_SLACK_NAME = re.compile(r"@(?:channel|here|everyone)", re.IGNORECASE)
_DISCORD = re.compile(
    r"@(?:everyone|here)|<(?:@[!&]?|#)\d+>|</[^>]*:\d+>|<a?:\w+:\d+>|<t:-?\d+(?::\w)?>|<id:\w+>", re.IGNORECASE
)


def find_live_markup(text: str, dialect: Dialect) -> list[str]:
    """Everything in a text as sent that the channel would take for more than text or a link."""
    if dialect is DISCORD:
        return _DISCORD.findall(text)
    if dialect is SLACK:
        angled = re.findall(r"<([^<>]*)>", text)
        return [one for one in angled if not _SLACK_LINK.fullmatch(one)] + _SLACK_NAME.findall(text)
    return []


_SNIPPETS = [
    *(
        "<",
        ">",
        "@",
        "#",
        "!",
        "&",
        "^",
        "|",
        ":",
        "/",
        "\\",
        "*",
        "**",
        "_",
        "~~",
        "`",
        "```",
        "[",
        "]",
        "(",
        ")",
        "\n",
    ),
    *("\n\n", "> ", "- ", "1. ", "    ", " ", "a", "B", "1", "&lt;", "&amp;", "&#60;", "&#64;", "everyone", "here"),
    *(
        "channel",
        "U123",
        "[1]",
        "[2]",
        "https://x.example/",
        "mailto:a@b.example",
        "\u200b",
        "\u0301",
        "👩‍👩‍👧",
        "\u0600",
    ),
    *MENTIONS,
]
MARKDOWN = st.lists(st.sampled_from(_SNIPPETS), max_size=40).map("".join)
ANY_TEXT = st.one_of(MARKDOWN, st.text(max_size=200))
