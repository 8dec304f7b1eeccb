"""A store that loses what it held is filled from the log while every process stays up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from infra.bus.lanes import ConsumerLimits, Lanes
from infra.deploy.local_redis import LocalRedis
from infra.state.recovery import StateRecovery
from infra.state.redis.engine import open_redis_state
from schemas.errors import Parked, StateLost
from schemas.ports import Batch, Bus, LaneHandler, State
from schemas.ports.bus import Clock
from schemas.topics import inbound, worker_group
from tests.contracts.state.recorded_history import CHANNELS, record_conversation

pytestmark = pytest.mark.scaled


@pytest.fixture
def clock() -> Clock:
    return lambda: datetime.now(UTC)


Process = tuple[State, StateRecovery]


@pytest.fixture
async def start(stoppable_redis: LocalRedis, bus: Bus) -> AsyncIterator[Callable[[], Awaitable[Process]]]:
    """Starts one more process: its own connections and its own healer."""
    running: list[Process] = []

    async def start_() -> Process:
        state = await open_redis_state(stoppable_redis.url)
        healer = StateRecovery(
            state, bus, channels=CHANNELS, clock=lambda: datetime.now(UTC), check_every=0.1, grace=0.3, lease_ttl=2
        )
        healer.start()
        running.append((state, healer))
        return running[-1]

    yield start_
    for state, healer in running:
        await healer.close()
        await state.close()


async def wait_until_set(event: asyncio.Event, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        await event.wait()


async def test_a_brand_new_store_is_set_up_without_anybody_asking(start: Callable[[], Awaitable[Process]]) -> None:
    state, healer = await start()
    await wait_until_set(healer.available)
    assert not healer.lost.is_set()
    await state.check_ready()


async def test_after_flushall_exactly_one_process_rebuilds_and_all_go_on(
    start: Callable[[], Awaitable[Process]], stoppable_redis: LocalRedis, bus: Bus
) -> None:
    processes = [await start() for _ in range(3)]
    await asyncio.gather(*(wait_until_set(healer.available) for _, healer in processes))
    assert sum(len(healer.reports) for _, healer in processes) == 1
    lives = [await record_conversation(processes[n % 3][0], bus, f"visitor-{n}") for n in range(6)]
    before = [await life.picture() for life in lives]
    async with Redis.from_url(stoppable_redis.url) as client:
        await client.flushall()
    await asyncio.gather(*(wait_until_set(healer.lost) for _, healer in processes))
    await asyncio.gather(*(wait_until_set(healer.available) for _, healer in processes))
    assert [await life.picture() for life in lives] == before
    assert sum(len(healer.reports) for _, healer in processes) == 2
    assert [(await state.rebuild.check()) for state, _ in processes] == [frozenset()] * 3


async def test_records_parked_by_lanes_are_handled_after_flushall(
    start: Callable[[], Awaitable[Process]], stoppable_redis: LocalRedis, bus: Bus
) -> None:
    """Its offsets were committed, so the log alone would never hand it out again; what was handled stays so."""
    state, healer = await start()
    await wait_until_set(healer.available)
    life = await record_conversation(state, bus, "visitor")
    said = [await life.hear("one"), await life.hear("two")]
    topic, group = inbound("web"), worker_group("web")
    seen: list[str] = []

    async def wait(batch: Batch) -> None:
        raise Parked("not now", until=datetime.now(UTC) + timedelta(days=1))

    async def handle(batch: Batch) -> None:
        seen.extend(record.headers["ce_id"] for record in batch.records)

    async def give_up(*_: object) -> None:
        raise AssertionError("nothing is given up")

    def member(handler: LaneHandler) -> tuple[Lanes, asyncio.Task[None]]:
        lanes = Lanes(bus, state.parking, limits=ConsumerLimits(commit_every=0.05), suspended=healer.lost.is_set)
        return lanes, asyncio.create_task(lanes.run([topic], group, handler, give_up))

    async def until(reached: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(20):
            while not await reached():  # noqa: ASYNC110  # neither log nor store tells
                await asyncio.sleep(0.02)

    async def committed() -> bool:
        return (await bus.lag(group, [topic]))[topic] == 0

    async def both_seen() -> bool:
        return len(seen) >= 2

    first, running = member(wait)
    await until(committed)
    first.stop()
    await running
    async with Redis.from_url(stoppable_redis.url) as client:
        await client.flushall()
    await wait_until_set(healer.lost)
    await wait_until_set(healer.available)
    assert healer.reports[-1].parked == 2
    second, running = member(handle)
    await until(both_seen)
    second.stop()
    await running
    assert seen == said


async def test_a_rebuild_whose_process_died_is_done_by_another(
    start: Callable[[], Awaitable[Process]], stoppable_redis: LocalRedis
) -> None:
    dead = await open_redis_state(stoppable_redis.url)
    await dead.leases.acquire("rebuild", "dead", ttl=1.0, now=datetime.now(UTC))
    await dead.rebuild.prepare(frozenset(range(256)))
    state, healer = await start()
    await wait_until_set(healer.lost)
    await wait_until_set(healer.available)
    await state.check_ready()
    assert len(healer.reports) == 1
    with pytest.raises(StateLost):
        await dead.rebuild.finish(frozenset(range(256)))
    await dead.close()


async def test_a_server_that_is_down_meanwhile_delays_the_rebuild_and_nothing_else(
    start: Callable[[], Awaitable[Process]], stoppable_redis: LocalRedis, bus: Bus
) -> None:
    state, healer = await start()
    await wait_until_set(healer.available)
    life = await record_conversation(state, bus, "visitor")
    before: dict[str, Any] = await life.picture()
    async with Redis.from_url(stoppable_redis.url) as client:
        await client.flushall()
    await wait_until_set(healer.lost)
    await asyncio.to_thread(stoppable_redis.kill)
    await asyncio.to_thread(stoppable_redis.start)
    await wait_until_set(healer.available)
    assert await life.picture() == before
