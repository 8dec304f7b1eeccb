"""Throttling of wrong admin tokens and passwords, by client address and by account.

The response to a wrong secret is delayed until the budgets of its address and account have room, and few may be delayed
at once, which limits the guesses per second. Correct secrets are never delayed. A browser that has signed in to an
account before has its own budget, which nobody else can use up.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

import structlog

from gateway.wiring.process_services import ProcessServices
from schemas.errors import RateLimited

log = structlog.get_logger("parley.gateway")

MAX_DELAY = 10.0
"""Maximum delay of a failure, in seconds."""
TOKEN_DELAY = 0.1
LOG_EVERY_S = 60.0
MAX_ACCOUNT_NAME = 64
"""Characters of an account's name that are stored, since anybody can send any name."""


class AttemptLimit(NamedTuple):
    """After ``free`` failures without a delay, one is allowed ``every`` seconds. ``concurrent`` attempts may be in
    progress."""

    free: int
    every: float
    concurrent: int


PAIR_LIMITS = (AttemptLimit(10, 2.0, 2), AttemptLimit(60, 10.0, 2))
"""For one account from one address, or from one known browser."""
ADDRESS_LIMITS = (AttemptLimit(60, 1.0, 20),)
"""For all accounts from one address."""
ACCOUNT_LIMITS = (AttemptLimit(30, 5.0, 10),)
"""For one account from anywhere except known browsers."""
TOKEN_LIMIT = AttemptLimit(10, 2.0, 4)
"""For admin tokens from one address. A token has at least 32 bytes, so guessing is hopeless at any rate."""

AttemptLimits = dict[str, tuple[AttemptLimit, ...]]


class LoginThrottle:
    """Delays failures to sign in. The admin API and the console have one each."""

    def __init__(self, services: ProcessServices) -> None:
        self._limiter = services.state.limiter
        self._clock = services.clock
        self._sleep = services.sleep
        self._concurrent: Counter[str] = Counter()
        self._unlogged: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}

    async def attempt(
        self, account: str, address: str, examine: Callable[[], Awaitable[bool]], *, browser: str = ""
    ) -> bool:
        """Run ``examine`` and return its result; False is delayed. ``browser`` is the id of a browser that has signed
        in to the account before. Raises RateLimited, without running ``examine``, if too many attempts are in
        progress."""
        account = f"account:{account[:MAX_ACCOUNT_NAME]}"
        if browser:
            limits: AttemptLimits = {f"{account}:browser:{browser}": PAIR_LIMITS}
        else:
            limits = {
                f"{account}:from:{address}": PAIR_LIMITS,
                f"from:{address}": ADDRESS_LIMITS,
                account: ACCOUNT_LIMITS,
            }
        try:
            attempt = self._count_attempt({key: levels[0].concurrent for key, levels in limits.items()})
        except RateLimited:
            self._log_failure("console_sign_in_refused", address)
            raise
        with attempt:
            if await examine():
                return True
            await self._delay_failure(limits)
            return False

    async def delay_wrong_token(self, address: str) -> None:
        """Delay the response to a wrong token. Raises RateLimited if too many are delayed already."""
        self._log_failure("wrong_admin_tokens", address)
        if await self._count_failure(f"token:from:{address}", TOKEN_LIMIT):
            with self._count_attempt({f"token:from:{address}": TOKEN_LIMIT.concurrent}):
                await self._sleep(TOKEN_DELAY)

    async def _delay_failure(self, limits: AttemptLimits) -> None:
        """Wait until every budget has room for this failure, but no longer than ``MAX_DELAY``."""
        seconds_left = MAX_DELAY
        for key, levels in limits.items():
            for limit in levels:
                while (wait := await self._count_failure(key, limit)) and seconds_left > 0:
                    await self._sleep(min(wait, seconds_left))
                    seconds_left -= wait

    async def _count_failure(self, key: str, limit: AttemptLimit) -> float:
        name = f"failures:{limit.free}:{key}"
        return await self._limiter.take(name, per_second=1 / limit.every, burst=limit.free, now=self._clock())

    def _log_failure(self, event: str, address: str) -> None:
        """Log an event at most once a minute, with its count, so that guessing cannot fill the log."""
        self._unlogged[event] += 1
        now = time.monotonic()
        if now - self._logged_at.get(event, -LOG_EVERY_S) >= LOG_EVERY_S:
            log.warning(event, count=self._unlogged.pop(event), last_from=address)
            self._logged_at[event] = now

    def _count_attempt(self, limits: dict[str, int]) -> AbstractContextManager[None]:
        """Count an attempt until the end of the ``with`` block. Raises RateLimited."""
        for key, limit in limits.items():
            if self._concurrent[key] >= limit:
                raise RateLimited("too many attempts to sign in", retry_after_ms=int(MAX_DELAY * 1000))
        self._concurrent.update(limits.keys())
        return self._until_done(limits)

    @contextmanager
    def _until_done(self, keys: Iterable[str]) -> Iterator[None]:
        try:
            yield
        finally:
            for key in keys:
                self._concurrent[key] -= 1
                if not self._concurrent[key]:
                    del self._concurrent[key]
