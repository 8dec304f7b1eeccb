"""Random histories of arrivals, failures, rebalances and crashes: whatever happens, the promises of the lanes hold."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
import structlog

from infra.bus.lanes import ConsumerLimits, Lanes
from schemas.errors import Fenced, ModelFailed, Parked, StateUnavailable
from schemas.ports import Batch, Record
from tests.harness.sizes import size
from tests.unit.lanes.lane_simulation import TOPIC, Group, LaneSimulation, SimulatedParking, Worker
from tests.unit.lanes.virtual_time import now, run

TIGHT = ConsumerLimits(
    held=60,
    held_per_tenant=30,
    held_per_lane=4,
    span=40,
    running=5,
    running_per_tenant=3,
    drain=1.0,
    commit_every=0.1,
    poll=0.05,
    poll_records=20,
)
TENANTS = ("a", "b")
KEYS = [f"{tenant}-{number}" for tenant in TENANTS for number in range(5)]
PATIENCE_S = 3000.0


class Simulation:
    def __init__(self, seed: int) -> None:
        random.seed(seed)  # the jitter of retries
        self.dice = random.Random(seed)
        self.world = LaneSimulation(self.dice, trouble=self.dice.choice((0.0, 0.02, 0.1)))
        self.world.pauses_survive = self.dice.random() < 0.5
        self.world.leaky = self.dice.random() < 0.5
        self.group = Group(self.world)
        self.workers: list[Worker] = []
        self.poison: set[tuple[int, int]] = set()
        self.failed: Counter[tuple[int, int]] = Counter()
        self.parkings: Counter[str] = Counter()
        self.given_up: list[Record] = []

    # ── handling ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def handle(self, batch: Batch) -> None:
        self.world.began(batch)
        try:
            await asyncio.sleep(self.dice.choice((0.0, 0.0, 0.01, 0.1, 0.5, 3.0)))
            if self.dice.random() < 0.3:
                self.world.expect_in_order([*batch.records, *batch.take_more()])
            self._maybe_fail(batch)
            self.world.handled(batch.records)
        finally:
            self.world.running.discard(batch.conversation)

    def _maybe_fail(self, batch: Batch) -> None:
        if any((record.partition, record.offset) in self.poison for record in batch.records):
            raise ValueError("poison")
        first = (batch.records[0].partition, batch.records[0].offset)
        if self.failed[first] < 2 and self.dice.random() < 0.15:
            self.failed[first] += 1
            raise self.dice.choice(
                (ModelFailed("once"), RuntimeError("once"), Fenced("once"), asyncio.CancelledError())
            )
        if self.dice.random() < self.world.trouble:
            raise StateUnavailable("away")
        if self.parkings[batch.conversation] < 2 and self.dice.random() < 0.05:
            self.parkings[batch.conversation] += 1
            self.world.parks(batch.conversation)
            raise Parked("later", until=now() + timedelta(seconds=self.dice.choice((0, 1, 20))))

    async def give_up(self, key: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
        if self.dice.random() < self.world.trouble:
            raise StateUnavailable("away")
        self.given_up += records
        self.world.handled(records)

    # ── history ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def join(self) -> None:
        parking = SimulatedParking(self.world)
        lanes = Lanes(
            self.group.bus,
            parking,
            limits=TIGHT,
            clock=now,
            suspended=lambda: self.world.suspended,
            tenant_limit=lambda tenant: {"a": 3, "b": 2}[tenant],
        )
        task = asyncio.create_task(lanes.run([TOPIC], "group", self.handle, self.give_up))
        before = len(self.group.members)
        await until(lambda: len(self.group.members) > before)
        self.workers.append(Worker(lanes, parking, task, self.group.members[-1]))
        await self.group.rebalance()

    async def leave(self) -> None:
        worker = self.workers.pop(self.dice.randrange(len(self.workers)))
        worker.lanes.stop()
        await worker.task
        expect_empty(worker.lanes)
        await self.group.leave(worker.subscription)

    async def crash(self) -> None:
        worker = self.workers.pop(self.dice.randrange(len(self.workers)))
        worker.parking.dead = worker.subscription.dead = True
        worker.task.cancel()
        await asyncio.gather(worker.task, return_exceptions=True)
        expect_empty(worker.lanes)
        await self.group.leave(worker.subscription)

    def arrive(self) -> None:
        flood = self.dice.random() < 0.1
        key = self.dice.choice(KEYS)
        for _ in range(self.dice.randrange(10, 40) if flood else self.dice.randrange(1, 6)):
            key = key if flood else self.dice.choice(KEYS)
            record = self.world.append(key, tenant=key[0], gap=self.dice.choice((0, 0, 0, 3)))
            if self.dice.random() < 0.01:
                self.poison.add((record.partition, record.offset))

    async def step(self) -> None:
        what = self.dice.random()
        if what < 0.6:
            self.arrive()
        elif what < 0.66 and len(self.workers) < 3:
            await self.join()
        elif what < 0.70 and len(self.workers) > 1:
            await self.leave()
        elif what < 0.73:
            await self.crash()
            if not self.workers:
                await self.join()
        elif what < 0.78:
            await self.group.rebalance()
        elif what < 0.82:
            self.world.suspended = not self.world.suspended
        elif what < 0.85 and self.workers:
            self.wake(self.dice.choice(KEYS))
        await asyncio.sleep(self.dice.choice((0.0, 0.01, 0.2, 1.0)))

    def wake(self, key: str) -> None:
        self.world.wake(key)
        for worker in self.workers:
            worker.lanes.wake(key)

    async def live(self, steps: int) -> None:
        await self.join()
        for _ in range(steps):
            await self.step()
        self.world.suspended, self.world.trouble = False, 0.0
        await until(lambda: self.world.all_done() or bool(self.world.violations))
        assert not self.world.violations, self.world.violations[:5]
        assert {(one.partition, one.offset) for one in self.given_up} == self.poison
        await until(lambda: all(worker.lanes.held_count == 0 for worker in self.workers))
        while self.workers:
            await self.leave()


def expect_empty(lanes: Lanes) -> None:
    assert (lanes.held_count, lanes.running_count, lanes.load, lanes.oldest_waiting) == (0, 0, 0.0, 0.0)
    assert lanes.memory_usage.bytes_held == 0
    assert [lanes.memory_usage.of_tenant(tenant) for tenant in TENANTS] == [0, 0]
    assert not lanes.partitions


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  # the time is virtual
            await asyncio.sleep(0.05)


QUICK = range(2)
BLOCKS = [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in range(size(3, full=10))]


@pytest.mark.parametrize("block", BLOCKS)
def test_no_history_breaks_a_promise(block: int) -> None:
    """Nothing is lost, overtaken, handled twice without cause, or committed before it is done; counters return to 0."""
    with structlog.testing.capture_logs():
        for seed in range(block * 30, block * 30 + 30):
            try:
                run(Simulation(seed).live(60))
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise
