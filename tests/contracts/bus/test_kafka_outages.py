"""Outages and refusals of the Kafka broker: appends, deadlines, the client's log."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.bus.kafka import KafkaBus
from infra.bus.kafka.bus import throttle_client_logs
from infra.deploy.local_kafka import LocalKafka
from schemas.errors import BusUnavailable, TooLarge, TopicMismatch
from tests.contracts.bus.kafka_members import (
    INBOUND,
    PROFILE,
    SLACK,
    Member,
    append_until_confirmed,
    build_envelope,
    make_numbered,
    open_bus,
    read_all,
    wait_until,
)

pytestmark = pytest.mark.scaled


async def test_an_append_during_an_outage_fails_in_time_and_the_next_ones_at_once(
    stoppable_kafka: LocalKafka, topic_prefix: str
) -> None:
    async with open_bus(stoppable_kafka.bootstrap, topic_prefix, partitions=1) as bus:
        await bus.append([build_envelope("c")])
        await asyncio.to_thread(stoppable_kafka.stop)
        began = time.monotonic()
        with pytest.raises(BusUnavailable) as caught:
            await bus.append([build_envelope("c")])
        assert time.monotonic() - began < PROFILE.append_deadline + SLACK
        assert caught.value.retry_after_ms
        began = time.monotonic()
        with pytest.raises(BusUnavailable):
            await bus.append([build_envelope("c")])
        assert time.monotonic() - began < PROFILE.append_deadline / 2
        with pytest.raises(BusUnavailable):
            await bus.check_ready()


async def test_memory_is_bounded_however_many_appends_meet_an_outage(
    stoppable_kafka: LocalKafka, topic_prefix: str
) -> None:
    profile = replace(PROFILE, pending_records=200, max_batch_bytes=16_384)
    async with open_bus(stoppable_kafka.bootstrap, topic_prefix, profile) as bus:
        await bus.append([build_envelope("c")])
        await asyncio.to_thread(stoppable_kafka.stop)
        most = 0

        async def one(number: int) -> BaseException | None:
            nonlocal most
            try:
                await bus.append([build_envelope(f"c{number % 20}", data=b"x" * 1_000)])
            except BusUnavailable as error:
                return error
            finally:
                most = max(most, bus.pending_records)
            return None

        outcomes = await asyncio.gather(*(one(number) for number in range(2_000)))
        assert all(outcomes), "no append was confirmed by a broker that is down"
        assert 0 < most <= profile.pending_records
        left = bus.pending_records
        await asyncio.gather(*(one(number) for number in range(2_000)))
        assert bus.pending_records <= left, "a second wave was refused without queueing up"
        await asyncio.to_thread(stoppable_kafka.start)
        await wait_until(
            lambda: bus.pending_records == 0, "what was left is written or refused when the broker is back"
        )
        await bus.append([build_envelope("c")])


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_appends_heal_after_an_outage_with_nothing_acknowledged_lost_and_order_kept(
    stoppable_kafka: LocalKafka, topic_prefix: str, how: str
) -> None:
    conversations = [f"c{number}" for number in range(6)]
    confirmed: dict[str, int] = dict.fromkeys(conversations, 0)
    refused: set[str] = set()
    stop = asyncio.Event()

    async def write(conversation: str, bus: KafkaBus) -> None:
        while not stop.is_set():
            try:
                await bus.append([make_numbered(conversation, confirmed[conversation])])
                confirmed[conversation] += 1
            except BusUnavailable:
                refused.add(conversation)
                await asyncio.sleep(0.05)

    async with open_bus(stoppable_kafka.bootstrap, topic_prefix) as bus:
        writers = [asyncio.create_task(write(conversation, bus)) for conversation in conversations]
        await wait_until(lambda: min(confirmed.values()) >= 20, "all write")
        await asyncio.to_thread(stoppable_kafka.stop if how == "stop" else stoppable_kafka.kill)
        await wait_until(lambda: len(refused) == len(conversations), "the outage is noticed everywhere")
        await asyncio.to_thread(stoppable_kafka.start)
        healed_at = {conversation: count + 20 for conversation, count in confirmed.items()}
        await wait_until(lambda: all(confirmed[c] >= healed_at[c] for c in conversations), "all write again")
        stop.set()
        await asyncio.gather(*writers)
        firsts: dict[str, list[int]] = defaultdict(list)
        for record in await read_all(bus):
            number = int(record.headers["ce_id"].partition("/")[2])
            if number not in firsts[record.key]:
                firsts[record.key].append(number)
    for conversation, count in confirmed.items():
        assert firsts[conversation] == list(range(len(firsts[conversation]))), "in order, repeats aside"
        assert len(firsts[conversation]) >= count, "every confirmed record is there"


async def test_a_frozen_broker_is_an_outage_too(stoppable_kafka: LocalKafka, topic_prefix: str) -> None:
    async with open_bus(stoppable_kafka.bootstrap, topic_prefix) as bus:
        await bus.append([build_envelope("c")])
        stoppable_kafka.pause()
        began = time.monotonic()
        with pytest.raises(BusUnavailable):
            await bus.append([build_envelope("c")])
        with pytest.raises(BusUnavailable):
            await bus.check_ready()
        assert time.monotonic() - began < PROFILE.append_deadline + PROFILE.ready_deadline + SLACK
        stoppable_kafka.resume()
        await append_until_confirmed(bus, build_envelope("c"))
        await bus.check_ready()


async def test_a_bus_starts_once_its_broker_does(stoppable_kafka: LocalKafka, topic_prefix: str) -> None:
    await asyncio.to_thread(stoppable_kafka.stop)
    bus = KafkaBus(stoppable_kafka.bootstrap, prefix=topic_prefix, profile=replace(PROFILE, start_deadline=0.5))
    try:
        with pytest.raises(BusUnavailable):
            await bus.start()
        await asyncio.to_thread(stoppable_kafka.start)
        await bus.start()
        await bus.check_ready()
    finally:
        await bus.close()


async def test_closing_during_an_outage_does_not_wait_for_the_broker(
    stoppable_kafka: LocalKafka, topic_prefix: str
) -> None:
    async with open_bus(stoppable_kafka.bootstrap, topic_prefix) as bus, Member(bus).running() as member:
        await wait_until(lambda: member.watch.owned, "partitions are assigned")
        await asyncio.to_thread(stoppable_kafka.stop)
        with pytest.raises(BusUnavailable):
            await bus.append([build_envelope("c")])
        began = time.monotonic()
    assert time.monotonic() - began < 4 * PROFILE.close_deadline


async def test_a_record_the_topic_does_not_take_leaves_the_partition_usable(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    """The client counts a refused batch, so the same producer could never again write to that partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    topic = NewTopic(topic_prefix + INBOUND, 3, 1, topic_configs={"max.message.bytes": "20000"})
    await admin.create_topics([topic])
    await admin.close()
    async with open_bus(kafka_bootstrap, topic_prefix) as bus:
        await bus.append([make_numbered("c", 1)])
        with pytest.raises(TooLarge):
            await bus.append([build_envelope("c", data=b"x" * 40_000)])
        await bus.append([make_numbered("c", 2)])
        with pytest.raises(TooLarge):
            await bus.append([build_envelope("c", data=b"x" * 2_000_000)])
        await bus.append([make_numbered("c", 3)])
        assert [record.headers["ce_id"] for record in await read_all(bus)] == ["c/1", "c/2", "c/3"]


