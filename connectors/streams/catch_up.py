"""Catching up on messages that contacts wrote while nobody listened, from the vendor's history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from connectors.streams.account_lease import AccountLease
from connectors.streams.timing import EventStreamTimings
from schemas.conversation import HANDLED_HORIZON_DAYS
from schemas.errors import DeliveryError, Fenced, TemporaryRefusal
from schemas.ports import Account, ChannelEvent, Clock, Metrics
from schemas.topics import MESSAGE_RECEIVED

log = structlog.get_logger("parley.streams")

HORIZON = timedelta(days=HANDLED_HORIZON_DAYS)
"""Older messages would be recorded and never answered."""
PLACE_SECONDS = 2.0
"""For the history of a single place, for which new events wait; Discord's buttons fail after three."""
ReadHistory = Callable[[datetime], AsyncIterator[list[ChannelEvent]]]
AppendEvents = Callable[[Sequence[ChannelEvent]], Awaitable[None]]
OnCaughtUp = Callable[[datetime], None]


class CatchUp:
    """Catches up for one account. Known messages get the same ids again, so the worker drops them."""

    def __init__(
        self,
        history: ReadHistory,
        account: Account,
        holding: AccountLease,
        ready: Callable[[], Awaitable[bool]],
        *,
        times: EventStreamTimings,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._history = history
        self._account = account
        self._holding = holding
        self._ready = ready
        self._times = times
        self._clock = clock
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._failures = 0

    def begin(self, heard: datetime, take: AppendEvents, done: OnCaughtUp) -> None:
        """Start, unless it is running or failed a moment ago."""
        is_running = self._task is not None and not self._task.done()
        if not is_running and asyncio.get_running_loop().time() >= self._not_before:
            self._task = asyncio.create_task(self._run(heard, take, done))

    async def wait(self, seconds: float) -> None:
        """Wait until it is done, for at most this time."""
        if self._task is not None and not self._task.done() and seconds > 0:
            await asyncio.wait({self._task}, timeout=seconds)

    async def read_place(self, heard: datetime, read: ReadHistory) -> list[ChannelEvent] | None:
        """Return the events of one place; None if its history cannot be read now."""
        try:
            async with asyncio.timeout(PLACE_SECONDS):
                history = read(self._get_start(heard))
                found = [_mark_backfilled(event) async for events in history for event in events]
        except (DeliveryError, TimeoutError) as error:
            self._log("place_read_later", error=type(error).__name__, reason=str(error))
        except Exception as error:
            log.error("reading_place_failed", error=type(error).__name__, exc_info=True)
        else:
            self._count(found)
            return found
        return None

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, heard: datetime, take: AppendEvents, done: OnCaughtUp) -> None:
        began, loop = self._clock(), asyncio.get_running_loop()
        # Do not ask the vendor for events that could not be accepted now.
        if not await self._ready():
            self._not_before = loop.time() + self._times.history_retry
            return
        try:
            found = await self._catch_up(self._get_start(heard), take)
        except (DeliveryError, TemporaryRefusal, Fenced) as error:
            self._log("catching_up_later", code=error.code, reason=error.message)
        except Exception as error:
            log.error("catching_up_failed", error=type(error).__name__, exc_info=True)
        else:
            self._failures = 0
            self._log("caught_up", since=heard.isoformat(), messages=found)
            return done(began)
        self._failures += 1
        pause = min(self._times.max_backoff, self._times.history_retry * 2 ** (self._failures - 1))
        self._not_before = loop.time() + pause

    async def _catch_up(self, since: datetime, take: AppendEvents) -> int:
        found = 0
        async for events in self._history(since):
            self._holding.check()
            await take([_mark_backfilled(event) for event in events])
            found += len(events)
            self._count(events)
        return found

    def _get_start(self, heard: datetime) -> datetime:
        return max(heard - timedelta(seconds=self._times.overlap), self._clock() - HORIZON)

    def _count(self, events: Sequence[ChannelEvent]) -> None:
        self._metrics.count("parley_backfilled_total", len(events), channel=self._account.channel)

    def _log(self, event: str, **more: object) -> None:
        fields = {"tenant": self._account.tenant, "channel": self._account.channel, "account": self._account.name}
        log.info(event, **fields, **more)


def _mark_backfilled(event: ChannelEvent) -> ChannelEvent:
    if event.type != MESSAGE_RECEIVED:
        return event
    return replace(event, payload={**event.payload, "backfilled": True})
