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


def readable(page: Sequence[Any]) -> bool:
    return all(isinstance(each, dict) and str(each.get("id", "")).isdigit() for each in page)


def newest(call: Call, page: Sequence[Mapping[str, Any]], bot: str) -> str | None:
    """The id of the newest message of a page that shows this call."""
    for each in page:
        if is_after(each["id"], call) and _is_by(each, bot) and _is_same(call, each):
            return str(each["id"])
    return None


def reaches_back(call: Call, page: Sequence[Mapping[str, Any]]) -> bool:
    """Whether nothing that this call made can stand before the page. Pages have the newest first."""
    return len(page) < PAGE or not is_after(page[-1]["id"], call)


def is_after(id_: Any, call: Call) -> bool:
    """Young enough to be what this call made."""
    return int(id_) > int(call.arguments["since"])


def _is_by(message: Mapping[str, Any], bot: str) -> bool:
    # What answers an interaction is also the bot's, but no call of ours made it.
    return (message.get("author") or {}).get("id") == bot and not message.get("webhook_id")


def _is_same(call: Call, message: Mapping[str, Any]) -> bool:
    body = call.arguments["body"]
    sizes = sorted(each.get("size", 0) for each in message.get("attachments", []))
    return (
        _visible(message.get("content") or "") == _visible(body["content"])
        and sizes == sorted(each.size for each in call.files)
        and marks_of(message.get("components")) == marks_of(body.get("components"))
    )


def _visible(text: str) -> str:
    """Without spaces and what nobody sees: Discord trims texts."""
    return "".join(character for character in text if unicodedata.category(character)[0] not in "CZ")
