"""What contacts and tenants may spend on models in a day, counted where all processes see it.

The likely cost is taken before a request and settled after it, so that turns that run at once cannot overspend
together. Of a request that was given up, nobody knows the cost: what was taken for it stays taken.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from agent_worker.grounding.failures import NotAsked
from agent_worker.settings import WorkerSettings
from schemas.ports import Clock, Limiter, Question

KEPT = 2 * 86_400
"""Seconds; a counter is of one day."""
_MICRO = 1_000_000


@dataclass(slots=True)
class Spend:
    """``cost`` in US dollars."""

    tokens: int = 0
    cost: float = 0.0

    def amounts(self, sign: int = 1) -> dict[str, int]:
        return {"tokens": sign * self.tokens, "cost": sign * round(self.cost * _MICRO)}


@dataclass(frozen=True, slots=True)
class _Bound:
    """``tokens`` and ``cost`` (millionths of a dollar); 0: none."""

    whose: str
    key: str
    tokens: int
    cost: int

    @property
    def any(self) -> bool:
        return bool(self.tokens or self.cost)

    def over(self, total: Mapping[str, int]) -> bool:
        return 0 < self.tokens < total["tokens"] or 0 < self.cost < total["cost"]

    def left(self, total: Mapping[str, int]) -> float:
        """0–1, of whatever is scarcer."""
        shares = [1 - total[name] / most for name, most in (("tokens", self.tokens), ("cost", self.cost)) if most]
        return max(0.0, min(shares, default=1.0))


class DayBudgets:
    def __init__(self, limiter: Limiter, settings: WorkerSettings, clock: Clock) -> None:
        self._limiter = limiter
        self._settings = settings
        self._clock = clock

    @asynccontextmanager
    async def taken(self, question: Question, likely: Spend) -> AsyncIterator[Spend]:
        """The block fills in what was really spent, whether it ends well or not. Raises NotAsked when too little is
        left."""
        bounds = self._bounds(question.tenant, question.contact)
        totals = await self._count(bounds, likely.amounts())
        over = [bound for bound, total in zip(bounds, totals, strict=True) if bound.over(total)]
        if over:
            await self._count(bounds, likely.amounts(-1))
            raise NotAsked(f"today's budget of the {over[0].whose} is spent")
        spent = Spend()
        try:
            yield spent
        except Exception:
            await self._settle(bounds, likely, spent)
            raise
        await self._settle(bounds, likely, spent)

    async def left(self, tenant: str, contact: str) -> float:
        """The share of today's budget that is left (0–1), of whoever has less."""
        bounds = self._bounds(tenant, contact)
        totals = await self._count(bounds, Spend().amounts())
        return min((bound.left(total) for bound, total in zip(bounds, totals, strict=True)), default=1.0)

    async def _settle(self, bounds: list[_Bound], likely: Spend, spent: Spend) -> None:
        more = {name: amount - likely.amounts()[name] for name, amount in spent.amounts().items()}
        await self._count(bounds, more)

    async def _count(self, bounds: list[_Bound], amounts: Mapping[str, int]) -> list[dict[str, int]]:
        now = self._clock()
        adding = (self._limiter.add(bound.key, amounts, keep=KEPT, now=now) for bound in bounds)
        return list(await asyncio.gather(*adding))

    def _bounds(self, tenant: str, contact: str) -> list[_Bound]:
        """Those that are set."""
        rules, day = self._settings.of(tenant).budgets, self._clock().date().isoformat()
        mine = f"spent:{tenant}:{day}"
        bounds = [_Bound("tenant", mine, rules.tokens_a_day, round(rules.cost_a_day * _MICRO))]
        if contact:
            cost = round(rules.contact_cost_a_day * _MICRO)
            bounds.append(_Bound("contact", f"{mine}:{contact}", rules.contact_tokens_a_day, cost))
        return [bound for bound in bounds if bound.any]


# What one turn may spend on models, however many of them it asks.
@dataclass(slots=True)
class Allowance:
    """What is left. ``seconds`` count while a model is waited for; actions have deadlines of their own."""

    tokens: float = math.inf
    cost: float = math.inf
    steps: int = 6
    seconds: float = 90.0

    def step(self, tokens: int) -> None:
        """Take one request, expected to use so many tokens. Raises NotAsked."""
        if self.steps < 1:
            raise NotAsked("the turn's budget of requests is spent")
        if self.tokens < tokens:
            raise NotAsked("the turn's budget of tokens is spent")
        if self.cost <= 0:
            raise NotAsked("the turn's budget of money is spent")
        if self.seconds <= 0:
            raise NotAsked("the turn's budget of time is spent")
        self.steps -= 1

    def used(self, tokens: int, cost: float) -> None:
        self.tokens -= tokens
        self.cost -= cost

    def waited(self, seconds: float) -> None:
        self.seconds -= seconds
