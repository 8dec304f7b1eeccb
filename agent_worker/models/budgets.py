"""Daily spending limits of contacts and tenants on models, counted across all processes.

The expected cost is reserved before a request and corrected after it, so that concurrent turns cannot overspend
together. The cost of an aborted request is unknown, so its reservation stays.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from agent_worker.grounding.failures import NotSent
from agent_worker.settings import WorkerSettings
from schemas.ports import Clock, Limiter, Question

COUNTER_TTL_S = 2 * 86_400
"""A counter covers one day."""
_MICRODOLLARS = 1_000_000


@dataclass(slots=True)
class Spend:
    """``cost`` in US dollars."""

    tokens: int = 0
    cost: float = 0.0

    def amounts(self, sign: int = 1) -> dict[str, int]:
        return {"tokens": sign * self.tokens, "cost": sign * round(self.cost * _MICRODOLLARS)}


@dataclass(frozen=True, slots=True)
class _Limit:
    """``tokens`` and ``cost`` (millionths of a dollar); 0 for no limit."""

    whose: str
    key: str
    tokens: int
    cost: int

    @property
    def is_set(self) -> bool:
        return bool(self.tokens or self.cost)

    def is_exceeded(self, total: Mapping[str, int]) -> bool:
        return 0 < self.tokens < total["tokens"] or 0 < self.cost < total["cost"]

    def share_left(self, total: Mapping[str, int]) -> float:
        """0–1, of the scarcer of the two."""
        shares = [
            1 - total[name] / maximum for name, maximum in (("tokens", self.tokens), ("cost", self.cost)) if maximum
        ]
        return max(0.0, min(shares, default=1.0))


class DayBudgets:
    def __init__(self, limiter: Limiter, settings: WorkerSettings, clock: Clock) -> None:
        self._limiter = limiter
        self._settings = settings
        self._clock = clock

    @asynccontextmanager
    async def reserve(self, question: Question, likely: Spend) -> AsyncIterator[Spend]:
        """The block fills in the actual spending, whether it succeeds or not. Raises NotSent when too little is
        left."""
        limits = self._limits(question.tenant, question.contact)
        totals = await self._count(limits, likely.amounts())
        exceeded = [limit for limit, total in zip(limits, totals, strict=True) if limit.is_exceeded(total)]
        if exceeded:
            await self._count(limits, likely.amounts(-1))
            raise NotSent(f"today's budget of the {exceeded[0].whose} is spent")
        spent = Spend()
        try:
            yield spent
        except Exception:
            await self._settle(limits, likely, spent)
            raise
        await self._settle(limits, likely, spent)

    async def share_left(self, tenant: str, contact: str) -> float:
        """The share of today's budget that is left (0–1), the smaller one of contact and tenant."""
        limits = self._limits(tenant, contact)
        totals = await self._count(limits, Spend().amounts())
        return min((limit.share_left(total) for limit, total in zip(limits, totals, strict=True)), default=1.0)

    async def _settle(self, limits: list[_Limit], likely: Spend, spent: Spend) -> None:
        more = {name: amount - likely.amounts()[name] for name, amount in spent.amounts().items()}
        await self._count(limits, more)

    async def _count(self, limits: list[_Limit], amounts: Mapping[str, int]) -> list[dict[str, int]]:
        now = self._clock()
        adding = (self._limiter.add(limit.key, amounts, keep=COUNTER_TTL_S, now=now) for limit in limits)
        return list(await asyncio.gather(*adding))

    def _limits(self, tenant: str, contact: str) -> list[_Limit]:
        """The configured limits."""
        rules, day = self._settings.of(tenant).budgets, self._clock().date().isoformat()
        key = f"spent:{tenant}:{day}"
        limits = [_Limit("tenant", key, rules.tokens_a_day, round(rules.cost_a_day * _MICRODOLLARS))]
        if contact:
            cost = round(rules.contact_cost_a_day * _MICRODOLLARS)
            limits.append(_Limit("contact", f"{key}:{contact}", rules.contact_tokens_a_day, cost))
        return [limit for limit in limits if limit.is_set]


@dataclass(slots=True)
class TurnBudget:
    """The remaining budget of one turn for models. ``seconds`` count only while waiting for a model; actions have their
    own deadlines."""

    tokens: float = math.inf
    cost: float = math.inf
    steps: int = 6
    seconds: float = 90.0

    def start_request(self, tokens: int) -> None:
        """Take one request that is expected to use ``tokens``. Raises NotSent."""
        if self.steps < 1:
            raise NotSent("the turn's budget of requests is spent")
        if self.tokens < tokens:
            raise NotSent("the turn's budget of tokens is spent")
        if self.cost <= 0:
            raise NotSent("the turn's budget of money is spent")
        if self.seconds <= 0:
            raise NotSent("the turn's budget of time is spent")
        self.steps -= 1

    def spend(self, tokens: int, cost: float) -> None:
        self.tokens -= tokens
        self.cost -= cost

    def spend_time(self, seconds: float) -> None:
        self.seconds -= seconds
