"""One holder an account, whatever the number of processes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial

import structlog

from connectors.streams.account_lease import Holding
from connectors.streams.catch_up import CatchingUp
from connectors.streams.known_contacts import KnownContacts
from connectors.streams.stream_context import Accept, AccountLine
from connectors.streams.timing import Times
from schemas.errors import CredentialsRevoked, DeliveryError, Fenced, RefusedForNow, SetupError, Unavailable
from schemas.ports import Account, Backfilling, Channel, Clock, Metrics, State, Streaming

log = structlog.get_logger("parley.streams")

AWAY = timedelta(seconds=1.0)
"""After a silence of more than this somebody may have called in vain: another process looks sooner for what one leaves,
and no process is started again so soon."""
SETTLED = 10.0
"""Seconds after which a connection that ends was a good one."""


class Streams:
    """The accounts of one channel. Those that its vendor is connected to for are heard; of the others, which call us,
    it is only seen to that nothing was missed while nobody answered. ``ready``: whether events can be taken now."""

    def __init__(
        self,
        channel: Channel,
        *,
        accept: Accept,
        ready: Callable[[], Awaitable[bool]],
        state: State,
        metrics: Metrics,
        clock: Clock,
        times: Times | None = None,
    ) -> None:
        self._channel = channel
        self._accept = accept
        self._ready = ready
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self._times = times or Times()

    async def run(self, accounts: Sequence[Account], stop: asyncio.Event) -> None:
        """Until ``stop``; then every account is handed over."""
        tasks = [asyncio.create_task(self._look_after(account)) for account in accounts]
        try:
            await stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_after(self, account: Account) -> None:
        while True:
            holding = Holding(self._state.leases, account, self._times, self._clock)
            try:
                if await holding.acquire():
                    await self._hold(account, holding)
            except Unavailable as error:
                log.info("lease_unavailable", lease=holding.name, code=error.code)
            except Exception as error:
                log.error("account_failed", lease=holding.name, error=type(error).__name__, exc_info=True)
            await asyncio.sleep(self._times.look * random.uniform(0.7, 1.0))

    async def _hold(self, account: Account, holding: Holding) -> None:
        line = self._line(account, holding)
        work: asyncio.Task[None] | None = None
        try:
            await line.open()
            self._say("account_held", account)
            work = asyncio.create_task(self._hear(account, line))
            while not work.done() and await holding.renewed():
                await line.tick()
        except Fenced:
            self._say("account_lost", account)
        finally:
            await _ended(work)
            await line.close()
            await holding.release()

    def _line(self, account: Account, holding: Holding) -> AccountLine:
        line = AccountLine(account, holding, self._accept, times=self._times, clock=self._clock, metrics=self._metrics)
        if isinstance(self._channel, Backfilling) and self._channel.backfills(account):
            known = KnownContacts(self._state, account, self._clock, lambda: line.session)
            line.catching = CatchingUp(
                partial(self._channel.backfill, account, known=known),
                account,
                holding,
                self._ready,
                times=self._times,
                clock=self._clock,
                metrics=self._metrics,
            )
        return line

    async def _hear(self, account: Account, line: AccountLine) -> None:
        """Connect, again and again. Ends when the account is no longer ours."""
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            try:
                pause = await self._connected(account, line)
            except Fenced:
                return
            finally:
                line.broken()
            failures = 0 if loop.time() - began > SETTLED else failures + 1
            ours = min(self._times.longest, self._times.backoff * 2 ** (failures - 1)) if failures else 0.0
            await asyncio.sleep(max(pause, ours * random.uniform(0.5, 1.0)))

    async def _connected(self, account: Account, line: AccountLine) -> float:
        """One connection to its end; how long to wait before the next one at least. Raises Fenced."""
        try:
            if isinstance(self._channel, Streaming) and self._channel.streams(account):
                await self._channel.stream(account, line)
                return 0.0
            await self._watch(line)
        except (CredentialsRevoked, SetupError) as error:
            about = {"code": error.code, "reason": error.message, "fix": error.fix, "seconds": int(self._times.revoked)}
            log.error("account_paused", **_about(account), **about)
            return self._times.revoked
        except (DeliveryError, RefusedForNow) as error:
            wait = (error.retry_after_ms or 0) / 1000
            self._say("stream_ended", account, code=error.code, reason=error.message, wait=wait)
            return wait
        except Fenced:
            raise
        except Exception as error:
            log.error("stream_failed", **_about(account), error=type(error).__name__, exc_info=True)
        return 0.0

    async def _watch(self, line: AccountLine) -> None:
        """An account whose vendor calls us. Whenever events could not be taken for a while, some were refused."""
        await line.live(missed=line.silence is not None and line.silence > AWAY, hold=0)
        while True:
            await asyncio.sleep(self._times.look)
            if not await self._ready():
                line.behind()

    def _say(self, event: str, account: Account, **more: object) -> None:
        log.info(event, **_about(account), **more)


def _about(account: Account) -> dict[str, str]:
    return {"tenant": account.tenant, "channel": account.channel, "account": account.name}


async def _ended(work: asyncio.Task[None] | None) -> None:
    if work is not None:
        work.cancel()
        await asyncio.wait({work})
        if not work.cancelled():
            work.exception()
