"""The thread of a question: opened by the first answer to it.

A thread that is started from a message has that message's id, and there can be only one. So whoever comes second, also
after a crash, finds it there (160004), and nothing has to be remembered.

https://docs.discord.com/developers/resources/channel#start-thread-from-message
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from connectors.discord import contents
from connectors.discord.models import Context, Message
from connectors.discord.rest import Rest
from connectors.markup.graphemes import shortened
from schemas.ports import Reply

UNKNOWN_CHANNEL, ALREADY_THERE = 10003, 160004
DAY = 1440
"""Minutes without a word after which Discord hides a thread; whoever writes in it shows it again."""
LONGEST_NAME = 80
NAMELESS = "Question"


class Threads:
    """``bot``: looks up the bot's id."""

    def __init__(self, rest: Rest, bot: Callable[[], Awaitable[str]]) -> None:
        self._rest = rest
        self._bot = bot

    async def open(self, channel: str, message: str) -> Reply | None:
        """None once the thread is there, else what Discord says instead. Raises SendDelayed, SendUnknown."""
        path = f"/channels/{channel}/messages/{message}"
        name = await self._name(path)
        reply = await self._rest.ask("POST", f"{path}/threads", json={"name": name, "auto_archive_duration": DAY})
        return None if reply.status in (200, 201) or _code(reply) == ALREADY_THERE else reply

    async def _name(self, path: str) -> str:
        """The beginning of the question."""
        try:
            question = Message.model_validate((await self._rest.ask("GET", path)).body)
        except ValidationError:
            return NAMELESS
        said = " ".join(contents.text(question, Context(bot=await self._bot())).split())
        return shortened(said, LONGEST_NAME) or NAMELESS


def is_unknown_channel(reply: Reply) -> bool:
    return reply.status == 404 and _code(reply) == UNKNOWN_CHANNEL


def is_refused(reply: Reply) -> bool:
    """Whether Discord will say the same again: a permission, a kind of channel without threads, too many of them, or a
    question that is gone."""
    return 400 <= reply.status < 500 and reply.status not in (401, 408, 429) and isinstance(reply.body, dict)


def _code(reply: Reply) -> int:
    code = reply.body.get("code") if isinstance(reply.body, dict) else None
    return code if isinstance(code, int) else 0
