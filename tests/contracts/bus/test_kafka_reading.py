"""Reading without a group on Kafka alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer

from infra.deploy.local_kafka import LocalKafka
from schemas.errors import BusUnavailable
from schemas.ports import Record
from tests.contracts.bus.kafka_members import (
    INBOUND,
    PATIENCE,
    PROFILE,
    break_fetcher,
    build_envelope,
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


async def test_a_read_meets_an_outage_and_ends_complete(stoppable_kafka: LocalKafka, topic_prefix: str) -> None:
    async with open_bus(stoppable_kafka.bootstrap, topic_prefix) as bus:
        for start in range(0, 3_000, 500):
            await bus.append([make_numbered(f"c{number % 7}", number) for number in range(start, start + 500)])
        records: list[Record] = []
        reading = await bus.read(INBOUND)
        records.append(await anext(reading))
        await asyncio.to_thread(stoppable_kafka.kill)
        await asyncio.to_thread(stoppable_kafka.start)
        await asyncio.wait_for(collect_records(reading, records), PATIENCE)
        assert len(records) == len({record.headers["ce_id"] for record in records}) == 3_000


async def test_a_read_gives_up_on_a_broker_that_stays_away(stoppable_kafka: LocalKafka, topic_prefix: str) -> None:
    profile = replace(PROFILE, read_stall=1.0)
    async with open_bus(stoppable_kafka.bootstrap, topic_prefix, profile) as bus:
        for _ in range(5):  # more than one fetch brings
            await bus.append([build_envelope("c", data=b"x" * 900_000)])
        reading = await bus.read(INBOUND)
        await asyncio.to_thread(stoppable_kafka.stop)
        with pytest.raises(BusUnavailable):
            await asyncio.wait_for(collect_records(reading, []), PATIENCE)
        with pytest.raises(BusUnavailable):
            await bus.read(INBOUND)
