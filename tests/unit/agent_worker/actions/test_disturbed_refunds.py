"""Many refunds, each disturbed in some way: held in the end against what the till really did."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from schemas import topics
from schemas.actions import ActionIntended, JournalEntry, PendingConfirmation
from schemas.errors import Fenced
from tests.harness.sizes import size
from tests.simulators.payments import Mood
from tests.unit.agent_worker.actions.shop import Shop, another_worker, open_shop
from tests.unit.agent_worker.worker_environment import LaneStub

MANY = size(60, full=2_000)
"""Refunds."""
SEED = int(os.environ.get("TEST_ACTION_SEED", "0")) or random.SystemRandom().randrange(2**32)
MOODS: list[Mood] = ["well", "well", "slow_after", "error_after", "html_after", "drops_after", "error_before", "busy"]


@dataclass
class DisturbedShop:
    """``agreed``: orders of the contact that got a yes that counts; ``foreign``: orders of somebody else."""

    shop: Shop
    rng: random.Random
    agreed: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    told: Counter[str] = field(default_factory=Counter)

    async def refund(self, number: int) -> None:
        foreign = self.rng.random() < 0.1
        order = f"A-{'2' if foreign else '1'}{number:03}"
        (self.foreign if foreign else self.agreed).add(order)
        self.shop.payments.moods = [self.rng.choice(MOODS)]
        self.shop.payments.forgets = self.rng.random() < 0.1
        pending = await self.shop.ask("9.00", order, name=f"ask-{number}")
        disturbance = self.rng.choice([self.plainly, self.repeatedly, self.cut_off, self.twice_at_once, self.declined])
        await disturbance(pending, number)
        await self.settled(number)

    async def plainly(self, pending: PendingConfirmation, number: int) -> None:
        await self.shop.hear(self.shop.yes(pending, f"yes-{number}"))

    async def repeatedly(self, pending: PendingConfirmation, number: int) -> None:
        for again in range(self.rng.randrange(2, 5)):
            await self.shop.hear(self.shop.yes(pending, f"yes-{number}-{again}"))

    async def cut_off(self, pending: PendingConfirmation, number: int) -> None:
        """At any moment; then somebody else gets the same records, perhaps with more of them."""
        event = self.shop.yes(pending, f"yes-{number}")
        running = asyncio.create_task(self.shop.worker.handle(await self.shop.world.lane(event)))
        await asyncio.sleep(self.rng.uniform(0, 0.03))
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError, Fenced):
            await running
        more = [self.shop.world.said(f"more-{number}", "and then?")] if self.rng.random() < 0.5 else []
        await self.shop.hear(event, *more)
        if (await self.shop.memory()).confirmation is not None:  # asked again: it had not begun
            await self.shop.hear(self.shop.yes(await self.shop.pending(), f"yes-{number}-again"))

    async def twice_at_once(self, pending: PendingConfirmation, number: int) -> None:
        lanes = [await self.shop.world.lane(self.shop.yes(pending, f"yes-{number}")) for _ in range(3)]
        workers = [self.shop.worker, another_worker(self.shop), another_worker(self.shop)]
        work = [worker.handle(lane) for worker, lane in zip(workers, lanes, strict=True)]
        await asyncio.gather(*work, return_exceptions=True)
        await self.shop.worker.handle(LaneStub(lanes[0].records))

    async def declined(self, pending: PendingConfirmation, number: int) -> None:
        self.agreed.discard(str(pending.arguments["order"]))
        await self.shop.hear(self.shop.picked(f"no:{pending.id}", pending, f"no-{number}"))
        await self.shop.hear(self.shop.yes(pending, f"late-{number}"))

    async def settled(self, number: int) -> None:
        """Time passes, what is in doubt is looked up, and people give the conversation back."""
        self.shop.world.clock.advance(minutes=1)
        await self.shop.resolve()
        known = await self.shop.world.known()
        if known.owner != "agent":
            self.told["person"] += 1
            await self.shop.hear(self.shop.world.owner_asked("agent", known.epoch, f"back-{number}"))


@pytest.mark.timeout(120 + MANY)
async def test_nothing_is_done_twice_or_unasked_and_no_doubt_stays_with_nobody(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    async with open_shop(tmp_path) as shop:
        shop.payments.honours = False
        chaos = DisturbedShop(shop, random.Random(SEED))
        for number in range(MANY):
            await chaos.refund(number)
        done = Counter(each["order"] for each in shop.payments.done)
        assert [order for order, times in done.items() if times > 1] == []
        assert set(done) <= chaos.agreed
        assert not set(done) & chaos.foreign
        assert await shop.world.state.journal.unresolved(before=shop.world.clock(), limit=MANY) == []
        doubtful = await shop.world.state.journal.list_in_doubt(shop.world.conversation)
        assert len(doubtful) == chaos.told["person"], "whatever nobody knows, a person was told of"
        succeeded = {
            str(entry.intended.arguments["order"])
            for entry in await _entries(shop)
            if entry.settled is not None and entry.settled.outcome == "succeeded"
        }
        assert succeeded == set(done) - {str(entry.intended.arguments["order"]) for entry in doubtful}


async def _entries(shop: Shop) -> list[JournalEntry]:
    intended: list[ActionIntended] = await shop.facts(topics.ACTION_INTENDED, ActionIntended)
    found = [await shop.world.state.journal.entry(shop.world.conversation, each.key) for each in intended]
    return [entry for entry in found if entry is not None]
