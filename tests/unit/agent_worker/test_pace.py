"""The pace of turns: few at once while the loop is busy, as many as wait while it is idle, and tenants take turns."""

from __future__ import annotations

import asyncio
import time

import pytest

from agent_worker.pace import Pace


async def computing(pace: Pace, tenant: str, order: list[str], steps: int = 10) -> None:
    """A turn that keeps the loop for 3 ms in each of its steps."""
    async with pace.turn(tenant):
        for _ in range(steps):
            time.sleep(0.003)  # noqa: ASYNC251  # it is to block
            await asyncio.sleep(0)
    order.append(tenant)


async def test_a_late_comer_of_another_tenant_does_not_wait_for_a_flood() -> None:
    """Of sixty computing turns of one tenant most are still to come when the other tenant's only one is done."""
    pace, order = Pace(places=4), list[str]()
    flood = [asyncio.create_task(computing(pace, "loud", order)) for _ in range(60)]
    await asyncio.sleep(0)
    await computing(pace, "quiet", order)
    assert order.index("quiet") < 30
    await asyncio.gather(*flood)
    assert len(order) == 61


async def test_turns_that_only_wait_keep_nobody_out() -> None:
    """A thousand turns that wait for a model are inside together, although the places are few."""
    pace, inside, answer = Pace(places=2), 0, asyncio.Event()
    everybody = asyncio.Event()

    async def waiting() -> None:
        nonlocal inside
        async with pace.turn("one"):
            inside += 1
            if inside == 1_000:
                everybody.set()
            await answer.wait()

    turns = [asyncio.create_task(waiting()) for _ in range(1_000)]
    async with asyncio.timeout(30):
        await everybody.wait()
    answer.set()
    await asyncio.gather(*turns)


async def test_a_turn_that_is_cancelled_while_it_waits_takes_no_place_along() -> None:
    """Whether it was let in at that moment or not: the ones behind it go on."""
    pace, answer = Pace(places=1), asyncio.Event()

    async def waiting(name: str) -> str:
        async with pace.turn(name):
            await answer.wait()
        return name

    first = asyncio.create_task(waiting("first"))
    await asyncio.sleep(0)
    behind = [asyncio.create_task(waiting(f"{n}")) for n in range(20)]
    await asyncio.sleep(0)
    behind[0].cancel()
    answer.set()
    await first
    behind[1].cancel()
    done = await asyncio.gather(*behind, return_exceptions=True)
    assert done[2:] == [f"{n}" for n in range(2, 20)]
    async with asyncio.timeout(1), pace.turn("afterwards"):
        pass


async def test_a_turn_that_fails_gives_its_place_back() -> None:
    pace = Pace(places=1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with pace.turn("one"):
                raise RuntimeError
    async with asyncio.timeout(1), pace.turn("one"):
        pass
