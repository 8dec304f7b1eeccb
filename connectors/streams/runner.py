"""Runner of one channel's accounts: each account has one holder, whatever the number of processes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from connectors.streams.account_lease import AccountLease
from connectors.streams.account_stream import Accept, AccountEventStream
from connectors.streams.catch_up import CatchUp
from connectors.streams.timing import EventStreamTimings
from schemas.errors import CredentialsRevoked, DeliveryError, Fenced, SetupError, TemporaryRefusal, Unavailable
from schemas.messages import Address
from schemas.ports import Account, BackfillChannel, Channel, Clock, EventStreamChannel, Metrics, State

log = structlog.get_logger("parley.streams")

SILENCE_LIMIT = timedelta(seconds=1.0)
"""After a longer silence a vendor may have called in vain: another process takes over faster, and no process restarts
so soon."""
STABLE_AFTER = 10.0
"""Seconds after which the end of a connection resets the backoff."""


class EventStreamRunner:
    """Looks after the accounts of one channel. It connects to vendors that deliver events over a connection; for the
    others, which call webhooks, it only catches up on what nobody answered. ``ready``: whether events can be accepted
    now."""

    def __init__(
        self,
        channel: Channel,
        *,
        accept: Accept,
        ready: Callable[[], Awaitable[bool]],
        state: State,
        metrics: Metrics,
        clock: Clock,
        times: EventStreamTimings | None = None,
    ) -> None:
        self._channel = channel
        self._accept = accept
        self._ready = ready
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self._times = times or EventStreamTimings()

    async def run(self, accounts: Sequence[Account], stop: asyncio.Event) -> None:
        """Run until ``stop``; then hand every account over."""
        tasks = [asyncio.create_task(self._run_account(account)) for account in accounts]
        try:
            await stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_account(self, account: Account) -> None:
        while True:
            lease = AccountLease(self._state.leases, account, self._times, self._clock)
            try:
                if await lease.acquire():
                    await self._hold(account, lease)
            except Unavailable as error:
                log.info("lease_unavailable", lease=lease.name, code=error.code)
            except Exception as error:
                log.error("account_failed", lease=lease.name, error=type(error).__name__, exc_info=True)
            await asyncio.sleep(self._times.poll * random.uniform(0.7, 1.0))

    async def _hold(self, account: Account, lease: AccountLease) -> None:
        context = self._build_context(account, lease)
        connection: asyncio.Task[None] | None = None
        try:
            await context.open()
            self._log("account_held", account)
            connection = asyncio.create_task(self._keep_connected(account, context))
            while not connection.done() and await lease.wait_and_renew():
                await context.tick()
        except Fenced:
            self._log("account_lost", account)
        finally:
            await _cancel(connection)
            await context.close()
            await lease.release()

    def _build_context(self, account: Account, lease: AccountLease) -> AccountEventStream:
        context = AccountEventStream(
            account, lease, self._accept, times=self._times, clock=self._clock, metrics=self._metrics
        )
        if isinstance(self._channel, BackfillChannel) and self._channel.backfills(account):
            known = KnownContacts(self._state, account, self._clock, lambda: context.session, context.read_places)
            context.list_known_places = known.places
            context.catch_up = CatchUp(
                partial(self._channel.backfill, account, context=known),
                account,
                lease,
                self._ready,
                times=self._times,
                clock=self._clock,
                metrics=self._metrics,
            )
        return context

    async def _keep_connected(self, account: Account, context: AccountEventStream) -> None:
        """Connect again and again, until the account belongs to another process."""
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            try:
                pause = await self._connect_once(account, context)
            except Fenced:
                return
            finally:
                context.mark_disconnected()
            failures = 0 if loop.time() - began > STABLE_AFTER else failures + 1
            ours = min(self._times.max_backoff, self._times.backoff * 2 ** (failures - 1)) if failures else 0.0
            await asyncio.sleep(max(pause, ours * random.uniform(0.5, 1.0)))

    async def _connect_once(self, account: Account, context: AccountEventStream) -> float:
        """Run one connection to its end; return the minimum pause before the next. Raises Fenced."""
        try:
            if isinstance(self._channel, EventStreamChannel) and self._channel.streams(account):
                await self._channel.stream(account, context)
                return 0.0
            await self._watch(context)
        except (CredentialsRevoked, SetupError) as error:
            fields = {
                "code": error.code,
                "reason": error.message,
                "fix": error.fix,
                "seconds": int(self._times.revoked_pause),
            }
            log.error("account_paused", **_get_log_fields(account), **fields)
            return self._times.revoked_pause
        except (DeliveryError, TemporaryRefusal) as error:
            wait = (error.retry_after_ms or 0) / 1000
            self._log("stream_ended", account, code=error.code, reason=error.message, wait=wait)
            return wait
        except Fenced:
            raise
        except Exception as error:
            log.error("stream_failed", **_get_log_fields(account), error=type(error).__name__, exc_info=True)
        return 0.0

    async def _watch(self, context: AccountEventStream) -> None:
        """Watch an account whose vendor calls webhooks. Whenever events could not be accepted, some may have been
        refused."""
        await context.live(missed=context.silence is not None and context.silence > SILENCE_LIMIT, hold=0)
        while True:
            await asyncio.sleep(self._times.poll)
            if not await self._ready():
                context.request_backfill()

    def _log(self, event: str, account: Account, **more: object) -> None:
        log.info(event, **_get_log_fields(account), **more)


def _get_log_fields(account: Account) -> dict[str, str]:
    return {"tenant": account.tenant, "channel": account.channel, "account": account.name}


async def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()


PAGE_SIZE = 200
MAX_PAGES = 25
MAX_PLACES = 500
"""The places with the latest messages; a history is read place by place."""


class KnownContacts:
    """See schemas.ports.BackfillContext. ``read_places`` receives the places that are asked for, to be read."""

    def __init__(
        self,
        state: State,
        account: Account,
        clock: Clock,
        session: Callable[[], Mapping[str, Any]],
        read_places: set[str],
    ) -> None:
        self._state = state
        self._session = session
        self._read_places = read_places
        self._account = account
        self._clock = clock

    @property
    def session(self) -> Mapping[str, Any]:
        return self._session()

    async def places(self) -> Sequence[str]:
        found: list[str] = []
        after, account = "", self._account
        for _ in range(MAX_PAGES):
            page = await self._state.conversations.list_page(
                account.tenant, channel=account.channel, after=after, limit=PAGE_SIZE
            )
            found += [each.origin.place for each in page.items if each.origin.account == account.name]
            after = page.next
            if not after or len(found) >= MAX_PLACES:
                break
        found = found[:MAX_PLACES]
        self._read_places.update(found)
        return found

    async def addresses(self, place: str, addresses: Sequence[Address]) -> Sequence[Address]:
        account = self._account
        contact, _ = await self._state.contacts.resolve(
            account.tenant, account.channel, account.name, place, addresses, now=self._clock()
        )
        return contact.addresses