async def test_an_unknown_topic_is_named_at_once(kafka_bootstrap: str, topic_prefix: str) -> None:
    async with open_bus(kafka_bootstrap, topic_prefix) as bus:
        began = time.monotonic()
        with pytest.raises(TopicMismatch, match="nowhere"):
            await bus.append([build_envelope("c")], topic="nowhere")
        assert time.monotonic() - began < PROFILE.admin_deadline


async def test_many_tasks_append_in_the_order_they_were_started(kafka_bootstrap: str, topic_prefix: str) -> None:
    """Even when the producer's buffer is full and they have to wait for room."""
    async with open_bus(
        kafka_bootstrap, topic_prefix, replace(PROFILE, max_batch_bytes=4_000, append_deadline=60.0)
    ) as bus:
        records = [build_envelope("c", data=b"x" * 700, id=str(number)) for number in range(300)]
        positions = await asyncio.gather(*(bus.append([record]) for record in records))
        offsets = [position.offset for (position,) in positions]
        assert offsets == sorted(offsets)
        assert [record.headers["ce_id"] for record in await read_all(bus)] == [str(number) for number in range(300)]


async def test_an_outage_does_not_flood_the_log(
    stoppable_kafka: LocalKafka, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_bus(stoppable_kafka.bootstrap, topic_prefix) as bus, Member(bus).running() as member:
        await wait_until(lambda: member.watch.owned, "partitions are assigned")
        caplog.clear()
        before = throttle_client_logs().left_out
        await asyncio.to_thread(stoppable_kafka.stop)
        with pytest.raises(BusUnavailable):
            await bus.append([build_envelope("c")])
        await wait_until(lambda: throttle_client_logs().left_out - before > 50, "the client had much to say")
        lines = [record for record in caplog.records if record.name.startswith("aiokafka")]
        assert len(lines) < 20


async def test_an_append_to_a_topic_not_used_before_fails_in_time_too(
    stoppable_kafka: LocalKafka, topic_prefix: str
) -> None:
    async with open_bus(stoppable_kafka.bootstrap, topic_prefix):
        pass
    async with open_bus(stoppable_kafka.bootstrap, topic_prefix) as bus:
        await asyncio.to_thread(stoppable_kafka.stop)
        for topic in (INBOUND, "never.seen"):
            began = time.monotonic()
            with pytest.raises(BusUnavailable):
                await bus.append([build_envelope("c")], topic=topic)
            assert time.monotonic() - began < PROFILE.append_deadline + SLACK
