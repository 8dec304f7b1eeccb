"""One call to Redis, and the callers that wait for its answer."""

from __future__ import annotations

import asyncio
from typing import Any

from hiredis import pack_command

from infra.state.redis.client.connection import Argument
from infra.state.redis.client.failures import translate_error
from schemas.errors import StateUnavailable

__all__ = ["Argument", "Call"]


class Call:
    """One command on its way. ``shard``: where its keys are; ``is_sent``: it was sent, so its answer may not reflect
    writes from now on; ``refused_at``: when a node of a cluster first sent it elsewhere (by the loop's clock)."""

    __slots__ = ("_command", "_others", "_source", "answer", "is_sent", "refused_at", "shard")

    def __init__(self, command: tuple[Argument, ...], source: str = "", *, shard: int = 0) -> None:
        self._command = command
        self._source = source
        self.shard = shard
        self.refused_at: float | None = None
        self.is_sent = False
        self._others: list[asyncio.Future[Any]] = []
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def pack(self) -> bytes:
        """Return the command as it is sent, which happens next."""
        self.is_sent = True
        packed: bytes = pack_command(self._command)  # type: ignore[arg-type]
        return packed

    def use_source(self) -> None:
        """Send the script's source, for a Redis that does not know the script yet."""
        self._command = ("EVAL", self._source, *self._command[2:])

    def share(self) -> asyncio.Future[Any]:
        """The same answer for another caller: one that gives up waiting does not end the call for the others."""
        other = asyncio.get_running_loop().create_future()
        self._others.append(other)
        return other

    def on_reply(self, reply: Any) -> None:
        """The command was carried out."""
        self._give(reply)

    def on_error(self, error: Exception) -> None:
        """Redis answered with an error, or the connection failed."""
        is_known = is_state_lost(error) or isinstance(error, StateUnavailable)
        self._fail(error if is_known else translate_error(error))

    def _give(self, result: Any) -> None:
        if not self.answer.done():
            self.answer.set_result(result)
        for waiter in self._others:
            if not waiter.done():
                waiter.set_result(result)

    def _fail(self, error: Exception) -> None:
        for waiter in (self.answer, *self._others):
            if not waiter.done():
                waiter.set_exception(error)


def is_state_lost(error: Exception) -> bool:
    """See includes/shard_head.lua. Only a caller that knows the shard can raise StateLost."""
    return str(error).startswith("STATE_LOST")
