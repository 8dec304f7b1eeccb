"""Reading without a group on Kafka alone."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from schemas.ports import Record
from tests.contracts.bus.kafka_members import (
    INBOUND,
    PATIENCE,
    break_fetcher,
    collect_records,
    make_numbered,
    open_bus,
    read_all,
    wait_until,
)

pytestmark = pytest.mark.scaled


async def test_a_read_ends_where_the_last_offset_holds_no_record(kafka_bootstrap: str, topic_prefix: str) -> None:
    """A transaction's marker takes an offset and is never handed out, so counting records would wait for ever."""
    async with open_bus(kafka_bootstrap, topic_prefix, partitions=1) as bus:
        producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=topic_prefix + "marker")
        await producer.start()
        async with producer.transaction():
            await producer.send_and_wait(topic_prefix + INBOUND, b"value", key=b"key")
        await producer.stop()
        records = await asyncio.wait_for(read_all(bus), 30)
        assert [record.value for record in records] == [b"value"]
        follower = await bus.follow(INBOUND)
        following = asyncio.create_task(collect_records(follower.records(), []))
        await asyncio.wait_for(follower.caught_up.wait(), 30)
        await follower.close()
        await following


async def test_a_follower_outlives_the_death_of_its_clients_fetcher(
    kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client would return nothing for ever and tell nobody; what was read is not read again."""
    defect = break_fetcher(monkeypatch)
    async with open_bus(kafka_bootstrap, topic_prefix) as bus:
        await bus.append([make_numbered("c", 1)])
        follower = await bus.follow(INBOUND)
        followed: list[Record] = []
        following = asyncio.create_task(collect_records(follower.records(), followed))
        await asyncio.wait_for(follower.caught_up.wait(), PATIENCE)
        defect()
        await bus.append([make_numbered("c", 2)])
        await bus.append([make_numbered("c", 3)])
        await wait_until(lambda: len(followed) >= 3, "it reads on")
        await follower.close()
        await following
        assert [record.headers["ce_id"] for record in followed] == ["c/1", "c/2", "c/3"]
