"""The gateway: a bot's events, resumed where they were appended last.

Why without Discord's library: docs/adr/0020-sockets-under-leases.md
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog
from pydantic import ValidationError

from connectors.discord.channel import DiscordChannel
from connectors.discord.gateway import DISPATCH, INVALID, RECONNECT, Frame, Gateway
from connectors.discord.responses import respond
from connectors.discord.rest import Rest
from connectors.discord.sessions import Session
from connectors.discord.settings import GATEWAY, DiscordAccount
from connectors.discord.shapes import Dispatch, where
from schemas.errors import RefusedForNow, SendDelayed
from schemas.ports import Account, Clock, Event, Line

log = structlog.get_logger("parley.discord")

INBOX = 2000
"""Events that wait to be appended; with more the connection is given up, and resumed once they can be."""
AT_ONCE = 100
HOLD = 10.0
"""Seconds for which what comes now waits for what was missed."""
INVALID_PAUSE = (1.0, 5.0)
"""Discord asks for a random pause before another try."""
RESERVE = 10
"""Identifications of the day that are left to whoever repairs something."""
DRAIN = 3.0
RETRY = 5.0


class DiscordStream:
    def __init__(self, channel: DiscordChannel, account: Account, line: Line, clock: Clock) -> None:
        self._channel = channel
        self._account = account
        self._settings: DiscordAccount = account.settings
        self._line = line
        self._clock = clock
        self._rest = Rest(account)
        self._inbox: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._responding: set[asyncio.Task[None]] = set()
        try:
            self._session = Session.model_validate(line.session)
        except ValidationError:
            self._session = Session()

    async def run(self) -> None:
        """See schemas.ports.Streaming."""
        try:
            await self._connection()
        finally:
            for task in self._responding:
                task.cancel()
            await self._rest.close()

    async def _connection(self) -> None:
        gateway = await self._greeted()
        tasks = [asyncio.create_task(each) for each in (self._read(gateway), self._work(), gateway.beat())]
        reader, worker, _ = tasks
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and not worker.done():
                # What was told is told again after a resumption, but not after an invalid session.
                self._inbox.put_nowait(None)
                await asyncio.wait({worker}, timeout=DRAIN)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await gateway.close()
        for task in tasks:
            if not task.cancelled():
                task.result()
        if gateway.is_forgotten:
            self._forget()
        if (error := gateway.explain()) is not None:
            raise error

    async def _greeted(self) -> Gateway:
        """Connected, with the old session or a new one. Raises what ``run`` does."""
        session, token = self._session, self._settings.token.get_secret_value()
        if not session.id:
            await self._afford()
        # A proxy that stands in for the gateway does so for every connection.
        own = self._settings.gateway_url
        url = session.url if session.url and own == GATEWAY else own
        gateway = await Gateway.opened(self._rest.session, url, lambda: self._session.seq)
        try:
            if session.id:
                await gateway.resume(token, session.id, session.seq)
            else:
                await self._spend()
                await gateway.identify(token)
        except BaseException:
            await gateway.close()
            raise
        return gateway

    async def _afford(self) -> None:
        """Raises SendDelayed while the bot may not identify, CredentialsRevoked before an identification is wasted."""
        wait = self._session.budget.wait(self._clock())
        if wait > timedelta(0):
            log.warning("identify_delayed", **where(self._account), seconds=wait.total_seconds())
            raise SendDelayed("too many sessions were begun", retry_after_ms=int(wait.total_seconds() * 1000) + 1)
        about = await self._rest.read("/gateway/bot", dict)
        limit = about.get("session_start_limit")
        left, reset = (limit.get("remaining"), limit.get("reset_after")) if isinstance(limit, Mapping) else (None, None)
        if isinstance(left, int) and left <= RESERVE and isinstance(reset, int):
            log.error("identify_exhausted", **where(self._account), seconds=reset // 1000)
            raise SendDelayed("the day's sessions are used up", retry_after_ms=reset)

    async def _spend(self) -> None:
        """On record before it is done. Raises Unavailable, Fenced."""
        self._keep(Session(budget=self._session.budget.spent(self._clock())))
        await self._line.save()

    async def _read(self, gateway: Gateway) -> None:
        while (frame := await gateway.next()) is not None:
            if frame.op == DISPATCH:
                if self._inbox.qsize() >= INBOX:
                    raise SendDelayed("more happens than can be appended")
                self._inbox.put_nowait(frame)
            elif frame.op == RECONNECT:
                return
            elif frame.op == INVALID:
                if frame.d is not True:
                    self._forget()
                raise SendDelayed("the session is invalid", retry_after_ms=int(random.uniform(*INVALID_PAUSE) * 1000))

    async def _work(self) -> None:
        while (first := await self._inbox.get()) is not None:
            frames = [first]
            while len(frames) < AT_ONCE and not self._inbox.empty():
                if (following := self._inbox.get_nowait()) is None:
                    self._inbox.put_nowait(None)
                    break
                frames.append(following)
            await self._take(frames)

    async def _take(self, frames: list[Frame]) -> None:
        """Append, and only then count them as heard."""
        await self._begin(frames)
        told = [(each, self._events(each)) for each in frames]
        await self._append([event for _, events in told for event in events])
        for frame, events in told:
            if frame.t == "INTERACTION_CREATE":
                task = asyncio.create_task(respond(self._rest, frame.d, self._account, understood=bool(events)))
                self._responding.add(task)
                task.add_done_callback(self._responding.discard)
        if (numbers := [each.s for each in frames if each.s is not None]) and self._session.id:
            self._keep(self._session.model_copy(update={"seq": numbers[-1]}))

    async def _begin(self, frames: list[Frame]) -> None:
        for frame in frames:
            if frame.t == "READY" and isinstance(frame.d, Mapping):
                id_, url = (str(frame.d.get(name) or "") for name in ("session_id", "resume_gateway_url"))
                self._keep(Session(id=id_, seq=frame.s or 0, url=url, budget=self._session.budget))
                await self._line.live(missed=True, hold=HOLD)
            elif frame.t == "RESUMED":
                await self._line.live(missed=False, hold=HOLD)

    async def _append(self, events: list[Event]) -> None:
        """Until it succeeds: nothing tells the gateway to repeat one event, and a later one must not overtake it."""
        while True:
            try:
                return await self._line.take(events)
            except RefusedForNow as error:
                log.warning("append_failed", **where(self._account), code=error.code)
                await asyncio.sleep(min(RETRY, (error.retry_after_ms or 1000) / 1000))

    def _events(self, frame: Frame) -> list[Event]:
        with suppress(ValidationError):
            return self._channel.events(Dispatch.model_validate({"t": frame.t, "d": frame.d}), self._account)
        log.info("frame_unreadable", **where(self._account), kind=str(frame.t)[:64])
        return []

    def _keep(self, session: Session) -> None:
        self._session = session
        kept: dict[str, Any] = session.model_dump(mode="json")
        self._line.remember(kept)

    def _forget(self) -> None:
        self._keep(self._session.ended())
