"""The pace of turns: few at once while the loop is busy, as many as wait while it is idle, and tenants take turns."""

from __future__ import annotations

import asyncio
import time

import pytest

from agent_worker.fair_scheduler import FairScheduler


async def run_computing_turn(pace: FairScheduler, tenant: str, order: list[str], steps: int = 10) -> None:
    """A turn that keeps the loop for 3 ms in each of its steps."""
    async with pace.slot(tenant, "web"):
        for _ in range(steps):
            time.sleep(0.003)  # noqa: ASYNC251  # it is to block
            await asyncio.sleep(0)
    order.append(tenant)


async def test_a_late_comer_of_another_tenant_does_not_wait_for_a_flood() -> None:
    """Of sixty computing turns of one tenant most are still to come when the other tenant's only one is done."""
    pace, order = FairScheduler(places=4, wider=1), list[str]()
    flood = [asyncio.create_task(run_computing_turn(pace, "loud", order)) for _ in range(60)]
    await asyncio.sleep(0)
    await run_computing_turn(pace, "quiet", order)
    assert order.index("quiet") < 30
    await asyncio.gather(*flood)
    assert len(order) == 61


async def test_within_a_channel_a_visitor_does_not_wait_for_another_addresss_flood() -> None:
    pace, order = FairScheduler(places=1, wider=1), list[str]()

    async def turn(address: str) -> None:
        async with pace.slot("one", "web", "main", address):
            order.append(address)
            await asyncio.sleep(0)

    turns = [asyncio.create_task(turn(address)) for address in ["loud"] * 50 + ["quiet"]]
    await asyncio.gather(*turns)
    assert order.index("quiet") <= 3


async def test_turns_that_only_wait_keep_nobody_out() -> None:
    """A thousand turns that wait for a model are inside together, although the places are few."""
    pace, inside, answer = FairScheduler(places=2), 0, asyncio.Event()
    everybody = asyncio.Event()

    async def waiting() -> None:
        nonlocal inside
        async with pace.slot("one", "web"):
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
    pace, answer = FairScheduler(places=1), asyncio.Event()

    async def waiting(name: str) -> str:
        async with pace.slot(name, "web"):
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
    async with asyncio.timeout(30), pace.slot("afterwards", "web"):
        pass


async def test_a_turn_that_fails_gives_its_place_back() -> None:
    pace = FairScheduler(places=1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with pace.slot("one", "web"):
                raise RuntimeError
    async with asyncio.timeout(30), pace.slot("one", "web"):
        pass


async def test_a_tenant_with_no_running_turns_does_not_wait_behind_another_tenants_crowd() -> None:
    """A hundred turns of one tenant are inside where there are four places, and more wait: another tenant's first turns
    go in all the same, as many as its half of the places."""
    pace, inside, answer = FairScheduler(places=4), 0, asyncio.Event()
    crowded = asyncio.Event()

    async def waiting(tenant: str) -> None:
        nonlocal inside
        async with pace.slot(tenant, "web"):
            inside += 1
            if inside == 100:
                crowded.set()
            await answer.wait()

    flood = [asyncio.create_task(waiting("loud")) for _ in range(300)]
    await crowded.wait()
    waited = []

    async def quiet() -> None:
        async with pace.slot("quiet", "web") as had_to_wait:
            waited.append(had_to_wait)
            await answer.wait()

    others = [asyncio.create_task(quiet()) for _ in range(3)]
    await asyncio.sleep(0)
    assert waited == [False, False]
    answer.set()
    await asyncio.gather(*flood, *others)
    assert waited == [False, False, True]


async def test_a_tenant_that_waits_is_not_passed_by_for_ever() -> None:
    """Eight tenants whose turns follow each other have all the places; the ninth one gets the next that is free."""
    pace, order = FairScheduler(places=8), list[str]()

    async def busy(tenant: str) -> None:
        async with pace.slot(tenant, "web"):
            await asyncio.sleep(0)
        order.append(tenant)

    turns = [asyncio.create_task(busy(f"{tenant}")) for _ in range(20) for tenant in range(8)]
    last = asyncio.create_task(busy("ninth"))
    await asyncio.gather(*turns, last)
    assert order.index("ninth") < 40


async def test_turns_that_only_wait_keep_nobody_out_of_a_busy_loop() -> None:
    """The loop never proves idle, and both places are taken by turns that wait for something slow."""
    pace, answer, over = FairScheduler(places=2), asyncio.Event(), False

    async def busy() -> None:
        while not over:
            time.sleep(0.004)  # noqa: ASYNC251  # it is to block
            await asyncio.sleep(0)

    async def slow() -> None:
        async with pace.slot("one", "web"):
            await answer.wait()

    async def quick() -> None:
        async with pace.slot("one", "web"):
            pass

    others = asyncio.create_task(busy())
    turns = [asyncio.create_task(slow()) for _ in range(2)]
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await quick()
    over = True
    answer.set()
    await asyncio.gather(others, *turns)


async def test_a_loop_that_is_idle_only_now_and_then_lets_in_no_more_while_another_tenant_is_here() -> None:
    """It computes two thirds of the time. Twenty wait, and the four inside wait for somebody."""
    pace, inside, answer = FairScheduler(places=4), 0, asyncio.Event()

    async def waiting() -> None:
        nonlocal inside
        async with pace.slot("one", "web"):
            inside += 1
            await answer.wait()

    async with pace.slot("another", "web"):
        pass
    turns = [asyncio.create_task(waiting()) for _ in range(24)]
    end = time.monotonic() + 0.15
    while time.monotonic() < end:
        time.sleep(0.012)  # noqa: ASYNC251  # it is to block
        await asyncio.sleep(0.006)
    assert inside <= 12, "four, and four more for each time their places were given to others"
    answer.set()
    await asyncio.gather(*turns)


async def test_a_party_that_is_alone_has_more_places_until_another_one_comes() -> None:
    """Alone, eight of its turns are inside at once where there are two places. Once somebody else has come,
    the next one goes in when fewer than two are left."""
    pace, inside, leave = FairScheduler(places=2, wider=4), 0, asyncio.Semaphore(0)

    async def computing_turn() -> None:
        nonlocal inside
        async with pace.slot("loud", "web"):
            inside += 1
            await leave.acquire()
            inside -= 1

    turns = [asyncio.create_task(computing_turn()) for _ in range(30)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert inside == 8
    async with pace.slot("quiet", "web") as had_to_wait:
        assert not had_to_wait
        for _ in range(4):
            leave.release()
        while inside > 4:  # noqa: ASYNC110  # steps of the loop, not time: an idle loop lets more in
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert inside == 4
    for _ in turns:
        leave.release()
    await asyncio.gather(*turns)
