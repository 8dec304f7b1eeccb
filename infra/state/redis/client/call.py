"""One call to Redis, and whoever waits for its answer."""

from __future__ import annotations

import asyncio
from typing import Any

from hiredis import pack_command

from infra.state.redis.client.connection import Argument
from infra.state.redis.client.failures import unavailable

__all__ = ["Argument", "Call"]


class Call:
    """One command on its way. ``has_left``: what it reads may be from before now."""

    __slots__ = ("_command", "_others", "_source", "answer", "has_left", "packed")

    def __init__(self, command: tuple[Argument, ...], source: str = "") -> None:
        self._command = command
        self._source = source
        self.packed: bytes = pack_command(command)  # type: ignore[arg-type]
        self.has_left = False
        self._others: list[asyncio.Future[Any]] = []
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def explain(self) -> None:
        """For a Redis that does not know the script; it will from then on."""
        self.packed = pack_command(("EVAL", self._source, *self._command[2:]))  # type: ignore[arg-type]

    def share(self) -> asyncio.Future[Any]:
        """The answer for somebody else: whoever gives up waiting does not end it for the others."""
        other = asyncio.get_running_loop().create_future()
        self._others.append(other)
        return other

    def answered(self, reply: Any) -> None:
        """It was carried out."""
        self._give(reply)

    def refused(self, error: Exception) -> None:
        """An error that was answered, or met on the way."""
        self._fail(error if is_state_lost(error) else unavailable(error))

    def _give(self, result: Any) -> None:
        for waiter in (self.answer, *self._others):
            if not waiter.done():
                waiter.set_result(result)

    def _fail(self, error: Exception) -> None:
        for waiter in (self.answer, *self._others):
            if not waiter.done():
                waiter.set_exception(error)


def is_state_lost(error: Exception) -> bool:
    """See head.lua. Only whoever knows the shard can make a StateLost of it."""
    return str(error).startswith("STATE_LOST")
