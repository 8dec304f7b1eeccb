"""Limiter: a burst at once, then the rate, for each key by itself; and counters of a day."""

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
async def test_a_caller_that_waits_as_long_as_told_is_let_through_and_not_earlier(state: State, rate: float) -> None:
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


async def test_counters_add_up_whoever_adds(state: State) -> None:
    """Concurrent ones too; each sees a total that holds its own part, and no name touches another."""
    key = new_id()
    adding = (state.limiter.add(key, {"tokens": 3, "cost": 5}, keep=60, now=NOW) for _ in range(20))
    totals = await asyncio.gather(*adding)
    assert sorted(total["tokens"] for total in totals) == list(range(3, 61, 3))
    assert await state.limiter.add(key, {"cost": -40}, keep=60, now=NOW) == {"cost": 60}
    assert await state.limiter.add(new_id(), {"tokens": 0}, keep=60, now=NOW) == {"tokens": 0}


async def test_a_counter_is_forgotten_after_its_time(state: State) -> None:
    """By then nobody asks for it any more."""
    key = new_id()
    assert await state.limiter.add(key, {"tokens": 3}, keep=0.05, now=NOW) == {"tokens": 3}

    async def total() -> int:
        return (await state.limiter.add(key, {"tokens": 0}, keep=0.05, now=later(1)))["tokens"]

    async with asyncio.timeout(30):
        while await total():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_places_are_free_again_when_they_are_left_or_after_their_time(state: State) -> None:
    """A newcomer hears how long it should take, by how long the places have been in use; whoever has one keeps it."""
    key = new_id()

    async def occupy(name: str, seconds: float) -> float:
        return await state.limiter.occupy(key, name, limit=2, keep=60, now=later(seconds))

    assert [await occupy("a", 0), await occupy("b", 1), await occupy("a", 2)] == [0, 0, 0]
    assert [await occupy("c", 2), await occupy("c", 31)] == [1, pytest.approx(15.5)]
    await state.limiter.vacate(key, ["b", "nobody"])
    assert [await occupy("c", 32), await occupy("d", 33), await occupy("d", 61)] == [0, pytest.approx(16.5), 0]
    await state.limiter.vacate(new_id(), ["a"])
