"""One call to Redis, and whoever waits for its answer."""

from __future__ import annotations

import asyncio
from typing import Any

from hiredis import pack_command

from infra.state.redis.failures import unavailable
from infra.state.redis.link import Argument

__all__ = ["Argument", "Call"]


class Call:
    """One command on its way. ``has_left``: what it reads may be from before now."""

    __slots__ = ("_command", "_source", "answer", "has_left", "packed")

    def __init__(self, command: tuple[Argument, ...], source: str = "") -> None:
        self._command = command
        self._source = source
        self.packed: bytes = pack_command(command)  # type: ignore[arg-type]
        self.has_left = False
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def explain(self) -> None:
        """For a Redis that does not know the script; it will from then on."""
        self.packed = pack_command(("EVAL", self._source, *self._command[2:]))  # type: ignore[arg-type]

    def answered(self, reply: Any) -> None:
        if not self.answer.done():
            self.answer.set_result(reply)

    def refused(self, error: Exception) -> None:
        """An error that was answered, or met on the way."""
        if not self.answer.done():
            self.answer.set_exception(error if is_state_lost(error) else unavailable(error))


def is_state_lost(error: Exception) -> bool:
    """See head.lua. Only whoever knows the shard can make a StateLost of it."""
    return str(error).startswith("STATE_LOST")
