"""Stream of a bot's events over Discord's gateway: discord.py holds the connections, and each event is appended in its
order.

Discord may require a bot in many servers to use several connections, its shards. Each gets the events of some servers;
the first also gets direct messages. The holder of the account holds all shards. Sessions are resumed after the last
appended event, also by the next holder; histories are read when one has to begin anew.

docs/adr/0050-discord-gateway-client.md
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta

import structlog

from connectors.discord.channel import DiscordChannel
from connectors.discord.gateway.dispatcher import EventDispatcher
from connectors.discord.gateway.event_queue import EventQueue, GatewayEvent
from connectors.discord.gateway.sessions import Session, SessionStore
from connectors.discord.gateway.shard_client import NEW_SESSION, RESUMED_SESSION, ShardClient
from connectors.discord.models import get_log_fields
from connectors.discord.rest import RestClient
from schemas.errors import CredentialsRevoked, ParleyError, RetryLater, SetupError
from schemas.ports import Account, Clock, EventStreamContext

log = structlog.get_logger("parley.discord")

MAX_WAITING = 2000
"""Events waiting to be appended; above this the connection is given up, and resumed later."""
BATCH_SIZE = 100
DRAIN_SECONDS = 3.0
"""For what arrived before the connection ended."""
CATCH_UP_SECONDS = 10.0
"""Seconds that new events wait for missed ones."""
INVALID_PAUSE = (1.0, 5.0)
"""Discord asks for a random pause before a lost session is begun anew."""
RESERVED_IDENTIFIES = 10
"""Identifications per day that are kept for repairs."""
READY_NUMBER = 1
"""Of the first event of a session, of which nothing is appended. Who resumes after it is not sent it again, and so does
not take the session for a new one."""
MAX_SHARDS = 200
"""Of one process; Discord asks for one per thousand servers."""


class DiscordStream:
    """See connectors.discord.gateway.shard_client.ShardOwner."""

    def __init__(self, channel: DiscordChannel, account: Account, context: EventStreamContext, clock: Clock) -> None:
        self._account = account
        self._context = context
        self._clock = clock
        self._rest = RestClient(account)
        self._dispatcher = EventDispatcher(channel, account, context, self._rest)
        self._store = SessionStore.from_note(context.session)
        self._queue = EventQueue(clock, context.mark_pending)
        self._max_concurrency = 1
        """Shards that may identify together."""
        self._identified: dict[int, asyncio.Future[None]] = {}
        self._admission = asyncio.Lock()
        self._last_turn = -1
        """The group of shards that identified last."""
        self._lost: set[int] = set()
        """Shards that do not receive events."""
        self._is_live = False
        self._is_behind = False
        """A session began to which Discord repeats nothing."""
        self._may_append = asyncio.Event()
        """All shards have received events. Until then histories may have to come first, unless all are resumed."""
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """See schemas.ports.EventStreamChannel."""
        self._context.mark_pending(None)
        try:
            if self._store.missing_count:
                await self._plan_shards()
            else:
                self._may_append.set()
            await self._run_shards()
        except (CredentialsRevoked, SetupError) as error:
            self._context.remember(SessionStore(budget=self._store.budget).build_note())
            if isinstance(error, CredentialsRevoked) or not self._may_append.is_set():
                raise
            # It worked before: Discord may require another number of shards now.
            raise RetryLater("the number of shards is requested again", retry_after_ms=1000) from None
        finally:
            self._failure.cancel()
            self._dispatcher.close()
            await self._rest.close()

    # ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _plan_shards(self) -> None:
        """Ask Discord for the number of shards, and check that they may identify. Raises RetryLater while they may
        not, CredentialsRevoked before an identification is wasted."""
        self._check_budget(1)
        answer = await self._rest.read("/gateway/bot", dict)
        limit = answer.get("session_start_limit")
        limits: Mapping[str, object] = limit if isinstance(limit, Mapping) else {}
        self._max_concurrency = max(1, _parse_number(limits.get("max_concurrency")))
        if not self._store.sessions:
            count = min(MAX_SHARDS, max(1, _parse_number(answer.get("shards"))))
            self._store.sessions = [Session() for _ in range(count)]
        remaining, reset = limits.get("remaining"), limits.get("reset_after")
        reserved = RESERVED_IDENTIFIES + self._store.missing_count
        if isinstance(remaining, int) and remaining < reserved and isinstance(reset, int):
            log.error("identify_exhausted", **get_log_fields(self._account), seconds=reset // 1000)
            raise RetryLater("the day's sessions are used up", retry_after_ms=reset)
        self._check_budget(self._store.missing_count)

    async def _run_shards(self) -> None:
        """Run all shards until one ends, or an event cannot be appended. Raises what the end means."""
        self._lost = set(range(len(self._store.sessions)))
        worker = asyncio.create_task(self._process_events())
        running: set[asyncio.Future[None]] = {self._failure, worker}
        opening = asyncio.create_task(self._open(running))
        try:
            done, _ = await asyncio.wait(running | {opening}, return_when=asyncio.FIRST_COMPLETED)
            if done == {opening} and opening.exception() is None:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            await self._drain(worker)
        finally:
            tasks = [opening, *running]
            ended = [task for task in tasks if task.done()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for each in ended:
            each.result()

    async def _open(self, running: set[asyncio.Future[None]]) -> None:
        """Resume the shards that have a session; then start the others one after the other, because each waits for its
        turn to identify. Returns once all have, or one ended."""
        for number, session in sorted(enumerate(self._store.sessions), key=lambda each: not each[1].id):
            identified = self._identified[number] = asyncio.get_running_loop().create_future()
            client = ShardClient(self._account, number, len(self._store.sessions), self)
            running.add(asyncio.create_task(client.run_session()))
            if not session.id:
                await asyncio.wait({identified, *running}, return_when=asyncio.FIRST_COMPLETED)
                if not identified.done():
                    return

    async def _drain(self, worker: asyncio.Task[None]) -> None:
        """Append what arrived before the end: Discord does not repeat it if the session is lost."""
        if self._may_append.is_set() and not worker.done():
            emptied = asyncio.create_task(self._queue.wait_until_empty())
            await asyncio.wait({worker, emptied}, timeout=DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            emptied.cancel()

    def _check_budget(self, many: int) -> None:
        """Raises RetryLater while so many identifications are not left."""
        wait = self._store.budget.get_wait(self._clock(), len(self._store.sessions), many)
        if wait > timedelta(0):
            log.warning("identify_delayed", **get_log_fields(self._account), seconds=wait.total_seconds())
            raise RetryLater("too many sessions were started", retry_after_ms=int(wait.total_seconds() * 1000) + 1)

    # ── reports of the shards ────────────────────────────────────────────────────────────────────────────────────────

    async def admit(self, shard: int, *, initial: bool) -> None:
        if not initial:
            await asyncio.sleep(random.uniform(*INVALID_PAUSE))
        async with self._admission:
            # Discord groups shards by number modulo max_concurrency; those of one group identify apart.
            turn = shard // self._max_concurrency
            if not initial or turn != self._last_turn:
                await asyncio.sleep(self._store.budget.get_spacing(self._clock()).total_seconds())
            self._check_budget(1)
            self._last_turn = turn
            self._store.budget = self._store.budget.spend(self._clock())
            self._remember()
            await self._context.save()
        if not self._identified[shard].done():
            self._identified[shard].set_result(None)

    def receive(self, shard: int, event: GatewayEvent) -> None:
        if self._failure.done():
            return None  # An event was left out: none after it may be appended, so that Discord repeats them all.
        if event.t == NEW_SESSION:
            id_, url = (str(event.d.get(name) or "") for name in ("session_id", "resume_gateway_url"))
            self._store.sessions[shard] = Session(id=id_, url=url)
            self._remember()
        session = self._store.sessions[shard]
        if not session.mark_received(event.s):
            return None
        if event.t in (NEW_SESSION, RESUMED_SESSION):
            self._report_connected(shard, fresh=event.t == NEW_SESSION)
        if self._queue.size >= MAX_WAITING:
            return self._give_up(RetryLater("events arrive faster than they can be appended"))
        return self._queue.put(session, event)

    def report_lost(self, shard: int, *, resumable: bool) -> None:
        if not resumable:
            self._store.sessions[shard] = Session()
            self._remember()
        self._lost.add(shard)
        self._is_live = False
        self._context.mark_disconnected()

    def get_session(self, shard: int) -> Session:
        return self._store.sessions[shard]

    def get_stored_sequence(self, shard: int) -> int:
        current, stored = self._store.sessions[shard], SessionStore.from_note(self._context.stored_session).sessions
        return stored[shard].seq if shard < len(stored) and stored[shard].id == current.id else 0

    def _report_connected(self, shard: int, *, fresh: bool) -> None:
        self._lost.discard(shard)
        self._is_behind |= fresh
        if not self._lost:
            self._may_append.set()

    def _give_up(self, error: ParleyError) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    # ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _process_events(self) -> None:
        """Append events in their order; histories come first."""
        await self._may_append.wait()
        while True:
            received = await self._queue.take(BATCH_SIZE)
            await self._go_live()
            await self._dispatcher.dispatch(received)
            self._queue.finish()
            self._remember()

    def _remember(self) -> None:
        self._context.remember(self._store.build_note())

    async def _go_live(self) -> None:
        if self._lost or (self._is_live and not self._is_behind):
            return
        missed, self._is_behind, self._is_live = self._is_behind, False, True
        for session in self._store.sessions:
            session.seq = max(session.seq, READY_NUMBER)
        self._remember()
        await self._context.live(missed=missed, hold=CATCH_UP_SECONDS)


def _parse_number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
