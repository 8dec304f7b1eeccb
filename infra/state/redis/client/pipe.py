"""The one way to Redis for all ports: calls made at the same time are sent together as a pipeline.

A caller waits on a future and never holds a connection. So a cancelled caller interrupts nothing: its call runs to its
end, no connection is thrown away, and a thousand callers need no thousand connections.

A pipeline that finds an open connection needs no task: it leaves at the end of the turn of the loop in which its calls
were made, and they are answered where the bytes arrive."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis import exceptions as redis_errors

from infra.state.redis.client.call import Argument, Call
from infra.state.redis.client.connection import Link, Links
from infra.state.redis.client.scripts import Script
from schemas.errors import StateUnavailable

__all__ = ["Argument", "Call", "Pipe"]

PIPELINES = 4
"""Pipelines under way at once. Few and small ones: everybody whose answer arrives in one turn of the loop runs in that
turn, and nobody else meanwhile."""
PIPELINE_CALLS = 64
WAITING_CALLS = 50_000
ANSWER_TIMEOUT = 3.0  # seconds for a bunch of calls
PAUSE = 0.02  # seconds before a broken connection is replaced

_log = structlog.get_logger(__name__)


class Pipe:
    """The pipelined connection of one event loop."""

    def __init__(self, links: Links, *, timeout: float = ANSWER_TIMEOUT) -> None:
        self._links = links
        self._timeout = timeout
        self._waiting: deque[Call] = deque()
        self._leaving = False
        """The waiting calls will be checked at the end of this turn of the loop."""
        self._pipelines: dict[Pipeline, Link | None] = {}
        """Pipelines under way, the oldest first, and their connections; None while that is being opened."""
        self._timer: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._quiet: asyncio.Future[None] | None = None
        """Set while closing."""
        self._closed = False

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> asyncio.Future[Any]:
        """Run a script, whether Redis knows it already or not. Raises StateUnavailable; an error that begins with
        STATE_LOST comes as ``redis.exceptions.ResponseError``, because only the caller knows the shard."""
        return self.send(Call(("EVALSHA", script.sha, len(keys), *keys, *arguments), script.source)).answer

    def command(self, *command: Argument) -> asyncio.Future[Any]:
        """Run a command that may be repeated. Raises StateUnavailable."""
        return self.send(Call(command)).answer

    def send(self, call: Call) -> Call:
        """Send a call. Raises StateUnavailable."""
        if self._closed:
            raise StateUnavailable("the state store is closed")
        if len(self._waiting) >= WAITING_CALLS:
            raise StateUnavailable("too many calls wait for Redis", fix="check its load, its disk and the network")
        self._waiting.append(call)
        if not self._leaving:
            self._leaving = True
            asyncio.get_running_loop().call_soon(self._leave)
        return call

    async def close(self) -> None:
        """Finish the running calls, then close the connections."""
        self._closed = True
        while self._pipelines or self._waiting:
            self._quiet = asyncio.get_running_loop().create_future()
            await self._quiet
        if self._timer is not None:
            self._timer.cancel()
        self._links.close_idle()

    # ── pipelines ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _leave(self) -> None:
        self._leaving = False
        waiting = self._waiting
        while waiting and len(self._pipelines) < PIPELINES:
            calls = [waiting.popleft() for _ in range(min(PIPELINE_CALLS, len(waiting)))]
            self._begin(Pipeline(self._on_replies, self._on_failure, calls))

    def _begin(self, pipeline: Pipeline) -> None:
        link = self._links.take()
        if link is None:
            self._open(pipeline, 0)
        else:
            self._go(pipeline, link)

    def _go(self, pipeline: Pipeline, link: Link) -> None:
        loop = asyncio.get_running_loop()
        pipeline.give_up_at = loop.time() + self._timeout
        self._pipelines.pop(pipeline, None)  # it may have tried before, and is the youngest now
        self._pipelines[pipeline] = link
        link.send(pipeline)
        if self._timer is None:
            self._timer = loop.call_at(pipeline.give_up_at, self._give_up)

    def _on_replies(self, pipeline: Pipeline, replies: list[Any]) -> None:
        link = self._pipelines.pop(pipeline)
        if link is not None:
            self._links.give_back(link)
        try:
            unknown = pipeline.settle(replies)
        except Exception as error:  # a reply of another shape than its script's
            _log.exception("state_reply_unreadable")
            pipeline.refuse(error)
            unknown = []
        if unknown:
            # Redis was restarted, failed over or flushed. An unknown script has not run, so this is no repeat.
            self._begin(Pipeline(self._on_replies, self._on_failure, unknown))
        self._after_pipeline()

    def _on_failure(self, pipeline: Pipeline, error: Exception) -> None:
        del self._pipelines[pipeline]
        self._links.close_idle()  # they have probably died with it
        if pipeline.may_repeat_after(error):
            return self._open(pipeline, PAUSE * (pipeline.attempt - 1))
        if not isinstance(error, redis_errors.RedisError | OSError):
            _log.error("state_trip_failed", exc_info=error)
        # The calls behind would fail one by one for the same reason, so they fail at once.
        behind, self._waiting = self._waiting, deque()
        pipeline.refuse(error)
        for call in behind:
            call.on_error(error)
        self._after_pipeline()

    def _after_pipeline(self) -> None:
        if self._waiting:
            self._leave()
        elif self._quiet is not None and not self._pipelines and not self._quiet.done():
            self._quiet.set_result(None)

    # ── connecting ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, pipeline: Pipeline, pause: float) -> None:
        """Send the pipeline once there is another connection. Every call may be repeated."""
        self._pipelines[pipeline] = None
        task = asyncio.get_running_loop().create_task(self._open_link(pipeline, pause))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open_link(self, pipeline: Pipeline, pause: float) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.sleep(pause)
                link = self._links.take() or await self._links.open()
        except TimeoutError:
            self._on_failure(pipeline, redis_errors.TimeoutError("no answer in time"))
        except Exception as error:
            self._on_failure(pipeline, error)
        else:
            self._go(pipeline, link)

    def _give_up(self) -> None:
        """One timer serves all: the first that left expires first."""
        self._timer = None
        loop = asyncio.get_running_loop()
        under_way = [(pipeline, link) for pipeline, link in self._pipelines.items() if link is not None]
        for pipeline, link in under_way:
            if pipeline.give_up_at > loop.time():
                self._timer = loop.call_at(pipeline.give_up_at, self._give_up)
                break
            link.abandon(redis_errors.TimeoutError("no answer in time"))


# Calls that are sent together.
ATTEMPTS = 3


class Pipeline:
    """See ``connection.ReplyHandler``. ``give_up_at`` is on the loop's clock."""

    __slots__ = ("_on_answer", "_on_failure", "attempt", "calls", "count", "give_up_at", "message")

    def __init__(
        self,
        on_answer: Callable[[Pipeline, list[Any]], None],
        on_failure: Callable[[Pipeline, Exception], None],
        calls: Sequence[Call],
    ) -> None:
        self._on_answer = on_answer
        self._on_failure = on_failure
        self.calls = calls
        self.count = len(calls)
        self.message = b"".join([call.packed for call in calls])
        self.attempt = 1
        self.give_up_at = 0.0
        for call in calls:
            call.has_left = True

    def on_replies(self, replies: list[Any]) -> None:
        self._on_answer(self, replies)

    def on_failure(self, error: Exception) -> None:
        self._on_failure(self, error)

    def settle(self, replies: list[Any]) -> list[Call]:
        """Answer the callers; returns the calls to be made once more, with their script's source."""
        unknown = []
        for call, reply in zip(self.calls, replies, strict=True):
            if not isinstance(reply, Exception):
                call.on_reply(reply)
            elif isinstance(reply, redis_errors.NoScriptError):
                call.explain()
                unknown.append(call)
            else:
                call.on_error(reply)
        return unknown

    def refuse(self, error: Exception) -> None:
        """Pass the error to all callers without an answer."""
        for call in self.calls:
            call.on_error(error)

    def may_repeat_after(self, error: Exception) -> bool:
        """Return whether another connection may succeed. Counts the attempts."""
        lost = isinstance(error, redis_errors.ConnectionError | OSError)
        if (
            not lost
            or isinstance(error, redis_errors.AuthenticationError | redis_errors.BusyLoadingError)
            or self.attempt == ATTEMPTS
        ):
            return False
        self.attempt += 1
        return True
