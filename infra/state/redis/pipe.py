"""One way to Redis for all ports: calls that are made at the same time travel together.

A caller waits on a future and never holds a connection. So a cancelled caller interrupts nothing: its call runs to its
end, no connection is thrown away, and a thousand callers need no thousand connections.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis import exceptions as said
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from infra.state.redis.access import OPEN, RedisAccess
from infra.state.redis.failures import unavailable
from infra.state.redis.scripts import Script
from schemas.errors import StateUnavailable

CONNECTIONS = 16
TRIPS = 4
"""How many bunches of calls may be under way at once; the other connections are for whoever needs one alone. Few and
small bunches: everybody whose answer comes in one turn of the loop runs in that turn, and nobody else meanwhile."""
TRIP_CALLS = 64
WAITING_CALLS = 50_000
ANSWER_TIMEOUT = 3.0  # seconds for a bunch of calls
POOL_TIMEOUT = 10.0  # seconds
ATTEMPTS = 3
PAUSE = 0.02  # seconds before a broken connection is replaced

Argument = str | bytes | int | float
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Call:
    command: tuple[Argument, ...]
    source: str = ""
    answer: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def with_source(self) -> tuple[Argument, ...]:
        """The command for a Redis that does not know the script; it will from then on."""
        return ("EVAL", self.source, *self.command[2:])

    def fail(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(unavailable(error))


def connections(url: str, access: RedisAccess = OPEN) -> BlockingConnectionPool:
    """The pool for calls. It has no timeouts and repeats of its own: a bunch of calls has one for all of them."""
    return BlockingConnectionPool.from_url(
        url,
        **access.client(url),
        max_connections=CONNECTIONS,
        timeout=POOL_TIMEOUT,
        protocol=2,
        socket_timeout=None,
        socket_connect_timeout=ANSWER_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )


def listener(url: str, access: RedisAccess = OPEN) -> Redis:
    """A client for subscriptions alone: they hold their connection, and a silent one is asked whether it lives."""
    return Redis.from_url(
        url,
        **access.client(url),
        protocol=2,
        socket_timeout=ANSWER_TIMEOUT,
        socket_connect_timeout=ANSWER_TIMEOUT,
        health_check_interval=5,
        max_connections=2,
    )


class Pipe:
    def __init__(self, pool: BlockingConnectionPool, *, timeout: float = ANSWER_TIMEOUT) -> None:
        self._pool = pool
        self._timeout = timeout
        self._waiting: deque[_Call] = deque()
        self._trips: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run a script, whether Redis knows it already or not. Raises StateUnavailable; an error that begins with
        STATE_LOST comes as ``redis.exceptions.ResponseError``, for the caller knows the shard."""
        return await self._call(_Call(("EVALSHA", script.sha, len(keys), *keys, *arguments), script.source))

    async def command(self, *command: Argument) -> Any:
        """Run a command that may be repeated. Raises StateUnavailable."""
        return await self._call(_Call(command))

    async def close(self) -> None:
        """Let what was called come to its end, then close the connections."""
        self._closed = True
        while self._trips:
            await asyncio.wait(self._trips)
        await self._pool.aclose()

    async def _call(self, call: _Call) -> Any:
        if self._closed:
            raise StateUnavailable("the state store is closed")
        if len(self._waiting) >= WAITING_CALLS:
            raise StateUnavailable("too many calls wait for Redis", fix="check its load, its disk and the network")
        self._waiting.append(call)
        # A task starts one turn of the loop later, when everything called in this turn waits for it.
        if len(self._trips) < TRIPS and len(self._waiting) % TRIP_CALLS == 1:
            task = asyncio.get_running_loop().create_task(self._travel())
            self._trips.add(task)
            task.add_done_callback(self._trips.discard)
        return await call.answer

    async def _travel(self) -> None:
        while self._waiting:
            calls = [self._waiting.popleft() for _ in range(min(TRIP_CALLS, len(self._waiting)))]
            try:
                await self._exchange(calls)
            except Exception as error:
                if not isinstance(error, said.RedisError | OSError):
                    _log.exception("state_trip_failed")
                # Those behind would wait through the same failure one by one: their callers are told at once.
                for call in (*calls, *self._waiting):
                    call.fail(error)
                self._waiting.clear()

    async def _exchange(self, calls: list[_Call]) -> None:
        replies = await self._send([call.command for call in calls])
        unknown = [at for at, reply in enumerate(replies) if isinstance(reply, said.NoScriptError)]
        if unknown:
            # Restarted, failed over or flushed. A script that was not known has not run, so this is no repeat.
            again = await self._send([calls[at].with_source() for at in unknown])
            for at, reply in zip(unknown, again, strict=True):
                replies[at] = reply
        for call, reply in zip(calls, replies, strict=True):
            _settle(call, reply)

    async def _send(self, commands: Sequence[tuple[Argument, ...]]) -> list[Any]:
        """The replies, errors among them. A broken connection is replaced: every call may be repeated."""
        message = packed(commands)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._send_once(message, len(commands))
            except TimeoutError as error:
                raise said.TimeoutError("no answer in time") from error
            except (said.AuthenticationError, said.BusyLoadingError):
                raise
            except (said.ConnectionError, OSError):
                if attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(PAUSE * attempt)
        raise AssertionError("unreachable")

    async def _send_once(self, message: bytes, count: int) -> list[Any]:
        connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.send_packed_command(message, check_health=False)
            replies: list[Any] = []
            for _ in range(count):
                try:
                    replies.append(await connection.read_response())
                except said.ResponseError as error:
                    replies.append(error)
            return replies
        except BaseException:
            # Replies may still be on their way: nobody else may read them.
            await connection.disconnect(nowait=True)
            raise
        finally:
            await self._pool.release(connection)


def packed(commands: Iterable[tuple[Argument, ...]]) -> bytes:
    """Commands in the wire format, one after the other."""
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for argument in command:
            raw = argument if isinstance(argument, bytes) else str(argument).encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)


def _settle(call: _Call, reply: Any) -> None:
    if not isinstance(reply, Exception):
        if not call.answer.done():
            call.answer.set_result(reply)
    elif str(reply).startswith("STATE_LOST"):
        if not call.answer.done():
            call.answer.set_exception(reply)
    else:
        call.fail(reply)
