"""The gateway: a bot's events, resumed where they were appended last.

Discord may want a bot that is in many servers to come with several connections, its shards, each of which is told of a
part of the servers; the first also of direct messages. Whoever holds the account holds them all. When one ends the
others are closed with it, and all are resumed: that costs no identification, and keeps one word for "is heard".

Why without Discord's library: docs/adr/0020-sockets-under-leases.md
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

import structlog
from pydantic import ValidationError

from connectors.discord.channel import DiscordChannel
from connectors.discord.directory import Directory
from connectors.discord.gateway.interaction_responses import respond
from connectors.discord.gateway.session_store import Memory, Session
from connectors.discord.gateway.shard import Shard
from connectors.discord.gateway.websocket import Frame, Gateway
from connectors.discord.models import Context, Dispatch, where
from connectors.discord.rest import Rest
from connectors.discord.settings import GATEWAY, DiscordAccount
from schemas.errors import RefusedForNow, SendDelayed, SendUnknown, SetupError
from schemas.ports import Account, Clock, Event, Line

log = structlog.get_logger("parley.discord")

HOLD = 10.0
"""Seconds for which what comes now waits for what was missed."""
RESERVE = 10
"""Identifications of the day that are left to whoever repairs something."""
RETRY = 5.0
MOST_SHARDS = 200
"""Of one process; Discord asks for one per thousand servers."""


class DiscordStream:
    """See connectors.discord.gateway.shard.Bot."""

    def __init__(self, channel: DiscordChannel, account: Account, line: Line, clock: Clock) -> None:
        self._channel = channel
        self._account = account
        self._settings: DiscordAccount = account.settings
        self._line = line
        self._clock = clock
        self._rest = Rest(account)
        self._directory = Directory(self._rest, account)
        self._responding: set[asyncio.Task[None]] = set()
        self._memory = Memory.read(line.session)
        self._at_once = 1
        """Shards that may identify together."""
        self._asked = False
        self._up: dict[int, bool] = {}
        """The shards that hear, and whether in a new session."""
        self._all_up = asyncio.Event()
        self._appending = asyncio.Lock()

    async def run(self) -> None:
        """See schemas.ports.Streaming."""
        try:
            await self._connections()
        except SetupError:
            self._remember(self._memory.anew())
            if self._asked and not self._all_up.is_set():
                raise
            # It was well once: Discord may want another number of shards by now.
            raise SendDelayed("the number of shards is asked for anew", retry_after_ms=1000) from None
        finally:
            for task in self._responding:
                task.cancel()
            await self._rest.close()

    # ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _connections(self) -> None:
        if not self._memory.is_whole:
            await self._afford()
        shards = [Shard(number, session, self) for number, session in enumerate(self._memory.sessions)]
        running: set[asyncio.Task[None]] = set()
        opening = asyncio.create_task(self._open(shards, running))
        try:
            while True:
                done, _ = await asyncio.wait({opening, *running}, return_when=asyncio.FIRST_COMPLETED)
                if done != {opening}:
                    break
                opening.result()
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = [opening, *running]
            ended = [task for task in tasks if task.done()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in ended:
            task.result()

    async def _open(self, shards: Sequence[Shard], running: set[asyncio.Task[None]]) -> None:
        """Resume those that have a session; then the others identify, as many together as Discord lets."""
        for shard in shards:
            if shard.session.id:
                running.add(asyncio.create_task(shard.run(await self._resumed(shard))))
        new = [shard for shard in shards if not shard.session.id]
        for start in range(0, len(shards), self._at_once):
            # Discord tells them apart by the number modulo so many.
            together = [shard for shard in new if start <= shard.number < start + self._at_once]
            if together:
                await asyncio.sleep(self._memory.budget.until(self._clock()).total_seconds())
                await self._spend(len(together))
            for shard in together:
                running.add(asyncio.create_task(shard.run(await self._identified(shard, len(shards)))))

    async def _resumed(self, shard: Shard) -> Gateway:
        session = shard.session
        return await self._greeted(shard, lambda gateway: gateway.resume(self._token, session.id, session.seq))

    async def _identified(self, shard: Shard, count: int) -> Gateway:
        return await self._greeted(shard, lambda gateway: gateway.identify(self._token, (shard.number, count)))

    async def _greeted(self, shard: Shard, say: Callable[[Gateway], Awaitable[None]]) -> Gateway:
        """Connected, and so introduced. Raises what ``run`` does."""
        # A proxy that stands in for the gateway does so for every connection.
        own, told = self._settings.gateway_url, shard.session.url
        url = told if told and own == GATEWAY else own
        gateway = await Gateway.opened(self._rest.session, url, lambda: shard.session.seq)
        try:
            await say(gateway)
        except BaseException:
            await gateway.close()
            raise
        return gateway

    @property
    def _token(self) -> str:
        return self._settings.token.get_secret_value()

    async def _afford(self) -> None:
        """Find out how many shards there are to be, and whether they may identify. Raises SendDelayed while the bot may
        not, CredentialsRevoked before an identification is wasted."""
        self._wait_for_budget()
        about = await self._rest.read("/gateway/bot", dict)
        self._asked = True
        limit = about.get("session_start_limit")
        told: Mapping[str, object] = limit if isinstance(limit, Mapping) else {}
        self._at_once = max(1, _number(told.get("max_concurrency")))
        if not self._memory.sessions:
            count = min(MOST_SHARDS, max(1, _number(about.get("shards"))))
            self._memory = self._memory.model_copy(update={"sessions": [Session()] * count})
        left, reset = told.get("remaining"), told.get("reset_after")
        if isinstance(left, int) and left < RESERVE + self._memory.missing and isinstance(reset, int):
            log.error("identify_exhausted", **where(self._account), seconds=reset // 1000)
            raise SendDelayed("the day's sessions are used up", retry_after_ms=reset)
        self._wait_for_budget()

    def _wait_for_budget(self) -> None:
        wait = self._memory.budget.wait(self._clock(), max(1, self._memory.missing))
        if wait > timedelta(0):
            log.warning("identify_delayed", **where(self._account), seconds=wait.total_seconds())
            raise SendDelayed("too many sessions were begun", retry_after_ms=int(wait.total_seconds() * 1000) + 1)

    async def _spend(self, many: int) -> None:
        """On record before it is done. Raises Unavailable, Fenced."""
        spent = self._memory.budget.spent(self._clock(), many)
        self._remember(self._memory.model_copy(update={"budget": spent}))
        await self._line.save()

    # ── what the shards share ────────────────────────────────────────────────────────────────────────────────────────

    async def up(self, shard: int, *, fresh: bool) -> None:
        self._up[shard] = fresh
        if len(self._up) == len(self._memory.sessions) and not self._all_up.is_set():
            await self._line.live(missed=any(self._up.values()), hold=HOLD)
            self._all_up.set()
        await self._all_up.wait()

    async def take(self, frames: Sequence[Frame]) -> None:
        told = [(each, self._events(each, await self._context(each))) for each in frames]
        async with self._appending:
            await self._append([event for _, events in told for event in events])
        for frame, events in told:
            if frame.t == "INTERACTION_CREATE":
                task = asyncio.create_task(respond(self._rest, frame.d, self._account, understood=bool(events)))
                self._responding.add(task)
                task.add_done_callback(self._responding.discard)

    def keep(self, shard: int, session: Session) -> None:
        self._remember(self._memory.having(shard, session))

    async def _append(self, events: list[Event]) -> None:
        """Until it succeeds: nothing tells the gateway to repeat one event, and a later one must not overtake it."""
        while True:
            try:
                return await self._line.take(events)
            except RefusedForNow as error:
                log.warning("append_failed", **where(self._account), code=error.code)
                await asyncio.sleep(min(RETRY, (error.retry_after_ms or 1000) / 1000))

    async def _context(self, frame: Frame) -> Context:
        """Until Discord says it: the same event must be read the same way whenever it is told. Raises
        CredentialsRevoked."""
        self._directory.learn(frame.t, frame.d)
        while True:
            try:
                return await self._directory.context(frame.t, frame.d)
            except (SendDelayed, SendUnknown) as error:
                log.warning("server_unknown", **where(self._account), reason=error.message)
                await asyncio.sleep(min(RETRY, (error.retry_after_ms or 1000) / 1000))

    def _events(self, frame: Frame, context: Context) -> list[Event]:
        with suppress(ValidationError):
            told = Dispatch.model_validate({"t": frame.t, "d": frame.d, "context": context})
            return self._channel.events(told, self._account)
        log.info("frame_unreadable", **where(self._account), kind=str(frame.t)[:64])
        return []

    def _remember(self, memory: Memory) -> None:
        self._memory = memory
        self._line.remember(memory.model_dump(mode="json"))


def _number(told: object) -> int:
    return told if isinstance(told, int) and not isinstance(told, bool) else 0
