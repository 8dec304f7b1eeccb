"""What vendors and visitors may send in: a budget for each account of each channel and, within the web's, for each
client address and each visitor.

The smallest budget is asked first, so that whoever is over it uses up nothing of what others share with them.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import NamedTuple

from gateway.config.settings import LimitSettings
from gateway.webchat.sessions import Visit
from gateway.wiring.parts import Parts
from schemas.errors import RateLimited
from schemas.messages import Assurance
from schemas.ports import Account

BURST_S = 3.0
"""Seconds' worth of its rate that an account may bring at once."""
ADDRESS_BURST = 2 / 3
"""The part of that which one client address may use."""
ADDRESS_LEAST = 1.0
"""Messages a second that an address may always bring, unless that is more than half of what its account may."""
READS_PER_MINUTE = 60
"""A page reports each reply that it shows, so a visitor may read more often than they may write."""
SESSIONS_PER_S, SESSIONS_BURST = 1.0, 20
"""Sessions that one signed-in visitor may begin or resume."""


class _Budget(NamedTuple):
    """``address``: rate and burst of one client address."""

    key: str
    per_second: float
    burst: int
    address_per_second: float
    address_burst: int


class Allowance:
    def __init__(self, parts: Parts) -> None:
        self._limiter = parts.state.limiter
        self._clock = parts.clock
        self._limits = {name: tenant.limits for name, tenant in parts.config.tenants.items()}
        self._budgets: dict[tuple[str, str, str], _Budget] = {}

    def admit_account(self, account: Account) -> Awaitable[None]:
        """One request or event of a vendor. Raises RateLimited when the account is over its ``inbound_per_s``."""
        budget = self._of(account)
        return self.take(f"inbound:{budget.key}", budget.per_second, budget.burst)

    async def admit_visit(self, visit: Visit) -> None:
        """One message of a visitor. Raises RateLimited."""
        per_minute = visit.settings.messages_per_minute
        await self.take(f"visitor:{visit.conversation}", per_minute / 60, per_minute)
        await self._admit_address("inbound", visit.account, visit.address, visit.assurance)
        await self.admit_account(visit.account)

    async def admit_receipt(self, visit: Visit) -> None:
        """A visitor has read something. It takes nothing of what the account may bring. Raises RateLimited."""
        per_minute = max(visit.settings.messages_per_minute, READS_PER_MINUTE)
        await self.take(f"reads:{visit.conversation}", per_minute / 60, per_minute)
        await self._admit_address("reads", visit.account, visit.address, visit.assurance)

    async def admit_session(self, account: Account, place: str, address: str, assurance: Assurance) -> None:
        """A session is begun or resumed. Raises RateLimited."""
        budget = self._of(account)
        if assurance == "verified":
            await self.take(f"sessions:{budget.key}:{place}", SESSIONS_PER_S, SESSIONS_BURST)
        await self._admit_address("sessions", account, address, assurance)
        await self.take(f"sessions:{budget.key}", budget.per_second, budget.burst)

    async def admit_socket(self, visit: Visit) -> None:
        """A socket is opened. Raises RateLimited."""
        await self._admit_address("sockets", visit.account, visit.address, visit.assurance)

    async def _admit_address(self, what: str, account: Account, address: str, assurance: Assurance) -> None:
        """Whoever the site vouches for is not held back by whom they share an address with: an office, a carrier."""
        if assurance == "verified":
            return
        budget = self._of(account)
        key = f"{what}:{budget.key}:from:{address}"
        await self.take(key, budget.address_per_second, budget.address_burst)

    def _of(self, account: Account) -> _Budget:
        key = (account.tenant, account.channel, account.name)
        budget = self._budgets.get(key)
        if budget is None:
            budget = self._budgets[key] = _budget(":".join(key), self._limits[account.tenant])
        return budget

    async def take(self, key: str, per_second: float, burst: int) -> None:
        """Raises RateLimited with the time until one more is allowed."""
        seconds = await self._limiter.take(key, per_second=per_second, burst=burst, now=self._clock())
        if seconds > 0:
            raise RateLimited("too many messages", retry_after_ms=math.ceil(seconds * 1000))


def _budget(key: str, limits: LimitSettings) -> _Budget:
    rate = limits.inbound_per_s
    burst = math.ceil(rate * BURST_S)
    address_rate = max(rate * limits.address_share, min(ADDRESS_LEAST, rate / 2))
    return _Budget(key, rate, burst, address_rate, math.ceil(burst * ADDRESS_BURST))
