"""The Redis client of all ports: calls made at the same time are sent together as a pipeline.

A caller waits on a future and never holds a connection. So a cancelled caller interrupts nothing: its call runs to its
end, no connection is thrown away, and a thousand callers need no thousand connections.

A pipeline is sent at the end of the event loop's iteration in which its calls were made, and all are answered
together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

import structlog
from redis import exceptions as redis_errors

from infra.bus.partitioner import SHARDS
from infra.state.redis.client.call import Argument, Call
from infra.state.redis.client.connection import Connections
from schemas.errors import StateUnavailable

__all__ = ["Argument", "Call", "PipelinedClient", "StateClient"]

PIPELINES = 4
"""Pipelines in progress at once. Few and small ones: all callers whose answers arrive in one iteration of the event
loop run in that iteration, and nothing else does meanwhile."""
PIPELINE_CALLS = 64
WAITING_CALLS = 50_000
ANSWER_TIMEOUT = 3.0  # seconds for the calls of a pipeline
PAUSE = 0.02  # seconds before a broken connection is replaced
ATTEMPTS = 3

_log = structlog.get_logger(__name__)


class StateClient(Protocol):
    """The calls of one event loop, to one server or to the nodes of a cluster."""

    is_cluster: bool

    def send(self, call: Call) -> Call:
        """Send a call to the server of its shard. Raises StateUnavailable."""

    def command(self, *command: Argument, shard: int = 0) -> asyncio.Future[Any]:
        """Run a command that may be repeated, on the server of this shard. Raises StateUnavailable."""

    async def list_shards(self) -> dict[int, list[int]]:
        """All shards of each server, by the first of them, which commands to the server can name. Raises
        StateUnavailable."""

    async def close(self) -> None:
        """Finish the running calls, then close the connections."""


class PipelinedClient:
    """Sends the calls of one event loop to one server."""

    is_cluster = False

    def __init__(self, connections: Connections, *, timeout: float = ANSWER_TIMEOUT) -> None:
        self._connections = connections
        self._timeout = timeout
        self._waiting: deque[Call] = deque()
        self._is_scheduled = False
        """The waiting calls are sent at the end of this iteration of the event loop."""
        self._pipelines: set[asyncio.Task[None]] = set()
        """Those in progress."""
        self._closed = False

    def command(self, *command: Argument, shard: int = 0) -> asyncio.Future[Any]:
        """See StateClient."""
        return self.send(Call(command, shard=shard)).answer

    async def list_shards(self) -> dict[int, list[int]]:
        """See StateClient."""
        return {0: list(range(SHARDS))}

    def send(self, call: Call) -> Call:
        """Send a call. Raises StateUnavailable."""
        if self._closed:
            raise StateUnavailable("the state store is closed")
        if len(self._waiting) >= WAITING_CALLS:
            raise StateUnavailable(
                "too many calls are waiting for Redis", fix="check its load, its disk and the network"
            )
        self._waiting.append(call)
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._send_waiting)
        return call

    async def close(self) -> None:
        """Finish the running calls, then close the connections."""
        self._closed = True
        while self._pipelines or self._waiting:
            self._send_waiting()
            await asyncio.wait(self._pipelines)
            await asyncio.sleep(0)  # what ended is taken off the list
        await self._connections.close()

    def _send_waiting(self) -> None:
        self._is_scheduled = False
        waiting = self._waiting
        while waiting and len(self._pipelines) < PIPELINES:
            calls = [waiting.popleft() for _ in range(min(PIPELINE_CALLS, len(waiting)))]
            pipeline = asyncio.create_task(self._run_pipeline(calls))
            self._pipelines.add(pipeline)
            pipeline.add_done_callback(self._after_pipeline)

    def _after_pipeline(self, pipeline: asyncio.Task[None]) -> None:
        self._pipelines.discard(pipeline)
        self._send_waiting()

    async def _run_pipeline(self, calls: Sequence[Call]) -> None:
        try:
            # Redis was restarted, failed over or flushed: an unknown script has not run, so this is no repeat.
            while calls:
                calls = self._settle(calls, await self._exchange(calls))
        except Exception as error:
            if not isinstance(error, redis_errors.RedisError | OSError):
                _log.exception("state_pipeline_failed")
            self._refuse(calls, error)

    async def _exchange(self, calls: Sequence[Call]) -> list[Any]:
        """Send the calls, on another connection when one breaks: every call may be repeated."""
        commands = [call.pack() for call in calls]
        attempt = 1
        while True:
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._transfer(calls, commands)
            except TimeoutError:
                await self._connections.close_idle()  # they lead to the same server
                raise redis_errors.TimeoutError("no answer in time") from None
            except (redis_errors.ConnectionError, OSError) as error:
                await self._connections.close_idle()  # they have probably died with it
                if attempt == ATTEMPTS or isinstance(error, _LASTING):
                    raise
            await asyncio.sleep(PAUSE * (attempt - 1))
            attempt += 1

    async def _transfer(self, calls: Sequence[Call], commands: Sequence[bytes]) -> list[Any]:
        return await self._connections.exchange(commands)

    def _refuse(self, calls: Sequence[Call], error: Exception) -> None:
        """Fail the calls, and those that wait behind them: one by one they would fail for the same reason."""
        behind, self._waiting = self._waiting, deque()
        for call in (*calls, *behind):
            self._fail(call, error)

    def _fail(self, call: Call, error: Exception) -> None:
        call.on_error(error)

    def _settle(self, calls: Sequence[Call], replies: Sequence[Any]) -> list[Call]:
        """Answer the callers. Returns the calls to be made once more, with their script's source."""
        unknown = []
        for call, reply in zip(calls, replies, strict=True):
            if not isinstance(reply, Exception):
                call.on_reply(reply)
            elif isinstance(reply, redis_errors.NoScriptError):
                call.use_source()
                unknown.append(call)
            else:
                self._fail(call, reply)
        return unknown


_LASTING = (redis_errors.AuthenticationError, redis_errors.BusyLoadingError)
"""Failures that another connection would meet too."""
