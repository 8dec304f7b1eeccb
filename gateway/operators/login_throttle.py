"""Wrong admin tokens and passwords are slowed down, by client address and by account; right ones are not.

A wrong answer is held back until the budgets of those who gave it have room for it, and only a few may be held at once:
so many guesses a second are examined, and no more. A right answer waits for nothing. A browser that has signed in to an
account before has a budget of its own for it, which nobody elsewhere can use up.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

import structlog

from gateway.wiring.parts import Parts
from schemas.errors import RateLimited

log = structlog.get_logger("parley.gateway")

LONGEST_HOLD = 10.0
"""Seconds that a wrong answer is held back at most."""
TOKEN_HOLD = 0.1
LOG_EVERY_S = 60.0
MOST_NAME = 64
"""Characters of an account's name that are kept: anybody may type any name."""


class Bound(NamedTuple):
    """``free`` failures cost no time, then each takes ``every`` seconds; ``at_once`` attempts may be under way."""

    free: int
    every: float
    at_once: int


PAIR = (Bound(10, 2.0, 2), Bound(60, 10.0, 2))
"""Of one account from one address, or from one browser that is known."""
ADDRESS = (Bound(60, 1.0, 20),)
"""Of all accounts from one address."""
ACCOUNT = (Bound(30, 5.0, 10),)
"""Of one account from everywhere but the browsers that are known."""
TOKEN = Bound(10, 2.0, 4)
"""Of admin tokens from one address. They are at least 32 bytes long, so that guessing is hopeless at any rate."""

Bounds = dict[str, tuple[Bound, ...]]


class Attempts:
    """Built once for each surface."""

    def __init__(self, parts: Parts) -> None:
        self._limiter = parts.state.limiter
        self._clock = parts.clock
        self._sleep = parts.sleep
        self._under_way: Counter[str] = Counter()
        self._untold: Counter[str] = Counter()
        self._told_at: dict[str, float] = {}

    async def passes(
        self, account: str, address: str, examine: Callable[[], Awaitable[bool]], *, browser: str = ""
    ) -> bool:
        """What ``examine`` says; False comes late. ``browser``: the id of one that has signed in to the account before.
        Raises RateLimited, and examines nothing, when too many attempts are under way."""
        account = f"account:{account[:MOST_NAME]}"
        if browser:
            bounds: Bounds = {f"{account}:browser:{browser}": PAIR}
        else:
            bounds = {f"{account}:from:{address}": PAIR, f"from:{address}": ADDRESS, account: ACCOUNT}
        try:
            counted = self._counted({key: levels[0].at_once for key, levels in bounds.items()})
        except RateLimited:
            self._tell("console_sign_in_refused", address)
            raise
        with counted:
            if await examine():
                return True
            await self._hold(bounds)
            return False

    async def wrong_token(self, address: str) -> None:
        """Let some time pass. Raises RateLimited when too many are made to wait already."""
        self._tell("wrong_admin_tokens", address)
        if await self._wait(f"token:from:{address}", TOKEN):
            with self._counted({f"token:from:{address}": TOKEN.at_once}):
                await self._sleep(TOKEN_HOLD)

    async def _hold(self, bounds: Bounds) -> None:
        """Until each of the budgets has had room for this failure, but no longer than ``LONGEST_HOLD``."""
        left = LONGEST_HOLD
        for key, levels in bounds.items():
            for bound in levels:
                while (wait := await self._wait(key, bound)) and left > 0:
                    await self._sleep(min(wait, left))
                    left -= wait

    async def _wait(self, key: str, bound: Bound) -> float:
        name = f"failures:{bound.free}:{key}"
        return await self._limiter.take(name, per_second=1 / bound.every, burst=bound.free, now=self._clock())

    def _tell(self, event: str, address: str) -> None:
        """Once a minute, with how often it was: whoever guesses must not fill the log."""
        self._untold[event] += 1
        now = time.monotonic()
        if now - self._told_at.get(event, -LOG_EVERY_S) >= LOG_EVERY_S:
            log.warning(event, count=self._untold.pop(event), last_from=address)
            self._told_at[event] = now

    def _counted(self, most: dict[str, int]) -> AbstractContextManager[None]:
        """Counts one more attempt until its end. Raises RateLimited."""
        for key, at_once in most.items():
            if self._under_way[key] >= at_once:
                raise RateLimited("too many attempts to sign in", retry_after_ms=int(LONGEST_HOLD * 1000))
        self._under_way.update(most.keys())
        return self._until_done(most)

    @contextmanager
    def _until_done(self, keys: Iterable[str]) -> Iterator[None]:
        try:
            yield
        finally:
            for key in keys:
                self._under_way[key] -= 1
                if not self._under_way[key]:
                    del self._under_way[key]
