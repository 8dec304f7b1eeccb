"""One way to Redis for all ports: calls that are made at the same time travel together.

A caller waits on a future and never holds a connection. So a cancelled caller interrupts nothing: its call runs to its
end, no connection is thrown away, and a thousand callers need no thousand connections.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import structlog
from hiredis import pack_command
from redis import exceptions as said

from infra.state.redis.failures import unavailable
from infra.state.redis.link import Argument, Links
from infra.state.redis.scripts import Script
from schemas.errors import StateUnavailable

__all__ = ["Argument", "Call", "Pipe"]

TRIPS = 4
"""How many bunches of calls may be under way at once. Few and small bunches: everybody whose answer comes in one turn
of the loop runs in that turn, and nobody else meanwhile."""
TRIP_CALLS = 64
WAITING_CALLS = 50_000
ANSWER_TIMEOUT = 3.0  # seconds for a bunch of calls
ATTEMPTS = 3
PAUSE = 0.02  # seconds before a broken connection is replaced

_log = structlog.get_logger(__name__)


class Call:
    """One command on its way. ``has_left``: what it reads may be from before now."""

    __slots__ = ("answer", "command", "has_left", "source")

    def __init__(self, command: tuple[Argument, ...], source: str, loop: asyncio.AbstractEventLoop) -> None:
        self.command = command
        self.source = source
        self.has_left = False
        self.answer: asyncio.Future[Any] = loop.create_future()

    def with_source(self) -> tuple[Argument, ...]:
        """The command for a Redis that does not know the script; it will from then on."""
        return ("EVAL", self.source, *self.command[2:])

    def settle(self, reply: Any) -> None:
        if self.answer.done():
            return
        if not isinstance(reply, Exception):
            self.answer.set_result(reply)
        elif str(reply).startswith("STATE_LOST"):
            self.answer.set_exception(reply)
        else:
            self.answer.set_exception(unavailable(reply))


class Pipe:
    """For one event loop."""

    def __init__(self, links: Links, *, timeout: float = ANSWER_TIMEOUT) -> None:
        self._links = links
        self._timeout = timeout
        self._waiting: deque[Call] = deque()
        self._trips: set[asyncio.Task[None]] = set()
        self._under_way = 0
        """Trips that will still look whether anything waits. A task is in ``_trips`` for a turn of the loop longer."""
        self._closed = False

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> asyncio.Future[Any]:
        """Run a script, whether Redis knows it already or not. Raises StateUnavailable; an error that begins with
        STATE_LOST comes as ``redis.exceptions.ResponseError``, for the caller knows the shard."""
        return self.call(("EVALSHA", script.sha, len(keys), *keys, *arguments), script.source).answer

    def command(self, *command: Argument) -> asyncio.Future[Any]:
        """Run a command that may be repeated. Raises StateUnavailable."""
        return self.call(command).answer

    def call(self, command: tuple[Argument, ...], source: str = "") -> Call:
        """The call, on its way; whoever waits for its answer may share it. Raises StateUnavailable."""
        if self._closed:
            raise StateUnavailable("the state store is closed")
        if len(self._waiting) >= WAITING_CALLS:
            raise StateUnavailable("too many calls wait for Redis", fix="check its load, its disk and the network")
        loop = asyncio.get_running_loop()
        call = Call(command, source, loop)
        self._waiting.append(call)
        # A task starts one turn of the loop later, when everything called in this turn waits for it.
        if self._under_way < TRIPS and len(self._waiting) % TRIP_CALLS == 1:
            self._under_way += 1
            task = loop.create_task(self._travel())
            self._trips.add(task)
            task.add_done_callback(self._trips.discard)
        return call

    async def close(self) -> None:
        """Let what was called come to its end, then close the connections."""
        self._closed = True
        while self._trips:
            await asyncio.wait(self._trips)
        await self._links.close()

    async def _travel(self) -> None:
        try:
            while self._waiting:
                await self._trip([self._waiting.popleft() for _ in range(min(TRIP_CALLS, len(self._waiting)))])
        finally:
            # In the same step as the last look: what is called from now on has to start a trip of its own.
            self._under_way -= 1

    async def _trip(self, calls: list[Call]) -> None:
        for call in calls:
            call.has_left = True
        try:
            await self._exchange(calls)
        except Exception as error:
            if not isinstance(error, said.RedisError | OSError):
                _log.exception("state_trip_failed")
            # Those behind would wait through the same failure one by one: their callers are told at once.
            for call in (*calls, *self._waiting):
                call.settle(error)
            self._waiting.clear()

    async def _exchange(self, calls: list[Call]) -> None:
        replies = await self._send([call.command for call in calls])
        unknown = [at for at, reply in enumerate(replies) if isinstance(reply, said.NoScriptError)]
        if unknown:
            # Restarted, failed over or flushed. A script that was not known has not run, so this is no repeat.
            again = await self._send([calls[at].with_source() for at in unknown])
            for at, reply in zip(unknown, again, strict=True):
                replies[at] = reply
        for call, reply in zip(calls, replies, strict=True):
            call.settle(reply)

    async def _send(self, commands: Sequence[tuple[Argument, ...]]) -> list[Any]:
        """The replies, errors among them. A broken connection is replaced: every call may be repeated."""
        message = b"".join([pack_command(command) for command in commands])  # type: ignore[arg-type]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._links.exchange(message, len(commands))
            except TimeoutError as error:
                raise said.TimeoutError("no answer in time") from error
            except (said.AuthenticationError, said.BusyLoadingError):
                raise
            except (said.ConnectionError, OSError):
                if attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(PAUSE * attempt)
        raise AssertionError("unreachable")
