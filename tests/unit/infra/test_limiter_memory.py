"""The limiter of one process neither grows nor slows down, however many addresses there are."""

from __future__ import annotations

import asyncio
from typing import Any

from infra.state.sqlite.coordination import SWEEP_AT, SqliteLimiter
from tests.contracts.state.samples import NOW
from tests.harness.time_growth import assert_in_proportion


def limiter() -> SqliteLimiter:
    store: Any = None  # only what is counted by the day is stored
    return SqliteLimiter(store)


async def _taken(limiter: SqliteLimiter, keys: int) -> None:
    for number in range(keys):
        await limiter.take(f"address:{number}", per_second=0.001, burst=1, now=NOW)


def test_each_of_many_addresses_costs_the_same() -> None:
    assert_in_proportion(lambda size: size, lambda size: asyncio.run(_taken(limiter(), size)), SWEEP_AT * 3)


async def test_the_address_that_was_idle_longest_is_forgotten_and_one_of_late_is_not() -> None:
    many = limiter()
    await _taken(many, SWEEP_AT + 10)
    assert await many.take("address:0", per_second=0.001, burst=1, now=NOW) == 0
    assert await many.take(f"address:{SWEEP_AT}", per_second=0.001, burst=1, now=NOW) > 0
