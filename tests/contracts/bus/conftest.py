"""``bus``: an empty log, once on SQLite and once on Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.ports import Bus
from tests.contracts.bus.engines import TOPICS, OpenBus, open_kafka, open_sealed, open_sqlite


@pytest.fixture(params=["sqlite", "sealed", pytest.param("kafka", marks=pytest.mark.scaled)])
def open_bus(request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str) -> OpenBus:
    """Opens the log of this test, empty at first; opened again it is the same log."""
    if request.param == "kafka":
        return open_kafka(request.getfixturevalue("kafka_bootstrap"), topic_prefix)
    if request.param == "sealed":
        return open_sealed(tmp_path / "parley.db", topic_prefix)
    return open_sqlite(tmp_path / "parley.db", topic_prefix)


@pytest.fixture
async def bus(open_bus: OpenBus) -> AsyncIterator[Bus]:
    async with open_bus() as bus:
        await bus.create_topics(TOPICS)
        yield bus
