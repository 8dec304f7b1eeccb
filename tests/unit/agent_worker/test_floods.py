"""A flood is held while others are here, and only then; and never stopped. In virtual time, with a processor that
does what the turns tell it."""

from __future__ import annotations

import asyncio
from collections import Counter

from agent_worker.fair_scheduler import FairScheduler
from agent_worker.flood_control import (
    CPU_SHARE,
    FLOOD_WAIT_S,
    MEMORY_S,
    MIN_INTERVAL_S,
    OVERLOAD_INTERVAL_S,
    FloodControl,
    Party,
)
from tests.unit.lanes.virtual_time import VirtualLoop, run

LOUD, LOUDER, QUIET = ("loud", "web"), ("loud", "whatsapp"), ("quiet", "web")
CROWD = 400
STEPS, STEP_S = 4, 0.001


class Processor:
    """``steps``: taken by each party. ``others``: of each second, what other work than the turns takes."""

    def __init__(self, others: float = 0.0) -> None:
        self.steps: Counter[Party] = Counter()
        self.longest: dict[Party, float] = {}
        """Seconds from wanting a turn to its end, since this was emptied last."""
        self._others = others
        self.pressed = False
        self.pace = FairScheduler(floods=FloodControl(self.effort, pressed=lambda: self.pressed))

    def effort(self) -> float:
        return STEP_S * self.steps.total() + self._others * asyncio.get_running_loop().time()

    async def turn(self, party: Party) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        begun = loop.time()
        async with self.pace.slot(*party):
            for _ in range(STEPS):
                loop.compute(STEP_S)
                self.steps[party] += 1
                await asyncio.sleep(0)
        self.longest[party] = max(self.longest.get(party, 0.0), loop.time() - begun)

    async def flood(self, party: Party, until: float) -> None:
        """So many at once that each waits for more than a second."""

        async def again_and_again() -> None:
            while asyncio.get_running_loop().time() < until:
                await self.turn(party)

        await asyncio.gather(*(again_and_again() for _ in range(CROWD)))

    async def now_and_then(self, party: Party, until: float, every: float = 0.1) -> None:
        while asyncio.get_running_loop().time() < until:
            await self.turn(party)
            await asyncio.sleep(every)


def test_alone_a_flood_gets_everything() -> None:
    async def scene() -> None:
        processor = Processor()
        await processor.flood(LOUD, 10)
        assert STEP_S * processor.steps[LOUD] > 0.95 * asyncio.get_running_loop().time()

    run(scene())


def test_beside_somebody_else_a_flood_gets_what_is_left_of_half_a_processor() -> None:
    """From its second second on: in the first it is not known yet. Afterwards a turn of the other takes its own four
    steps, and a few of those of the flood that are inside."""

    async def scene() -> None:
        processor = Processor()
        flood = asyncio.create_task(processor.flood(LOUD, 22))
        await processor.now_and_then(QUIET, 2)
        processor.longest.clear()
        before = processor.steps.copy()
        await processor.now_and_then(QUIET, 22)
        taken = processor.steps - before
        assert 0.9 * CPU_SHARE * 20 < STEP_S * taken.total() < 1.1 * CPU_SHARE * 20
        assert processor.longest[QUIET] < 4 * STEPS * STEP_S
        await flood

    run(scene())


def test_when_the_others_have_gone_the_flood_is_let_loose() -> None:
    async def scene() -> None:
        processor = Processor()
        flood = asyncio.create_task(processor.flood(LOUD, 20))
        await processor.now_and_then(QUIET, 4)
        await asyncio.sleep(MEMORY_S + 1)
        before, begun = processor.steps[LOUD], asyncio.get_running_loop().time()
        await asyncio.sleep(5)
        taken = STEP_S * (processor.steps[LOUD] - before)
        assert taken > 0.95 * (asyncio.get_running_loop().time() - begun)
        await flood

    run(scene())


