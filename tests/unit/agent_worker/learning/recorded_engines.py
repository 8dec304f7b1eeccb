"""The log and the state store for recorded conversations, on either engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from connectors.registry import CHANNELS
from infra.bus.kafka import KafkaBus
from infra.bus.kafka.profile import PRODUCTION
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.state.sqlite.engine import open_sqlite_state
from schemas import topics
from schemas.envelope import Envelope
from schemas.messages import OutboundMessage
from schemas.ports import Bus, Clock, Position, State
from tests.contracts.state.engines import server_state


class ObservedBus:
    """The log, and a note of every message that was published to a contact."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.sent: dict[str, list[OutboundMessage]] = defaultdict(list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def append(self, envelopes: Sequence[Envelope], *, topic: str | None = None) -> list[Position]:
        positions = await self._bus.append(envelopes, topic=topic)
        for event in envelopes:
            if event.type == topics.MESSAGE_SEND:
                self.sent[event.conversation].append(event.payload(OutboundMessage))
        return positions


def open_engine(
    folder: Path, clock: Clock, kafka: str = "", redis: str = ""
) -> AbstractAsyncContextManager[tuple[Bus, State]]:
    """SQLite in this folder, or these servers."""
    return _on_servers(kafka, redis) if kafka else _on_sqlite(folder, clock)


def _specs() -> list[topics.TopicSpec]:
    return topics.topic_specs([*CHANNELS], partitions=3, small=3)


@asynccontextmanager
async def _on_sqlite(folder: Path, clock: Clock) -> AsyncIterator[tuple[Bus, State]]:
    database = Database.open(folder / "parley.db")
    bus, state = SqliteBus(database, clock=clock), open_sqlite_state(database)
    await bus.start()
    await bus.create_topics(_specs())
    try:
        yield bus, state
    finally:
        await state.close()
        await bus.close()
        await database.close()


@asynccontextmanager
async def _on_servers(kafka: str, redis: str) -> AsyncIterator[tuple[Bus, State]]:
    # These conversations have nobody who would try again, as connectors and workers do beside a busy broker.
    bus = KafkaBus(kafka, prefix=f"t-{uuid4().hex[:8]}.", profile=replace(PRODUCTION, append_deadline=60.0))
    await bus.start()
    await bus.create_topics(_specs())
    try:
        async with server_state(redis) as state:
            yield bus, state
    finally:
        await bus.close()
