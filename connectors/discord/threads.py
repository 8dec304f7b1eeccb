"""Threads of questions, opened by the first answer.

A thread that is started from a message has that message's id, and there can be only one. So a second attempt, also
after a crash, finds it there (160004), and no state is needed.

https://docs.discord.com/developers/resources/channel#start-thread-from-message
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from connectors.discord import contents
from connectors.discord.models import Context, Message
from connectors.discord.rest import RestClient
from connectors.markup.graphemes import shorten
from schemas.ports import VendorResponse

UNKNOWN_CHANNEL, ALREADY_EXISTS = 10003, 160004
ARCHIVE_MINUTES = 1440
"""After this time without messages Discord hides a thread; a new message shows it again."""
MAX_NAME = 80
DEFAULT_NAME = "Question"


class QuestionThreads:
    """``bot``: returns the bot's id."""

    def __init__(self, rest: RestClient, bot: Callable[[], Awaitable[str]]) -> None:
        self._rest = rest
        self._load_bot_id = bot

    async def open(self, channel: str, message: str) -> VendorResponse | None:
        """Open the thread; None once it exists, else Discord's answer. Raises RetryLater, SendUnknown."""
        path = f"/channels/{channel}/messages/{message}"
        name = await self._build_name(path)
        reply = await self._rest.request(
            "POST", f"{path}/threads", json={"name": name, "auto_archive_duration": ARCHIVE_MINUTES}
        )
        return None if reply.status in (200, 201) or _get_code(reply) == ALREADY_EXISTS else reply

    async def _build_name(self, path: str) -> str:
        """Return the beginning of the question."""
        try:
            question = Message.model_validate((await self._rest.request("GET", path)).body)
        except ValidationError:
            return DEFAULT_NAME
        text = " ".join(contents.read_text(question, Context(bot=await self._load_bot_id())).split())
        return shorten(text, MAX_NAME) or DEFAULT_NAME


def is_unknown_channel(reply: VendorResponse) -> bool:
    return reply.status == 404 and _get_code(reply) == UNKNOWN_CHANNEL


def is_refused(reply: VendorResponse) -> bool:
    """Return whether Discord would answer the same again: a missing permission, a channel without threads, too many
    threads, or a deleted question."""
    return 400 <= reply.status < 500 and reply.status not in (401, 408, 429) and isinstance(reply.body, dict)


def _get_code(reply: VendorResponse) -> int:
    code = reply.body.get("code") if isinstance(reply.body, dict) else None
    return code if isinstance(code, int) else 0
