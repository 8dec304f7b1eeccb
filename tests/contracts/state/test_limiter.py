"""Limiter: a burst at once, then the rate, for each key by itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from schemas.ports import State
from tests.contracts.state.samples import NOW, later, new_id


async def test_a_burst_passes_and_the_next_hears_how_long_to_wait(state: State) -> None:
    key = new_id()
    waits = [await state.limiter.take(key, per_second=2, burst=3, now=NOW) for _ in range(5)]
    assert waits[:3] == [0, 0, 0]
    assert waits[3:] == pytest.approx([0.5, 0.5])


async def test_concurrent_takers_together_get_the_burst(state: State) -> None:
    key = new_id()
    waits = await asyncio.gather(*(state.limiter.take(key, per_second=1, burst=7, now=NOW) for _ in range(40)))
    assert waits.count(0) == 7


@pytest.mark.parametrize("rate", [0.3, 7.0, 1000.0])
async def test_who_waits_as_long_as_told_is_let_through_and_not_much_before(state: State, rate: float) -> None:
    key, now = new_id(), NOW
    assert await state.limiter.take(key, per_second=rate, burst=1, now=now) == 0
    for _ in range(5):
        wait = await state.limiter.take(key, per_second=rate, burst=1, now=now)
        assert wait == pytest.approx(1 / rate, rel=0.01)
        early = now + timedelta(seconds=wait * 0.9)
        assert await state.limiter.take(key, per_second=rate, burst=1, now=early) > 0
        now += timedelta(seconds=wait)
        assert await state.limiter.take(key, per_second=rate, burst=1, now=now) == 0


async def test_idle_time_refills_no_further_than_the_burst(state: State) -> None:
    key = new_id()
    for _ in range(3):
        await state.limiter.take(key, per_second=2, burst=3, now=NOW)
    waits = [await state.limiter.take(key, per_second=2, burst=3, now=later(3600)) for _ in range(4)]
    assert waits.count(0) == 3


async def test_a_clock_that_goes_back_gives_nothing_away(state: State) -> None:
    key = new_id()
    assert await state.limiter.take(key, per_second=1, burst=1, now=later(10)) == 0
    assert await state.limiter.take(key, per_second=1, burst=1, now=NOW) > 0
    assert await state.limiter.take(key, per_second=1, burst=1, now=later(10)) > 0


async def test_keys_do_not_share_a_bucket(state: State) -> None:
    one, two = new_id(), new_id()
    assert await state.limiter.take(one, per_second=1, burst=1, now=NOW) == 0
    assert await state.limiter.take(two, per_second=1, burst=1, now=NOW) == 0
