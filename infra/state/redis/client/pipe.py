"""One way to Redis for all ports: calls that are made at the same time travel together.

A caller waits on a future and never holds a connection. So a cancelled caller interrupts nothing: its call runs to its
end, no connection is thrown away, and a thousand callers need no thousand connections.

A trip that meets an open connection takes no task: it leaves at the end of the turn of the loop in which its calls
were made, and they are answered where the bytes arrive.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis import exceptions as said

from infra.state.redis.client.call import Argument, Call
from infra.state.redis.client.connection import Link, Links
from infra.state.redis.client.scripts import Script
from schemas.errors import StateUnavailable

__all__ = ["Argument", "Call", "Pipe"]

TRIPS = 4
"""How many bunches of calls may be under way at once. Few and small bunches: everybody whose answer comes in one turn
of the loop runs in that turn, and nobody else meanwhile."""
TRIP_CALLS = 64
WAITING_CALLS = 50_000
ANSWER_TIMEOUT = 3.0  # seconds for a bunch of calls
PAUSE = 0.02  # seconds before a broken connection is replaced

_log = structlog.get_logger(__name__)


class Pipe:
    """For one event loop."""

    def __init__(self, links: Links, *, timeout: float = ANSWER_TIMEOUT) -> None:
        self._links = links
        self._timeout = timeout
        self._waiting: deque[Call] = deque()
        self._leaving = False
        """Somebody will look at the end of this turn of the loop whether anything waits."""
        self._trips: dict[Trip, Link | None] = {}
        """What is under way, the oldest first, and on which link; None while that is being opened."""
        self._timer: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._quiet: asyncio.Future[None] | None = None
        """Set by whoever closes."""
        self._closed = False

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> asyncio.Future[Any]:
        """Run a script, whether Redis knows it already or not. Raises StateUnavailable; an error that begins with
        STATE_LOST comes as ``redis.exceptions.ResponseError``, for the caller knows the shard."""
        return self.send(Call(("EVALSHA", script.sha, len(keys), *keys, *arguments), script.source)).answer

    def command(self, *command: Argument) -> asyncio.Future[Any]:
        """Run a command that may be repeated. Raises StateUnavailable."""
        return self.send(Call(command)).answer

    def send(self, call: Call) -> Call:
        """The call, on its way. Raises StateUnavailable."""
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
        """Let what was called come to its end, then close the connections."""
        self._closed = True
        while self._trips or self._waiting:
            self._quiet = asyncio.get_running_loop().create_future()
            await self._quiet
        if self._timer is not None:
            self._timer.cancel()
        self._links.close_idle()

    # ── the way of a trip ────────────────────────────────────────────────────────────────────────────────────────────

    def _leave(self) -> None:
        self._leaving = False
        waiting = self._waiting
        while waiting and len(self._trips) < TRIPS:
            calls = [waiting.popleft() for _ in range(min(TRIP_CALLS, len(waiting)))]
            self._begin(Trip(self._answered, self._failed, calls))

    def _begin(self, trip: Trip) -> None:
        link = self._links.take()
        if link is None:
            self._open(trip, 0)
        else:
            self._go(trip, link)

    def _go(self, trip: Trip, link: Link) -> None:
        loop = asyncio.get_running_loop()
        trip.give_up_at = loop.time() + self._timeout
        self._trips.pop(trip, None)  # it may have tried before, and is the youngest now
        self._trips[trip] = link
        link.send(trip)
        if self._timer is None:
            self._timer = loop.call_at(trip.give_up_at, self._give_up)

    def _answered(self, trip: Trip, replies: list[Any]) -> None:
        link = self._trips.pop(trip)
        if link is not None:
            self._links.give_back(link)
        try:
            unknown = trip.settle(replies)
        except Exception as error:  # a reply of another shape than its script's
            _log.exception("state_reply_unreadable")
            trip.refuse(error)
            unknown = []
        if unknown:
            # Restarted, failed over or flushed. A script that was not known has not run, so this is no repeat.
            self._begin(Trip(self._answered, self._failed, unknown))
        self._ended()

    def _failed(self, trip: Trip, error: Exception) -> None:
        del self._trips[trip]
        self._links.close_idle()  # they have probably died with it
        if trip.may_repeat_after(error):
            return self._open(trip, PAUSE * (trip.attempt - 1))
        if not isinstance(error, said.RedisError | OSError):
            _log.error("state_trip_failed", exc_info=error)
        # Those behind would wait through the same failure one by one: their callers are told at once.
        behind, self._waiting = self._waiting, deque()
        trip.refuse(error)
        for call in behind:
            call.refused(error)
        self._ended()

    def _ended(self) -> None:
        if self._waiting:
            self._leave()
        elif self._quiet is not None and not self._trips and not self._quiet.done():
            self._quiet.set_result(None)

    # ── the long way ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, trip: Trip, pause: float) -> None:
        """Go once there is another link. Every call may be repeated."""
        self._trips[trip] = None
        task = asyncio.get_running_loop().create_task(self._opened(trip, pause))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _opened(self, trip: Trip, pause: float) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.sleep(pause)
                link = self._links.take() or await self._links.open()
        except TimeoutError:
            self._failed(trip, said.TimeoutError("no answer in time"))
        except Exception as error:
            self._failed(trip, error)
        else:
            self._go(trip, link)

    def _give_up(self) -> None:
        """One timer does for all: whoever left first is due first."""
        self._timer = None
        loop = asyncio.get_running_loop()
        under_way = [(trip, link) for trip, link in self._trips.items() if link is not None]
        for trip, link in under_way:
            if trip.give_up_at > loop.time():
                self._timer = loop.call_at(trip.give_up_at, self._give_up)
                break
            link.abandon(said.TimeoutError("no answer in time"))


# A bunch of calls that travel together.
ATTEMPTS = 3


class Trip:
    """See ``link.Exchange``. ``give_up_at`` is on the loop's clock."""

    __slots__ = ("_on_answer", "_on_failure", "attempt", "calls", "count", "give_up_at", "message")

    def __init__(
        self,
        on_answer: Callable[[Trip, list[Any]], None],
        on_failure: Callable[[Trip, Exception], None],
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

    def answered(self, replies: list[Any]) -> None:
        self._on_answer(self, replies)

    def failed(self, error: Exception) -> None:
        self._on_failure(self, error)

    def settle(self, replies: list[Any]) -> list[Call]:
        """Tell the callers; the calls that are to be made once more, with their source."""
        unknown = []
        for call, reply in zip(self.calls, replies, strict=True):
            if not isinstance(reply, Exception):
                call.answered(reply)
            elif isinstance(reply, said.NoScriptError):
                call.explain()
                unknown.append(call)
            else:
                call.refused(reply)
        return unknown

    def refuse(self, error: Exception) -> None:
        """Tell all callers who have no answer."""
        for call in self.calls:
            call.refused(error)

    def may_repeat_after(self, error: Exception) -> bool:
        """Whether another connection may do better. Counts the attempts."""
        lost = isinstance(error, said.ConnectionError | OSError)
        if not lost or isinstance(error, said.AuthenticationError | said.BusyLoadingError) or self.attempt == ATTEMPTS:
            return False
        self.attempt += 1
        return True
