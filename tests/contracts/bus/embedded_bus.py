"""The embedded log with a clock moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from infra.bus.sqlite import SqliteBus
from infra.database import Database
from schemas.ports import Bus, Record
from tests.contracts.bus.engines import TOPICS, WEB
from tests.contracts.bus.recording_consumer import NOON


class ManualClock:
    """A clock that is moved by hand. ``wrong`` is how far it is off; ``monotonic`` does not see that."""

    def __init__(self) -> None:
        self.now = NOON
        self.wrong = timedelta()

    def __call__(self) -> datetime:
        return self.now + self.wrong

    def monotonic(self) -> float:
        return self.now.timestamp()


@asynccontextmanager
async def open_log(
    path: Path,
    clock: ManualClock | None = None,
    *,
    drain_budget: float = 60,
    clean_every: float = 3_600,
    tombstone_grace: float = 86_400,
) -> AsyncIterator[tuple[SqliteBus, Database]]:
    database = Database.open(path)
    hands = clock or ManualClock()
    bus = SqliteBus(
        database,
        clock=hands,
        monotonic=hands.monotonic,
        drain_budget=drain_budget,
        clean_every=clean_every,
        tombstone_grace=tombstone_grace,
    )
    try:
        await bus.start()
        await bus.create_topics(TOPICS)
        yield bus, database
    finally:
        await bus.close()
        await database.close()


async def read_everything(bus: Bus, topic: str = WEB) -> list[Record]:
    return [record async for record in await bus.read(topic)]
