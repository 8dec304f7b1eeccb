"""One account's stream: where its events go, what is remembered between processes, and catching up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from connectors.streams.account_lease import AccountLease
from connectors.streams.catch_up import HORIZON, CatchUp, ReadHistory
from connectors.streams.timing import EventStreamTimings
from schemas.errors import Fenced, InvalidRequest, TemporaryRefusal, Unavailable
from schemas.ports import Account, ChannelEvent, Clock, Metrics

log = structlog.get_logger("parley.streams")

Accept = Callable[[Account, Sequence[ChannelEvent]], Awaitable[None]]
"""Append the events of an account; they are durable when it returns. Raises InvalidRequest, TemporaryRefusal."""


class Note(BaseModel):
    """The note that one holder of an account leaves for the next."""

    heard: datetime | None = None
    is_behind: bool = False
    """Histories still have to be read since then, also if the vendor resumes the session."""
    gap: tuple[datetime, datetime] | None = None
    """The time in which events were missed; several gaps are one. Strangers who wrote in it are read when an event
    names their place."""
    session: dict[str, Any] = {}


class AccountEventStream:
    """See schemas.ports.EventStreamContext. ``tick`` is called after every renewal of the lease."""

    def __init__(
        self,
        account: Account,
        holding: AccountLease,
        accept: Accept,
        *,
        times: EventStreamTimings,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._account = account
        self._holding = holding
        self._accept = accept
        self._times = times
        self._clock = clock
        self._metrics = metrics
        self.catch_up: CatchUp | None = None
        """The backfill of channels whose vendor keeps a history."""
        self.read_places: set[str] = set()
        """Places whose histories were read after the last gap."""
        self.list_known_places: Callable[[], Awaitable[Sequence[str]]] | None = None
        """Add the places of all conversations, which a backfill reads, to ``read_places``."""
        self._has_listed_places = False
        self._has_unread_place = False
        self._note = Note()
        self._saved = Note()
        self._is_first = False
        """No process has listened before this connection."""
        self._is_live = False
        self._loss_count = 0
        """The number of times that events were missed."""
        self._refused = False
        self._append_started: datetime | None = None
        self._pending_since: datetime | None = None
        self._hold_until = 0.0

    async def open(self) -> None:
        """Read the last holder's note. The first holder records the start before it listens, because it may be killed
        before it is live. Raises Unavailable, Fenced."""
        with suppress(ValidationError):
            self._note = Note.model_validate_json(await self._holding.read_note() or "{}")
        self._saved = self._note.model_copy()
        if self._note.heard is None:
            self._is_first = True
            self._note = self._note.model_copy(update={"heard": self._clock()})
            await self.save()

    @property
    def session(self) -> Mapping[str, Any]:
        return self._note.session

    @property
    def stored_session(self) -> Mapping[str, Any]:
        return self._saved.session

    @property
    def silence(self) -> timedelta | None:
        """Seconds since the last event or heartbeat of the account; None if there was none."""
        return None if self._note.heard is None else self._clock() - self._note.heard

    async def take(self, events: Sequence[ChannelEvent]) -> None:
        await self._wait_for_catch_up()
        self._holding.check()
        self._append_started = self._clock()
        try:
            await self._append(events)
            self._refused = False
        except TemporaryRefusal:
            self._refused = True
            raise
        finally:
            self._append_started = None
        # If the lease was lost meanwhile, the events are appended, but the next holder may get them again.
        self._holding.check()
        self._repeat_backfill()

    async def find_missed(self, place: str, read: ReadHistory) -> list[ChannelEvent]:
        await self._wait_for_catch_up()
        gap = self._get_gap()
        if self.catch_up is None or gap is None:
            return []
        await self._list_places_once()
        # After one failure the repeated backfill reads the others, too, rather than keep events waiting for each.
        if place in self.read_places or self._has_unread_place:
            return []
        found = await self.catch_up.read_place(gap[0], read)
        if found is None:
            self._has_unread_place = True
            # Save before the event is appended: the vendor does not repeat it, and this process may end before the
            # backfill does.
            self._request_backfill_of_gap()
            with suppress(Unavailable):
                await self.save()
            return []
        self.read_places.add(place)
        return found

    def remember(self, session: Mapping[str, Any]) -> None:
        self._note = self._note.model_copy(update={"session": dict(session)})

    async def save(self) -> None:
        note = self._note
        await self._holding.save_note(note.model_dump_json())
        self._saved = note

    async def live(self, *, missed: bool, hold: float) -> None:
        self._is_live = True
        self._report_live(1)
        if (missed or self._note.is_behind) and not self._is_first:
            self.read_places.clear()
            self._has_listed_places = True
            began, gap = self._note.heard or self._clock(), self._get_gap()
            gap = (min(began, gap[0]) if gap else began, self._clock())
            self._note = self._note.model_copy(update={"gap": gap})
            self.request_backfill()
            self._hold_until = asyncio.get_running_loop().time() + hold
            self._start_catch_up()
        self._is_first = False
        # Save now: a process that is killed at once must leave the time behind.
        with suppress(Unavailable):
            await self.save()

    def request_backfill(self) -> None:
        """Events were missed. The vendor may not repeat them, so its history is read once events can be accepted."""
        self._note = self._note.model_copy(update={"is_behind": self.catch_up is not None})
        self._loss_count += 1

    def mark_pending(self, since: datetime | None) -> None:
        self._pending_since = since

    def mark_disconnected(self) -> None:
        self._update_heard()
        self._is_first = False
        self._is_live = False
        self._report_live(0)

    async def tick(self) -> None:
        """Raises Fenced."""
        if self._note.is_behind:
            self._start_catch_up()
        self._update_heard()
        if self._is_save_due():
            # A store that hangs must not delay the next renewal.
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(self._times.renew / 2):
                    await self.save()

    async def close(self) -> None:
        """Save everything for the next holder."""
        self.mark_disconnected()
        if self.catch_up is not None:
            await self.catch_up.stop()
        with suppress(Unavailable, Fenced):
            await self.save()

    def _is_save_due(self) -> bool:
        if self._note.session != self._saved.session or self._note.is_behind or self._saved.heard is None:
            return self._note != self._saved
        heard = self._note.heard or self._saved.heard
        return (heard - self._saved.heard).total_seconds() >= self._times.note_interval

    def _update_heard(self) -> None:
        """Count the time until now as heard, except events that wait or are being appended."""
        if self._is_live and not self._note.is_behind and not self._refused:
            unheard = [each for each in (self._append_started, self._pending_since) if each is not None]
            self._note = self._note.model_copy(update={"heard": min([self._clock(), *unheard])})

    async def _append(self, events: Sequence[ChannelEvent]) -> None:
        """Append the events; one that is invalid does not stop the others."""
        try:
            if events:
                await self._accept(self._account, events)
        except InvalidRequest as error:
            if len(events) == 1:
                fields = {"tenant": self._account.tenant, "channel": self._account.channel}
                log.warning("event_refused", **fields, account=self._account.name, reason=error.message)
                return
            for each in events:
                await self._append([each])

    def _repeat_backfill(self) -> None:
        """Read all histories since the last gap once more, if that of a new place could not be read: the event that
        named the place is appended now, so the place is known."""
        if self._has_unread_place:
            self._has_unread_place = False
            self._request_backfill_of_gap()

    def _request_backfill_of_gap(self) -> None:
        if self._note.gap is not None:
            self._note = self._note.model_copy(update={"heard": self._note.gap[0]})
            self.request_backfill()

    def _get_gap(self) -> tuple[datetime, datetime] | None:
        """None if there was none, or it is too long ago."""
        gap = self._note.gap
        return gap if gap is not None and gap[1] >= self._clock() - HORIZON else None

    async def _list_places_once(self) -> None:
        """After a change of holder, whose predecessor has read the places that were known."""
        if not self._has_listed_places and self.list_known_places is not None:
            with suppress(Unavailable):
                await self.list_known_places()
                self._has_listed_places = True

    async def _wait_for_catch_up(self) -> None:
        if self.catch_up is not None:
            await self.catch_up.wait(self._hold_until - asyncio.get_running_loop().time())

    def _start_catch_up(self) -> None:
        if self.catch_up is not None and self._note.heard is not None:
            self.catch_up.begin(self._note.heard, self._append, partial(self._finish_catch_up, self._loss_count))

    def _finish_catch_up(self, losses: int, began: datetime) -> None:
        # Events missed while the history was read may be in the part that had been read already.
        self._note = self._note.model_copy(update={"heard": began, "is_behind": self._loss_count != losses})

    def _report_live(self, live: int) -> None:
        labels = {"tenant": self._account.tenant, "channel": self._account.channel, "account": self._account.name}
        self._metrics.gauge("parley_accounts_heard", live, **labels)
