"""A party that waits for a thread waits for one job of each other party, not for all of a flood's."""

from __future__ import annotations

import asyncio
import threading

import pytest

from agent_worker.knowledge.ingest.fair_thread_pool import FairThreadPool


async def held_up(threads: FairThreadPool, until: threading.Event) -> asyncio.Task[bool]:
    """The only thread is taken from now on."""
    task = asyncio.create_task(threads.run(["loud"], lambda: until.wait(30)))
    await asyncio.sleep(0)
    return task


async def test_a_search_goes_ahead_of_a_flood_that_came_before_it() -> None:
    threads, go, order = FairThreadPool(1, "test"), threading.Event(), list[str]()
    first = await held_up(threads, go)
    flood = [asyncio.create_task(threads.run(["loud"], lambda: order.append("loud"))) for _ in range(20)]
    await asyncio.sleep(0)
    quiet = asyncio.create_task(threads.run(["quiet"], lambda: order.append("quiet")))
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(first, quiet, *flood)
    assert order.index("quiet") <= 1
    assert len(order) == 21
    threads.close()


async def test_a_cancelled_waiter_takes_no_thread() -> None:
    """Whether its turn had come at that moment or not, and also while its work runs: those behind it go on."""
    threads, go = FairThreadPool(1, "test"), threading.Event()
    first = await held_up(threads, go)
    behind = [asyncio.create_task(threads.run(["loud"], lambda n=n: n)) for n in range(5)]  # type: ignore[misc]
    await asyncio.sleep(0)
    behind[0].cancel()
    first.cancel()
    go.set()
    done = await asyncio.gather(*behind, return_exceptions=True)
    assert done[1:] == [1, 2, 3, 4]
    async with asyncio.timeout(30):
        assert await threads.run(["quiet"], lambda: True)
    threads.close()


async def test_work_that_fails_gives_its_thread_back() -> None:
    threads = FairThreadPool(1, "test")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await threads.run(["one"], lambda: 1 // 0)
    threads.close()


async def test_nobody_waits_for_ever_for_threads_that_were_closed() -> None:
    threads, go = FairThreadPool(1, "test"), threading.Event()
    first = await held_up(threads, go)
    behind = [asyncio.create_task(threads.run(["loud"], lambda: True)) for _ in range(3)]
    await asyncio.sleep(0)
    go.set()
    threads.close()
    assert await first
    async with asyncio.timeout(30):
        done = await asyncio.gather(*behind, return_exceptions=True)
    assert [type(one) for one in done] == [RuntimeError] * 3
