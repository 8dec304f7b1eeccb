"""The connectors' consumers: a few batches at once, and tenants take turns."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from agent_worker.fair_scheduler import ALONE_FACTOR, SLOTS, FairScheduler
from gateway.config.settings import Config
from gateway.http.overload import OverloadFlag
from gateway.wiring.consumers import build_scheduler, schedule_fairly
from gateway.wiring.process_services import ProcessServices
from schemas.errors import Unavailable
from schemas.ports import Batch, Record
from tests.unit.lanes.virtual_time import run


@dataclass
class BatchStub:
    """What ``paced`` looks at in a batch."""

    records: list[Record]
    revoking: asyncio.Event = field(default_factory=asyncio.Event)


def batch(tenant: str) -> Batch:
    record = Record("parley.outbound.web", 0, 0, f"of-{tenant}", 0, {"ce_tenant": tenant}, b"x")
    return cast(Batch, BatchStub([record]))


async def test_the_replies_of_a_flood_are_not_sent_before_those_of_another_tenant() -> None:
    """A thousand wait when the other tenant's first comes, and all have an outcome to wait for."""
    begun = list[str]()

    async def send(batch: Batch) -> None:
        begun.append(batch.records[0].headers["ce_tenant"])
        for _ in range(10):
            await asyncio.sleep(0)

    handler = schedule_fairly(send, FairScheduler(wider=1))
    flood = [asyncio.ensure_future(handler(batch("loud"))) for _ in range(1_000)]
    await asyncio.sleep(0)
    await handler(batch("quiet"))
    assert begun.index("quiet") < 20
    assert len(begun) < 100
    await asyncio.gather(*flood)
    assert len(begun) == 1_001


async def test_batches_still_waiting_at_revocation_are_left_to_the_next_owner() -> None:
    begun, pace = list[Batch](), FairScheduler(places=1, wider=1)

    async def send(batch: Batch) -> None:
        begun.append(batch)
        await asyncio.sleep(0)

    handler, late = schedule_fairly(send, pace), batch("one")
    first = asyncio.ensure_future(handler(batch("one")))
    second = asyncio.ensure_future(handler(late))
    await asyncio.sleep(0)
    late.revoking.set()
    await first
    with pytest.raises(Unavailable):
        await second
    assert late not in begun


@dataclass
class Process:
    """What ``pace_of`` looks at."""

    config: Config
    overload_flag: OverloadFlag = field(default_factory=OverloadFlag)


@pytest.mark.parametrize(
    ("engine", "places"),
    [
        ({}, SLOTS),
        ({"bus": "kafka://broker:9092", "state": "redis://redis", "secret_key": "k" * 32}, SLOTS * ALONE_FACTOR),
    ],
)
def test_turns_that_share_a_process_with_the_door_are_few_also_when_a_party_is_alone(
    engine: dict[str, str], places: int
) -> None:
    """Whoever writes waits for all that are under way; a worker of its own has nobody at its door."""

    async def scene() -> None:
        config = Config.model_validate({"tenants": {"shop": {"name": "Shop"}}} | engine)
        pace, inside, over = build_scheduler(cast(ProcessServices, Process(config))), 0, asyncio.Event()

        async def turn() -> None:
            nonlocal inside
            async with pace.slot("alone", "web"):
                inside += 1
                await over.wait()

        turns = [asyncio.create_task(turn()) for _ in range(SLOTS * ALONE_FACTOR + 1)]
        await asyncio.sleep(0)
        assert inside == places
        over.set()
        await asyncio.gather(*turns)

    run(scene())
