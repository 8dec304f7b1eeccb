"""``lane_group``: a log and a store of their own, once embedded (both in SQLite) and once on Kafka and Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.contracts.bus.engines import TOPICS, open_kafka, open_sqlite
from tests.contracts.lanes.lane_group import LaneGroup
from tests.contracts.state.engines import embedded_state, server_state


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.scaled)])
async def lane_group(request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str) -> AsyncIterator[LaneGroup]:
    if request.param == "sqlite":
        opened = open_sqlite(tmp_path / "bus.db", topic_prefix), embedded_state(tmp_path / "state.db")
    else:
        bootstrap, url = (request.getfixturevalue(name) for name in ("kafka_bootstrap", "redis_url"))
        opened = open_kafka(bootstrap, topic_prefix), server_state(url)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(opened[0]())
        state = await stack.enter_async_context(opened[1])
        await bus.create_topics(TOPICS)
        lane_group = LaneGroup(bus, state.parking)
        stack.push_async_callback(lane_group.close)
        yield lane_group
