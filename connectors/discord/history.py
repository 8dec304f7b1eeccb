"""Whether a call of ours is on a place's screen, judged by what Discord shows of the place.

Discord does not keep the nonce with a message. A message is ours when the bot wrote it after what it answers and it has
the same words, files and buttons. Which of two alike is meant, the sender knows: it has the ids of those whose outcome
it was told.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.discord.components import marks_of
from schemas.ports import Call

PAGE = 100


def newest(call: Call, page: Sequence[Any], bot: str) -> str | None:
    """The id of the newest message of a page that shows this call."""
    since = int(call.arguments["since"])
    for each in page:
        if isinstance(each, dict) and int(each["id"]) > since and _is_by(each, bot) and _is_same(call, each):
            return str(each["id"])
    return None


def reaches_back(call: Call, page: Sequence[Any]) -> bool:
    """Whether nothing that this call made can stand before the page. Pages have the newest first."""
    return len(page) < PAGE or int(page[-1]["id"]) <= int(call.arguments["since"])


def _is_by(message: Mapping[str, Any], bot: str) -> bool:
    # What answers an interaction is also the bot's, but no call of ours made it.
    return message.get("author", {}).get("id") == bot and not message.get("webhook_id")


def _is_same(call: Call, message: Mapping[str, Any]) -> bool:
    body = call.arguments["body"]
    sizes = sorted(each.get("size", 0) for each in message.get("attachments", []))
    return (
        _visible(message.get("content", "")) == _visible(body["content"])
        and sizes == sorted(each.size for each in call.files)
        and marks_of(message.get("components")) == marks_of(body.get("components"))
    )


def _visible(text: str) -> str:
    """Without spaces and what nobody sees: Discord trims texts."""
    return "".join(character for character in text if unicodedata.category(character)[0] not in "CZ")