def test_a_flood_goes_on_also_when_there_is_no_room_at_all() -> None:
    """Other work takes more than the whole processor; ten seconds of that."""

    async def scene() -> None:
        processor = Processor(others=2.0)
        flood = asyncio.create_task(processor.flood(LOUD, 12))
        await processor.now_and_then(QUIET, 2)
        before = processor.steps[LOUD]
        await processor.now_and_then(QUIET, 12)
        turns = (processor.steps[LOUD] - before) / STEPS
        assert 0.8 < turns * MIN_INTERVAL_S / 10 < 1.1
        await flood

    run(scene())


def test_floods_that_are_held_take_turns() -> None:
    """Two channels of one tenant, both flooded: each gets half of what there is for floods."""

    async def scene() -> None:
        processor = Processor()
        floods = [asyncio.create_task(processor.flood(party, 22)) for party in (LOUD, LOUDER)]
        await processor.now_and_then(QUIET, 2)
        before = processor.steps.copy()
        await processor.now_and_then(QUIET, 22)
        taken = processor.steps - before
        assert STEP_S * taken.total() < 1.1 * CPU_SHARE * 20
        assert 0.8 < taken[LOUD] / taken[LOUDER] < 1.25
        await asyncio.gather(*floods)

    run(scene())


def test_many_who_are_no_flood_are_held_by_nobody() -> None:
    """Twenty parties that together want more than there is, none of whose turns waits for long."""

    async def scene() -> None:
        processor = Processor()
        parties = [(f"tenant-{n}", "web") for n in range(20)]
        await asyncio.gather(*(processor.now_and_then(party, 10, every=0) for party in parties))
        assert STEP_S * processor.steps.total() > 0.95 * asyncio.get_running_loop().time()

    run(scene())


def test_nobody_is_held_back_where_everybody_floods() -> None:
    async def scene() -> None:
        processor = Processor()
        await asyncio.gather(*(processor.flood(party, 10) for party in (LOUD, LOUDER)))
        assert STEP_S * processor.steps.total() > 0.95 * asyncio.get_running_loop().time()

    run(scene())


def test_a_long_wait_marks_a_party_as_flooding_for_a_while_only() -> None:
    floods = FloodControl(lambda: 0.0)
    floods.record_admission(LOUD, FLOOD_WAIT_S + 0.1, now=10)
    floods.record_arrival(QUIET, 10)
    assert LOUD in floods.held_parties(10 + MEMORY_S)
    floods.record_arrival(QUIET, 11 + MEMORY_S)
    assert LOUD not in floods.held_parties(11 + MEMORY_S)


def test_a_rest_is_not_saved_for_a_burst() -> None:
    """After an hour of rest there is room for as much as after a moment."""
    spent = 0.0
    floods = FloodControl(lambda: spent)
    floods.record_admission(LOUD, 1, now=3_600)
    assert floods.has_room(3_600)
    spent = 0.05
    assert not floods.has_room(3_600)


def test_a_long_pause_is_not_owed_for_ever() -> None:
    """The process computed for a minute; a second later there is room again."""
    spent = 60.0
    floods = FloodControl(lambda: spent)
    floods.record_admission(LOUD, 1, now=60)
    assert not floods.has_room(60)
    floods.record_admission(LOUD, 1, now=61)
    assert floods.has_room(61)


def test_while_the_door_refuses_turns_are_let_in_one_by_one_and_parties_take_turns() -> None:
    """Though there is room for all of them; and when it has room again, nobody counts as a flood for having waited."""

    async def scene() -> None:
        processor, loop = Processor(), asyncio.get_running_loop()
        processor.pressed = True
        crowds = [asyncio.create_task(processor.flood(party, 14)) for party in (LOUD, LOUDER)]
        await asyncio.sleep(10)
        turns = processor.steps.total() / STEPS
        assert 0.6 < turns * OVERLOAD_INTERVAL_S / 10 < 1.1
        assert processor.steps[LOUD] <= processor.steps[LOUDER] + STEPS
        assert processor.steps[LOUDER] <= processor.steps[LOUD] + STEPS
        processor.pressed = False
        before, begun = processor.steps.total(), loop.time()
        await asyncio.sleep(2)
        assert STEP_S * (processor.steps.total() - before) > 0.95 * (loop.time() - begun)
        await asyncio.gather(*crowds)

    run(scene())
