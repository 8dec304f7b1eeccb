"""What a stream has in its hands: the way in, a memory that outlives the process, and the account's past."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from connectors.streams.account_lease import Holding
from connectors.streams.catch_up import CatchingUp
from connectors.streams.timing import Times
from schemas.errors import Fenced, InvalidRequest, RefusedForNow, Unavailable
from schemas.ports import Account, Clock, Event, Metrics

log = structlog.get_logger("parley.streams")

Accept = Callable[[Account, Sequence[Event]], Awaitable[None]]
"""Append what an account's vendor told; durable when it returns. Raises InvalidRequest, RefusedForNow."""


class Note(BaseModel):
    """What one holder leaves for the next."""

    heard: datetime | None = None
    session: dict[str, Any] = {}


class AccountLine:
    """See schemas.ports.Line. ``tick`` is called after every renewal of the lease."""

    def __init__(
        self,
        account: Account,
        holding: Holding,
        accept: Accept,
        *,
        times: Times,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._account = account
        self._holding = holding
        self._accept = accept
        self._times = times
        self._clock = clock
        self._metrics = metrics
        self.catching: CatchingUp | None = None
        """For a channel whose vendor can be asked."""
        self._note = Note()
        self._saved = Note()
        self._is_first = False
        """Nobody ever listened before the present connection, or the one that is being made."""
        self._is_live = False
        self._is_behind = False
        self._losses = 0
        """How often something was missed."""
        self._refused = False
        self._taking: datetime | None = None
        self._hold_until = 0.0

    async def open(self) -> None:
        """Find what the last holder left. From when on something can be missed is on record before anybody listens: the
        first holder may be killed before it is live. Raises Unavailable, Fenced."""
        with suppress(ValidationError):
            self._note = Note.model_validate_json(await self._holding.note() or "{}")
        self._saved = self._note.model_copy()
        if self._note.heard is None:
            self._is_first = True
            self._note = self._note.model_copy(update={"heard": self._clock()})
            await self.save()

    @property
    def session(self) -> Mapping[str, Any]:
        return self._note.session

    @property
    def silence(self) -> timedelta | None:
        """How long ago the account was last heard; None: never."""
        return None if self._note.heard is None else self._clock() - self._note.heard

    @property
    def is_live(self) -> bool:
        return self._is_live

    async def take(self, events: Sequence[Event]) -> None:
        await self._caught_up()
        self._holding.check()
        self._taking = self._clock()
        try:
            await self._append(events)
            self._refused = False
        except RefusedForNow:
            self._refused = True
            raise
        finally:
            self._taking = None
        # What was appended by a process that is no longer the holder is there, but its vendor may tell the next one.
        self._holding.check()

    def remember(self, session: Mapping[str, Any]) -> None:
        self._note = self._note.model_copy(update={"session": dict(session)})

    async def save(self) -> None:
        note = self._note
        await self._holding.leave(note.model_dump_json())
        self._saved = note

    async def live(self, *, missed: bool, hold: float) -> None:
        self._is_live = True
        self._tell(1)
        if missed and not self._is_first:
            self.behind()
            self._hold_until = asyncio.get_running_loop().time() + hold
            self._catch_up()
        self._is_first = False
        # Whoever is killed in the first second must leave behind from when on the account was heard.
        with suppress(Unavailable):
            await self.save()

    def behind(self) -> None:
        """The vendor may not tell again what was refused: its history is asked once events can be taken."""
        self._is_behind = self.catching is not None
        self._losses += 1

    def broken(self) -> None:
        """Nothing is heard for now."""
        self._count_as_heard()
        self._is_first = False
        self._is_live = False
        self._tell(0)

    async def tick(self) -> None:
        """Raises Fenced."""
        if self._is_behind:
            self._catch_up()
        self._count_as_heard()
        if self._is_due():
            # A store that hangs must not keep the next renewal waiting.
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(self._times.renew / 2):
                    await self.save()

    async def close(self) -> None:
        """Whoever comes next knows all that we know."""
        self.broken()
        if self.catching is not None:
            await self.catching.stop()
        with suppress(Unavailable, Fenced):
            await self.save()

    def _is_due(self) -> bool:
        if self._note.session != self._saved.session or self._saved.heard is None:
            return self._note != self._saved
        heard = self._note.heard or self._saved.heard
        return (heard - self._saved.heard).total_seconds() >= self._times.noted

    def _count_as_heard(self) -> None:
        """All that happened until now; what is being appended is not counted yet."""
        if self._is_live and not self._is_behind and not self._refused:
            self._note = self._note.model_copy(update={"heard": self._taking or self._clock()})

    async def _append(self, events: Sequence[Event]) -> None:
        """One event that cannot be used does not take the others with it."""
        try:
            if events:
                await self._accept(self._account, events)
        except InvalidRequest as error:
            if len(events) == 1:
                about = {"tenant": self._account.tenant, "channel": self._account.channel}
                log.warning("event_refused", **about, account=self._account.name, reason=error.message)
                return
            for each in events:
                await self._append([each])

    async def _caught_up(self) -> None:
        if self.catching is not None:
            await self.catching.wait(self._hold_until - asyncio.get_running_loop().time())

    def _catch_up(self) -> None:
        if self.catching is not None and self._note.heard is not None:
            self.catching.begin(self._note.heard, self._append, partial(self._caught, self._losses))

    def _caught(self, losses: int, began: datetime) -> None:
        # What was missed while a history was read may stand where that had been read already.
        self._is_behind = self._losses != losses
        self._note = self._note.model_copy(update={"heard": began})

    def _tell(self, live: int) -> None:
        about = {"tenant": self._account.tenant, "channel": self._account.channel, "account": self._account.name}
        self._metrics.gauge("parley_accounts_heard", live, **about)
