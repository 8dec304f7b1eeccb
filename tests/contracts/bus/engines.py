"""Opens the log of each engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from infra.bus.sealed_bus import EventSealer, SealedBus
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.state.sqlite.engine import open_sqlite_state
from schemas.ports import Bus
from schemas.privacy.key_service import ContactKeyService
from schemas.topics import DAY_MS, STATE, TopicSpec, inbound

OpenBus = Callable[[], AbstractAsyncContextManager[Bus]]

PARTITIONS = 3
WEB = inbound("web")
SLACK = inbound("slack")
DESKS = {"bakery": "web"}
"""By tenant; that of any other is the default."""
TOPICS = [TopicSpec(WEB, PARTITIONS, DAY_MS), TopicSpec(SLACK, PARTITIONS, DAY_MS), TopicSpec(STATE, PARTITIONS, None)]


def open_sqlite(path: Path, prefix: str) -> OpenBus:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Bus]:
        database = Database.open(path)
        bus = SqliteBus(database, prefix=prefix, desks=DESKS)
        try:
            await bus.start()
            yield bus
        finally:
            await bus.close()
            await database.close()

    return opened


def open_sealed(path: Path, prefix: str) -> OpenBus:
    """A log on which contacts' words are sealed: it must do for its callers what the log below it does."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Bus]:
        database = Database.open(path)
        state = open_sqlite_state(database)
        bus = SqliteBus(database, prefix=prefix, desks=DESKS)
        keys = ContactKeyService(
            bus=bus,
            keys=state.contact_keys,
            derive_secrets=lambda: [b"1" * 32],
            clock=lambda: datetime.now(UTC),
        )
        try:
            await bus.start()
            yield SealedBus(bus, EventSealer(keys, state.conversations.get))
        finally:
            await state.close()
            await bus.close()
            await database.close()

    return opened


def open_kafka(bootstrap: str, prefix: str) -> OpenBus:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Bus]:
        from infra.bus.kafka import KafkaBus, KafkaProfile

        profile = KafkaProfile(
            session_timeout_ms=6_000,
            heartbeat_ms=200,
            rebalance_timeout_ms=10_000,
            metadata_max_age_ms=500,
            fetch_max_wait_ms=50,
        )
        bus = KafkaBus(bootstrap, prefix=prefix, desks=DESKS, profile=profile)
        try:
            await bus.start()
            yield bus
        finally:
            await bus.close()

    return opened
