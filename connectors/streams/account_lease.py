"""The lease of one account, with a local deadline."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import structlog

from connectors.streams.timing import EventStreamTimings
from schemas.errors import Fenced, Unavailable
from schemas.ports import Account, Clock, Leases

log = structlog.get_logger("parley.streams")


class AccountLease:
    """Measures its own time, so that it also ends while the state store is unreachable."""

    def __init__(self, leases: Leases, account: Account, times: EventStreamTimings, clock: Clock) -> None:
        self.name = f"account:{account.tenant}:{account.channel}:{account.name}"
        self._leases = leases
        self._times = times
        self._clock = clock
        self._holder = uuid4().hex
        self._token: int | None = None
        self._until = 0.0

    @property
    def is_good(self) -> bool:
        return self._token is not None and time.monotonic() < self._until

    def check(self) -> None:
        """Raises Fenced once another process may hold the account."""
        if not self.is_good:
            raise Fenced("another process may hold this account by now")

    async def acquire(self) -> bool:
        """Acquire or renew the lease; False while another process has it, or has had it since. Raises Unavailable."""
        started = time.monotonic()
        token = await self._leases.acquire(self.name, self._holder, ttl=self._times.ttl, now=self._clock())
        if token is None or self._token not in (None, token):
            self._until = 0.0
            return False
        self._token = token
        self._until = started + self._times.ttl - self._times.margin
        return True

    async def wait_and_renew(self) -> bool:
        """Wait until the next renewal and make it, trying until the lease ends; False once it is lost."""
        await asyncio.sleep(self._times.renew)
        while (left := self._until - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    return await self.acquire()
            except (Unavailable, TimeoutError) as error:
                log.info("lease_not_renewed", lease=self.name, error=type(error).__name__)
                await asyncio.sleep(min(self._times.renew / 3, max(0.0, self._until - time.monotonic())))
        return False

    async def save_note(self, note: str) -> None:
        """Store a note for the next holder. Raises Fenced, Unavailable."""
        self.check()
        if self._token is None or not await self._leases.save_note(self.name, self._token, note):
            self._until = 0.0
            self.check()

    async def read_note(self) -> str:
        return await self._leases.read_note(self.name)

    async def release(self) -> None:
        """Give the lease up at once; if the store is unreachable it expires."""
        self._until = 0.0
        try:
            await self._leases.release(self.name, self._holder)
        except Unavailable as error:
            log.info("lease_not_released", lease=self.name, code=error.code)
