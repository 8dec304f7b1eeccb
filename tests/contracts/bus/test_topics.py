"""Topics are made once, with a partition count for good."""

from __future__ import annotations

import pytest

from schemas.errors import TopicMismatch
from schemas.ports import Bus
from schemas.topics import DAY_MS, EVENTS, TopicSpec
from tests.contracts.bus.engines import PARTITIONS, TOPICS, WEB, OpenBus
from tests.contracts.bus.recording_consumer import by_key, message


async def test_creating_returns_what_was_missing(open_bus: OpenBus) -> None:
    """The second time nothing is missing, and nothing changes."""
    async with open_bus() as bus:
        assert sorted(await bus.create_topics(TOPICS)) == sorted(spec.name for spec in TOPICS)
        assert await bus.create_topics(TOPICS) == []
        assert await bus.create_topics([*TOPICS, TopicSpec(EVENTS, 2, DAY_MS)]) == [EVENTS]
        assert await bus.describe_topics() == {spec.name: PARTITIONS for spec in TOPICS} | {EVENTS: 2}


async def test_another_partition_count_is_refused(bus: Bus) -> None:
    """TopicMismatch, with a fix, and the topic stays as it was."""
    with pytest.raises(TopicMismatch) as refused:
        await bus.create_topics([TopicSpec(WEB, PARTITIONS + 1, DAY_MS)])
    assert refused.value.fix
    assert (await bus.describe_topics())[WEB] == PARTITIONS


async def test_records_are_there_when_the_log_is_opened_again(open_bus: OpenBus) -> None:
    """Topics and records outlive the object that wrote them."""
    async with open_bus() as bus:
        await bus.create_topics(TOPICS)
        await bus.append([message("one", 1)])
    async with open_bus() as bus:
        await bus.append([message("one", 2)])
        assert by_key([record async for record in await bus.read(WEB)]) == {"one": [1, 2]}
