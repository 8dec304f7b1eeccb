"""Brings events and interactions to the app: order, retries, what was given up, and misbehaviour by script.

How one attempt is carried (an HTTP request, an envelope on a socket) is a carrier's business.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tests.simulators.slack.workspace import Json

What = Literal["events_api", "interactive", "slash_commands"]
RETRIES = (0.0, 60.0, 300.0)
"""Seconds before each retry of an event. Interactions and commands are not retried: the person sees an error."""


class Undelivered(AssertionError):
    """An event was given up after its last retry: real Slack loses it."""


@dataclass(frozen=True)
class Outcome:
    """``payload`` is what the app answered with; ``final`` asks for no retry."""

    heard: bool
    reason: str = ""
    payload: Any = None
    final: bool = False
    at: float = field(default_factory=time.monotonic, compare=False)


@dataclass(eq=False)
class Delivery:
    what: What
    payload: Json
    about: str = ""
    """The message that it announces."""
    line: str = ""
    """First attempts of one line go one after another."""
    outcomes: list[Outcome] = field(default_factory=list)
    at: float = field(default_factory=time.monotonic)
    state: Literal["waiting", "accepted", "given up", "dropped"] = "waiting"
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def answer(self) -> Any:
        return self.outcomes[-1].payload if self.outcomes else None

    @property
    def event(self) -> Json:
        event: Json = self.payload.get("event", {})
        return event


class Transport(Protocol):
    @property
    def is_ready(self) -> bool:
        """False while the app never said where it wants its events: then there are none."""

    async def carry(self, delivery: Delivery, attempt: int, reason: str) -> Outcome: ...


class EventDelivery:
    """``log`` holds everything in the order in which it happened. ``lost`` is what was given up, ``dropped`` what was
    never tried: Slack loses whole hours at times."""

    def __init__(self, now: Callable[[], float], pace: float) -> None:
        self._now = now
        self.pace = pace
        self.carrier: Transport | None = None
        self.log: list[Delivery] = []
        self.lost: list[Delivery] = []
        self.dropped: list[Delivery] = []
        self.losing = False
        """While true, what happens is never announced."""
        self.twice: Callable[[Delivery], bool] = lambda _: False
        """Of which deliveries a second copy is sent beside the first."""
        self.hourly = 30_000
        """Events an hour before ``app_rate_limited``."""
        self.exempt = 1_000
        """Apps with fewer deliveries an hour are not cut off, however many they miss."""
        self.disabled = False
        """The app was cut off."""
        self.limited: Callable[[], Json] | None = None
        """Makes ``app_rate_limited``, sent once for each minute in which events are over the limit."""
        self._minute = -1
        self._held: list[Delivery] | None = None
        self._lines: dict[str, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: deque[tuple[float, bool]] = deque()
        self._sent: deque[float] = deque()

    def send(self, what: What, payload: Json, *, about: str = "", line: str = "") -> Delivery:
        delivery = Delivery(what, payload, about, line)
        self.log.append(delivery)
        if what == "events_api" and (not self._is_on or self._over_limit(payload)):
            self._drop(delivery)
        elif self._held is not None:
            self._held.append(delivery)
        else:
            self._go(delivery)
        return delivery

    @property
    def _is_on(self) -> bool:
        ready = self.carrier is not None and self.carrier.is_ready
        return ready and not self.losing and not self.disabled

    def _over_limit(self, payload: Json) -> bool:
        now = self._now()
        while self._sent and self._sent[0] < now - 3600:
            self._sent.popleft()
        if len(self._sent) < self.hourly or payload.get("type") == "app_rate_limited":
            self._sent.append(now)
            return False
        if self.limited and self._minute != int(now // 60):
            self._minute = int(now // 60)
            self.send("events_api", self.limited())
        return True

    def _go(self, delivery: Delivery) -> None:
        before = self._lines.get(delivery.line) if delivery.line else None
        if delivery.line:
            self._lines[delivery.line] = delivery
        self._spawn(self._deliver(delivery, before))
        if self.twice(delivery):
            self.again(delivery)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery, before: Delivery | None) -> None:
        if before is not None:
            await before.tried.wait()
        await self._try(delivery, 0)

    async def _try(self, delivery: Delivery, first: int, reason: str = "") -> None:
        """Attempts from the ``first`` on, until one is heard or none is left."""
        waits = (0.0, *RETRIES) if delivery.what == "events_api" else (0.0,)
        for attempt in range(first, len(waits)):
            if delivery.outcomes:
                await asyncio.sleep(waits[attempt] * self.pace)
                reason = delivery.outcomes[-1].reason
            outcome = await self._attempt(delivery, attempt, reason)
            if outcome.heard:
                return self._end(delivery, "accepted")
            if outcome.final:
                break
        self.lost.append(delivery)
        self._end(delivery, "given up")

    async def _attempt(self, delivery: Delivery, attempt: int, reason: str) -> Outcome:
        assert self.carrier is not None
        try:
            outcome = await self.carrier.carry(delivery, attempt, reason)
        finally:
            delivery.tried.set()
        delivery.outcomes.append(outcome)
        if delivery.what == "events_api":
            self._judge(outcome.heard)
        return outcome

    def _judge(self, heard: bool) -> None:
        """Cut the app off when fewer than one in twenty deliveries of the last hour was heard."""
        now = self._now()
        self._results.append((now, heard))
        while self._results[0][0] < now - 3600:
            self._results.popleft()
        if heard or len(self._results) < self.exempt:
            return
        if sum(1 for _, each in self._results if each) < len(self._results) * 0.05:
            self.disabled = True

    def _end(self, delivery: Delivery, state: Literal["accepted", "given up", "dropped"]) -> None:
        delivery.state = state
        delivery.tried.set()
        delivery.ended.set()
        if self._lines.get(delivery.line) is delivery:
            del self._lines[delivery.line]

    def again(
        self, delivery: Delivery, *, times: int = 1, at_once: bool = False, event_ids: list[str] | None = None
    ) -> None:
        """The same once more, as after an answer that was not heard; with ``event_ids`` as events of their own."""
        copies = []
        for number in range(times):
            changed = {"event_id": event_ids[number]} if event_ids else {}
            copies.append(Delivery(delivery.what, {**delivery.payload, **changed}, delivery.about))
        self.log += copies
        groups = [[copy] for copy in copies] if at_once else [copies]
        for number, group in enumerate(groups, 1):
            self._spawn(self._repeat(group, number if not event_ids else 0))

    async def _repeat(self, copies: list[Delivery], first: int) -> None:
        """One after another; ``first`` is the retry number of the first, 0 if they are no retries."""
        for number, copy in enumerate(copies, first):
            attempt = min(number, len(RETRIES)) if first and copy.what == "events_api" else 0
            await self._try(copy, attempt, "http_timeout" if attempt else "")

    def hold(self) -> None:
        """Keep what happens from now on, until ``release``."""
        self._held = []

    def release(self, arrange: Callable[[list[Delivery]], None] = lambda held: None) -> None:
        """Send what was held, all at once, after ``arrange`` (such as ``list.reverse``) put it in another order. What
        it takes out of the list is lost."""
        held, self._held = self._held or [], None
        arranged = list(held)
        arrange(arranged)
        for delivery in held:
            if delivery not in arranged:
                self._drop(delivery)
        for delivery in arranged:
            delivery.line = ""
            self._go(delivery)

    def _drop(self, delivery: Delivery) -> None:
        self._end(delivery, "dropped")
        self.dropped.append(delivery)

    def waiting(self) -> list[Delivery]:
        return [delivery for delivery in self.log if delivery.state == "waiting"]

    async def settled(self, deadline: float) -> None:
        """Raises TimeoutError, and Undelivered (once for each loss)."""
        async with asyncio.timeout(deadline):
            while waiting := self.waiting():
                await asyncio.gather(*(delivery.ended.wait() for delivery in waiting))
        lost, self.lost = self.lost, []
        if lost:
            raise Undelivered([(each.what, each.about, [one.reason for one in each.outcomes]) for each in lost])

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for delivery in self.waiting():
            self._drop(delivery)
