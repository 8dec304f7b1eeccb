"""A handler that lives on what comes next, and what it cannot have of that."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from infra.bus.lanes import ConsumerLimits
from schemas.errors import Parked, UndecodableRecord
from schemas.ports import Batch, Record
from schemas.privacy.sealed_events import forget_record
from tests.unit.lanes.lane_member import member, wait_until
from tests.unit.lanes.lane_simulation import LaneSimulation
from tests.unit.lanes.virtual_time import now, run


async def _more(batch: Batch) -> None:
    """As a handler does that lives on what comes next."""
    waits = [asyncio.ensure_future(event.wait()) for event in (batch.arrived, batch.backlog)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in waits:
        each.cancel()


async def _parked_first(batch: Batch, batches: list[list[int]], world: LaneSimulation) -> None:
    """A handler that parks its first batch, and then waits for what comes after what is brought back."""
    batches.append([one.offset for one in batch.records])
    if len(batches) == 1:
        raise Parked("not now", until=now() + timedelta(seconds=5))
    if len(batches) == 2:
        await _more(batch)
    world.seen |= {(record.partition, record.offset) for record in batch.records}


def test_a_handler_that_waits_for_what_comes_next_is_told_of_what_it_cannot_have() -> None:
    """What comes while records of the conversation are parked joins them: not the batch that is brought back from
    there, but the next one."""

    async def scene() -> None:
        batches: list[list[int]] = []

        async def handle(batch: Batch) -> None:
            if len(batches) == 1:
                one.world.append("k")
            await _parked_first(batch, batches, one.world)

        async with member(handle, limits=ConsumerLimits(commit_every=0.05)) as one:
            one.world.append("k")
            await wait_until(lambda: len(batches) == 3)
            await one.settled()
        assert batches == [[0], [0], [1]]

    run(scene())


def test_a_parked_record_of_an_erased_contact_is_removed_and_never_handled() -> None:
    async def scene() -> None:
        batches: list[list[int]] = []

        async def handle(batch: Batch) -> None:
            await _parked_first(batch, batches, one.world)

        async with member(handle, limits=ConsumerLimits(commit_every=0.05)) as one:
            read = one.parking.read

            async def with_the_first_erased(group: str, conversation: str, *, limit: int) -> list[Record]:
                """As the state store reads it once the key is gone."""
                found = await read(group, conversation, limit=limit)
                return [forget_record(each) if each.offset == 0 else each for each in found]

            one.parking.read = with_the_first_erased  # type: ignore[method-assign]
            one.world.append("k")
            await wait_until(lambda: len(batches) == 1)
            one.world.append("k")
            await wait_until(lambda: len(batches) == 2)
            one.world.append("k")
            await wait_until(lambda: len(batches) >= 3)
        assert batches[1][0] == 1
        assert all(0 not in later for later in batches[1:])

    run(scene())


def test_a_handler_that_waits_is_told_of_what_came_while_its_batch_was_brought_back() -> None:
    async def scene() -> None:
        batches: list[list[int]] = []

        async def handle(batch: Batch) -> None:
            await _parked_first(batch, batches, one.world)

        async with member(handle, limits=ConsumerLimits(commit_every=0.05)) as one:
            parked = one.parking.read

            async def with_another(group: str, conversation: str, *, limit: int) -> list[Record]:
                found = await parked(group, conversation, limit=limit)
                if len(batches) == 1:
                    one.world.append("k")
                    await wait_until(lambda: one.lanes.held_count == 1)
                return found

            one.parking.read = with_another  # type: ignore[method-assign]
            one.world.append("k")
            await wait_until(lambda: len(batches) == 3)
            await one.settled()
        assert batches == [[0], [0], [1]]

    run(scene())


def test_a_handler_that_waits_with_one_record_alone_is_told_that_others_follow() -> None:
    """They were tried one by one, because together they failed."""

    async def scene() -> None:
        done: list[int] = []

        async def handle(batch: Batch) -> None:
            if len(batch.records) > 1:
                raise UndecodableRecord("one of them is no good")
            await _more(batch)
            done.extend(one.offset for one in batch.records)
            one.world.seen |= {(r.partition, r.offset) for r in batch.records}

        state = {"suspended": True}
        async with member(
            handle, limits=ConsumerLimits(commit_every=0.05), suspended=lambda: state["suspended"]
        ) as one:
            one.world.append("k")
            one.world.append("k")
            state["suspended"] = False
            await wait_until(lambda: done == [0, 1])

    run(scene())
