"""Rate limits for vendors and visitors: a budget for each account and, within a web account, for each client address
and each visitor.

The smallest budget is checked first: a visitor who exceeds it takes nothing from the budgets shared with others.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import NamedTuple

from gateway.config.secret_keys import SigningKeys
from gateway.config.settings import LimitSettings
from gateway.webchat.sessions import Visit
from gateway.wiring.process_services import ProcessServices
from schemas.errors import ParleyError, RateLimited
from schemas.messages import Assurance
from schemas.ports import Account
from schemas.runtime.fair_rotation import waiting_key

BURST_SECONDS = 3.0
"""Seconds' worth of its rate that an account may send at once."""
ADDRESS_BURST_SHARE = 2 / 3
"""Share of an account's burst that one client address may use."""
ADDRESS_MIN_RATE = 1.0
"""Messages per second that an address may always send, but no more than half of its account's rate."""
READS_PER_MINUTE = 60
"""Read receipts. A page reports each reply that it shows, so receipts have a higher limit than messages."""
PARTY_LENGTH = 16
"""Characters of the keyed hash that stands for a client address on the log."""
MAX_WAIT_S = 900.0
"""After so long a message no longer counts as unanswered: whoever answers may have died before saying so."""
SESSIONS_PER_SECOND, SESSION_BURST = 1.0, 20
"""Sessions that one signed-in visitor may start or resume."""


class _Budget(NamedTuple):
    """The rate and burst of an account, and of one client address within it."""

    key: str
    per_second: float
    burst: int
    address_per_second: float
    address_burst: int


class RateLimits:
    """Admits what is within the budgets. All methods raise RateLimited otherwise."""

    def __init__(self, services: ProcessServices) -> None:
        self._limiter = services.state.limiter
        self._clock = services.clock
        self._party_keys = SigningKeys(services.secret_key, "party")
        self._limits = {name: tenant.limits for name, tenant in services.config.tenants.items()}
        self._budgets: dict[tuple[str, str, str], _Budget] = {}

    def admit_account(self, account: Account) -> Awaitable[None]:
        """Admit a request or an event within the account's ``inbound_per_s``."""
        budget = self._get_budget(account)
        return self.take(f"inbound:{budget.key}", budget.per_second, budget.burst)

    async def admit_visit(self, visit: Visit) -> None:
        """Admit a visitor's message."""
        per_minute = visit.settings.messages_per_minute
        await self.take(f"visitor:{visit.conversation}", per_minute / 60, per_minute)
        await self._admit_address("inbound", visit.account, visit.address, visit.assurance)
        await self.admit_account(visit.account)

    @asynccontextmanager
    async def admit_waiting(self, visit: Visit, message: str) -> AsyncIterator[None]:
        """Admit a message within ``waiting_per_address``. It counts until the worker has answered it, unless the block
        refuses it."""
        party = self.find_party(visit)
        if not party:
            yield
            return
        account, limit = visit.account, self._limits[visit.tenant].waiting_per_address
        key = waiting_key((account.tenant, account.channel, account.name, party))
        seconds = await self._limiter.occupy(key, message, limit=limit, keep=MAX_WAIT_S, now=self._clock())
        if seconds > 0:
            text = "too many messages from your network are waiting for an answer"
            raise RateLimited(text, retry_after_ms=math.ceil(seconds * 1000))
        try:
            yield
        except ParleyError:
            await self._limiter.vacate(key, [message])
            raise

    def find_party(self, visit: Visit) -> str:
        """The visitor's address as it may stand on the log; empty for visitors who are not limited by address."""
        return "" if visit.assurance == "verified" else self._party_keys.sign(visit.address)[:PARTY_LENGTH]

    async def admit_receipt(self, visit: Visit) -> None:
        """Admit a visitor's read receipt, which does not count against the account's budget."""
        per_minute = max(visit.settings.messages_per_minute, READS_PER_MINUTE)
        await self.take(f"reads:{visit.conversation}", per_minute / 60, per_minute)
        await self._admit_address("reads", visit.account, visit.address, visit.assurance)

    async def admit_session(self, account: Account, place: str, address: str, assurance: Assurance) -> None:
        """Admit the start of a session, or its resumption."""
        budget = self._get_budget(account)
        if assurance == "verified":
            await self.take(f"sessions:{budget.key}:{place}", SESSIONS_PER_SECOND, SESSION_BURST)
        await self._admit_address("sessions", account, address, assurance)
        await self.take(f"sessions:{budget.key}", budget.per_second, budget.burst)

    async def admit_socket(self, visit: Visit) -> None:
        """Admit a new socket."""
        await self._admit_address("sockets", visit.account, visit.address, visit.assurance)

    async def _admit_address(self, purpose: str, account: Account, address: str, assurance: Assurance) -> None:
        """Visitors with a signed identity are not limited by address, which may be that of an office or a carrier."""
        if assurance == "verified":
            return
        budget = self._get_budget(account)
        key = f"{purpose}:{budget.key}:from:{address}"
        await self.take(key, budget.address_per_second, budget.address_burst)

    def _get_budget(self, account: Account) -> _Budget:
        key = (account.tenant, account.channel, account.name)
        budget = self._budgets.get(key)
        if budget is None:
            budget = self._budgets[key] = _build_budget(":".join(key), self._limits[account.tenant])
        return budget

    async def take(self, key: str, per_second: float, burst: int) -> None:
        """Take one unit from the budget ``key``. RateLimited holds the time until another one is allowed."""
        seconds = await self._limiter.take(key, per_second=per_second, burst=burst, now=self._clock())
        if seconds > 0:
            raise RateLimited("too many messages", retry_after_ms=math.ceil(seconds * 1000))


def _build_budget(key: str, limits: LimitSettings) -> _Budget:
    rate = limits.inbound_per_s
    burst = math.ceil(rate * BURST_SECONDS)
    address_rate = max(rate * limits.address_share, min(ADDRESS_MIN_RATE, rate / 2))
    return _Budget(key, rate, burst, address_rate, math.ceil(burst * ADDRESS_BURST_SHARE))
