"""One way to Redis for all ports: calls that are made at the same time travel in one pipeline.

A caller waits on a future and never holds a connection. So a cancelled caller interrupts nothing: its call runs to its
end, no connection is thrown away, and a thousand callers need no thousand connections.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis import exceptions as said
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from infra.state.redis.failures import unavailable
from infra.state.redis.scripts import Script, scripts
from schemas.errors import StateUnavailable

CONNECTIONS = 16
PIPELINES = 8
PIPELINE_CALLS = 128
WAITING_CALLS = 50_000
ANSWER_TIMEOUT = 3.0  # seconds
POOL_TIMEOUT = 10.0  # seconds

Argument = str | bytes | int | float
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Call:
    command: tuple[Argument, ...]
    answer: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


def connect(url: str, *, timeout: float = ANSWER_TIMEOUT) -> Redis:
    """A client that repeats a call twice when the connection broke: every script may be repeated."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=POOL_TIMEOUT,
        protocol=2,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 2, (said.ConnectionError,)),
    )
    return Redis(connection_pool=pool)


def listen(url: str, *, timeout: float = ANSWER_TIMEOUT) -> Redis:
    """A client for subscriptions alone: they hold their connection, and a silent one is asked whether it lives."""
    return Redis.from_url(
        url,
        protocol=2,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        health_check_interval=5,
        max_connections=2,
    )


class Pipe:
    def __init__(self, client: Redis) -> None:
        self.client = client
        self._waiting: deque[_Call] = deque()
        self._pipelines: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run a script; it is loaded when Redis does not know it. Raises StateUnavailable; other errors of the script
        come back as ``redis.exceptions.ResponseError``, for the caller knows what they mean."""
        return await self.command("EVALSHA", script.sha, len(keys), *keys, *arguments)

    async def command(self, *command: Argument) -> Any:
        if self._closed:
            raise StateUnavailable("the state store is closed")
        if len(self._waiting) >= WAITING_CALLS:
            raise StateUnavailable("too many calls wait for Redis", fix="check its load, its disk and the network")
        call = _Call(command)
        self._waiting.append(call)
        self._start_pipeline()
        return await call.answer

    async def close(self) -> None:
        """Let what was called come to its end, then close the connections."""
        self._closed = True
        while self._pipelines:
            await asyncio.wait(self._pipelines)
        await self.client.aclose()
        await self.client.connection_pool.disconnect()

    def _start_pipeline(self) -> None:
        # A task starts one turn of the loop later, when everything called in this turn waits for it.
        if len(self._pipelines) < PIPELINES and len(self._waiting) % PIPELINE_CALLS == 1:
            task = asyncio.get_running_loop().create_task(self._drain())
            self._pipelines.add(task)
            task.add_done_callback(self._pipelines.discard)

    async def _drain(self) -> None:
        while self._waiting:
            calls = [self._waiting.popleft() for _ in range(min(PIPELINE_CALLS, len(self._waiting)))]
            try:
                await self._exchange(calls)
            except Exception as error:
                if not isinstance(error, said.RedisError | OSError):
                    _log.exception("state_pipeline_failed")
                # Those behind would wait through the same failure one by one: their callers are told at once.
                self._fail(calls, error)

    def _fail(self, calls: list[_Call], error: Exception) -> None:
        for call in (*calls, *self._waiting):
            call.fail(unavailable(error))
        self._waiting.clear()

    async def _exchange(self, calls: list[_Call]) -> None:
        for _ in range(3):
            replies = await self._send(calls)
            unknown = [call for call, reply in zip(calls, replies, strict=True) if _is_unknown(reply)]
            for call, reply in zip(calls, replies, strict=True):
                if not _is_unknown(reply):
                    _settle(call, reply)
            if not unknown:
                return
            await self._load()
            calls = unknown
        self._fail(calls, said.ResponseError("Redis keeps forgetting scripts"))

    async def _send(self, calls: Sequence[_Call]) -> list[Any]:
        async with self.client.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.execute_command(*call.command)
            return await pipeline.execute(raise_on_error=False)

    async def _load(self) -> None:
        async with self.client.pipeline(transaction=False) as pipeline:
            for script in scripts().values():
                pipeline.execute_command("SCRIPT", "LOAD", script.source)
            await pipeline.execute()


def _is_unknown(reply: Any) -> bool:
    return isinstance(reply, said.NoScriptError)


def _settle(call: _Call, reply: Any) -> None:
    if call.answer.done():
        return
    if not isinstance(reply, Exception):
        call.answer.set_result(reply)
    elif str(reply).startswith("STATE_LOST"):
        call.answer.set_exception(reply)
    else:
        failure = unavailable(reply)
        if failure.fix == "see the log":
            _log.error("state_script_failed", error=str(reply))
        call.answer.set_exception(failure)
