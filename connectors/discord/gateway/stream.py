"""Stream of a bot's events over the gateway, resumed after the last appended event.

Discord may require a bot in many servers to use several connections, its shards. Each gets the events of some servers;
the first also gets direct messages. The holder of the account holds all shards. When one ends, all are closed and
resumed: that costs no identification, and the account as a whole is either live or not.

Why without Discord's library: docs/adr/0020-stream-leases-and-backfill.md
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
from connectors.discord.gateway.session_store import Session, SessionStore
from connectors.discord.gateway.shard import Shard
from connectors.discord.gateway.websocket import Frame, GatewaySocket
from connectors.discord.models import Context, Dispatch, get_log_fields
from connectors.discord.rest import RestClient
from connectors.discord.settings import GATEWAY, DiscordAccount
from schemas.errors import RetryLater, SendUnknown, SetupError, TemporaryRefusal
from schemas.ports import Account, Clock, Event, EventStreamContext

log = structlog.get_logger("parley.discord")

CATCH_UP_SECONDS = 10.0
"""Seconds that new events wait for missed ones."""
RESERVED_IDENTIFIES = 10
"""Identifications per day that are kept for repairs."""
RETRY_SECONDS = 5.0
MAX_SHARDS = 200
"""Of one process; Discord asks for one per thousand servers."""


class DiscordStream:
    """See connectors.discord.gateway.shard.ShardOwner."""

    def __init__(self, channel: DiscordChannel, account: Account, line: EventStreamContext, clock: Clock) -> None:
        self._channel = channel
        self._account = account
        self._settings: DiscordAccount = account.settings
        self._line = line
        self._clock = clock
        self._rest = RestClient(account)
        self._directory = Directory(self._rest, account)
        self._responding: set[asyncio.Task[None]] = set()
        self._store = SessionStore.from_note(line.session)
        self._max_concurrency = 1
        """Shards that may identify together."""
        self._is_count_fresh = False
        self._ready_shards: dict[int, bool] = {}
        """The shards that receive events, and whether in a new session."""
        self._all_ready = asyncio.Event()
        self._append_lock = asyncio.Lock()

    async def run(self) -> None:
        """See schemas.ports.EventStreamChannel."""
        try:
            await self._connections()
        except SetupError:
            self._remember(self._store.reset())
            if self._is_count_fresh and not self._all_ready.is_set():
                raise
            # It worked before: Discord may require another number of shards now.
            raise RetryLater("the number of shards is asked for anew", retry_after_ms=1000) from None
        finally:
            for task in self._responding:
                task.cancel()
            await self._rest.close()

    # ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _connections(self) -> None:
        if not self._store.is_complete:
            await self._plan_shards()
        shards = [Shard(number, session, self) for number, session in enumerate(self._store.sessions)]
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
        """Resume the shards with a session; then the others identify, as many together as Discord allows."""
        for shard in shards:
            if shard.session.id:
                running.add(asyncio.create_task(shard.run(await self._resume(shard))))
        new = [shard for shard in shards if not shard.session.id]
        for start in range(0, len(shards), self._max_concurrency):
            # Discord groups shards by number modulo max_concurrency.
            together = [shard for shard in new if start <= shard.number < start + self._max_concurrency]
            if together:
                await asyncio.sleep(self._store.budget.get_spacing(self._clock()).total_seconds())
                await self._spend_budget(len(together))
            for shard in together:
                running.add(asyncio.create_task(shard.run(await self._identify(shard, len(shards)))))

    async def _resume(self, shard: Shard) -> GatewaySocket:
        session = shard.session
        return await self._connect(shard, lambda gateway: gateway.resume(self._token, session.id, session.seq))

    async def _identify(self, shard: Shard, count: int) -> GatewaySocket:
        return await self._connect(shard, lambda gateway: gateway.identify(self._token, (shard.number, count)))

    async def _connect(self, shard: Shard, introduce: Callable[[GatewaySocket], Awaitable[None]]) -> GatewaySocket:
        """Connect and introduce the shard. Raises what ``run`` does."""
        # A configured proxy is used for every connection.
        configured, resume_url = self._settings.gateway_url, shard.session.url
        url = resume_url if resume_url and configured == GATEWAY else configured
        gateway = await GatewaySocket.connect(self._rest.session, url, lambda: shard.session.seq)
        try:
            await introduce(gateway)
        except BaseException:
            await gateway.close()
            raise
        return gateway

    @property
    def _token(self) -> str:
        return self._settings.token.get_secret_value()

    async def _plan_shards(self) -> None:
        """Ask Discord for the number of shards, and check that they may identify. Raises RetryLater while they may
        not, CredentialsRevoked before an identification is wasted."""
        self._wait_for_budget()
        answer = await self._rest.read("/gateway/bot", dict)
        self._is_count_fresh = True
        limit = answer.get("session_start_limit")
        limits: Mapping[str, object] = limit if isinstance(limit, Mapping) else {}
        self._max_concurrency = max(1, _parse_number(limits.get("max_concurrency")))
        if not self._store.sessions:
            count = min(MAX_SHARDS, max(1, _parse_number(answer.get("shards"))))
            self._store = self._store.model_copy(update={"sessions": [Session()] * count})
        remaining, reset = limits.get("remaining"), limits.get("reset_after")
        if (
            isinstance(remaining, int)
            and remaining < RESERVED_IDENTIFIES + self._store.missing_count
            and isinstance(reset, int)
        ):
            log.error("identify_exhausted", **get_log_fields(self._account), seconds=reset // 1000)
            raise RetryLater("the day's sessions are used up", retry_after_ms=reset)
        self._wait_for_budget()

    def _wait_for_budget(self) -> None:
        wait = self._store.budget.get_wait(self._clock(), max(1, self._store.missing_count))
        if wait > timedelta(0):
            log.warning("identify_delayed", **get_log_fields(self._account), seconds=wait.total_seconds())
            raise RetryLater("too many sessions were begun", retry_after_ms=int(wait.total_seconds() * 1000) + 1)

    async def _spend_budget(self, many: int) -> None:
        """Record identifications before they are made. Raises Unavailable, Fenced."""
        spent = self._store.budget.spend(self._clock(), many)
        self._remember(self._store.model_copy(update={"budget": spent}))
        await self._line.save()

    # ── shared by the shards ─────────────────────────────────────────────────────────────────────────────────────────

    async def report_ready(self, shard: int, *, fresh: bool) -> None:
        self._ready_shards[shard] = fresh
        if len(self._ready_shards) == len(self._store.sessions) and not self._all_ready.is_set():
            await self._line.live(missed=any(self._ready_shards.values()), hold=CATCH_UP_SECONDS)
            self._all_ready.set()
        await self._all_ready.wait()

    async def append(self, frames: Sequence[Frame]) -> None:
        parsed = [(each, self._parse(each, await self._load_context(each))) for each in frames]
        async with self._append_lock:
            await self._append([event for _, events in parsed for event in events])
        for frame, events in parsed:
            if frame.t == "INTERACTION_CREATE":
                task = asyncio.create_task(respond(self._rest, frame.d, self._account, understood=bool(events)))
                self._responding.add(task)
                task.add_done_callback(self._responding.discard)

    def save_session(self, shard: int, session: Session) -> None:
        self._remember(self._store.replace_session(shard, session))

    async def _append(self, events: list[Event]) -> None:
        """Append, trying until it succeeds: the gateway cannot repeat one event, and later ones must not overtake."""
        while True:
            try:
                return await self._line.take(events)
            except TemporaryRefusal as error:
                log.warning("append_failed", **get_log_fields(self._account), code=error.code)
                await asyncio.sleep(min(RETRY_SECONDS, (error.retry_after_ms or 1000) / 1000))

    async def _load_context(self, frame: Frame) -> Context:
        """Wait until Discord gives the context: the same event must always be parsed the same way. Raises
        CredentialsRevoked."""
        self._directory.learn(frame.t, frame.d)
        while True:
            try:
                return await self._directory.load_context(frame.t, frame.d)
            except (RetryLater, SendUnknown) as error:
                log.warning("server_unknown", **get_log_fields(self._account), reason=error.message)
                await asyncio.sleep(min(RETRY_SECONDS, (error.retry_after_ms or 1000) / 1000))

    def _parse(self, frame: Frame, context: Context) -> list[Event]:
        with suppress(ValidationError):
            dispatch = Dispatch.model_validate({"t": frame.t, "d": frame.d, "context": context})
            return self._channel.parse_dispatch(dispatch, self._account)
        log.info("frame_unreadable", **get_log_fields(self._account), kind=str(frame.t)[:64])
        return []

    def _remember(self, memory: SessionStore) -> None:
        self._store = memory
        self._line.remember(memory.model_dump(mode="json"))


def _parse_number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
