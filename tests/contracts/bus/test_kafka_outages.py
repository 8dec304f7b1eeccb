"""Outages and refusals of the Kafka broker: appends, reads, commits, deadlines, the client's log."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.bus.kafka import KafkaBus
from infra.bus.kafka.bus import throttle_client_logs
from infra.deploy.local_kafka import LocalKafka
from schemas.errors import BusUnavailable, Fenced, TooLarge, TopicMismatch
from schemas.ports import Record
from tests.contracts.bus.kafka_members import (
    GROUP,
    INBOUND,
    PATIENCE,
    PROFILE,
    SLACK,
    Member,
    append_until_confirmed,
    build_envelope,
    collect_records,
    make_numbered,
    open_bus,
    read_all,
    wait_until,
)
from tests.contracts.bus.shared_outage import SharedOutage, go_through

pytestmark = pytest.mark.scaled


async def test_work_that_needs_a_broker_that_is_away_fails_in_time(
    stoppable_kafka: LocalKafka, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def check_log(outage: SharedOutage) -> None:
        await check_the_log_is_not_flooded(outage, caplog)

    before = list_client_tasks()
    await go_through(
        stoppable_kafka,
        topic_prefix,
        stoppable_kafka.stop,
        check_appends_fail_at_once_after_the_first,
        check_an_append_to_a_topic_not_used_before_fails,
        check_a_commit_fails,
        check_a_read_gives_up,
        check_closing_does_not_wait,
        check_log,
    )
    assert list_client_tasks() <= before, "a client that was closed goes on dialling"


def list_client_tasks() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if "AIOKafkaClient" in repr(task.get_coro())}


async def check_appends_fail_at_once_after_the_first(outage: SharedOutage) -> None:
    async with open_bus(outage.bootstrap, f"{outage.prefix}append.", partitions=1) as bus:
        await bus.append([build_envelope("c")])
        await outage.begin()
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


async def check_an_append_to_a_topic_not_used_before_fails(outage: SharedOutage) -> None:
    async with open_bus(outage.bootstrap, f"{outage.prefix}unused."):
        pass
    async with open_bus(outage.bootstrap, f"{outage.prefix}unused.") as bus:
        await outage.begin()
        for topic in (INBOUND, "never.seen"):
            began = time.monotonic()
            with pytest.raises(BusUnavailable):
                await bus.append([build_envelope("c")], topic=topic)
            assert time.monotonic() - began < PROFILE.append_deadline + SLACK


async def check_a_commit_fails(outage: SharedOutage) -> None:
    async with open_bus(outage.bootstrap, f"{outage.prefix}commit.") as bus, Member(bus).running() as member:
        await bus.append([build_envelope("c")])
        await wait_until(lambda: member.records, "the record is read")
        await outage.begin()
        began = time.monotonic()
        with pytest.raises(BusUnavailable):
            await member.subscription.commit(member.next_offsets())
        assert time.monotonic() - began < PROFILE.commit_deadline + SLACK
        began = time.monotonic()
        await member.subscription.poll(max_records=1, timeout=0.1)
        assert time.monotonic() - began < SLACK, "a poll keeps its time after an abandoned commit"


async def check_a_read_gives_up(outage: SharedOutage) -> None:
    profile = replace(PROFILE, read_stall=1.0)
    async with open_bus(outage.bootstrap, f"{outage.prefix}read.", profile) as bus:
        for _ in range(5):  # more than one fetch brings
            await bus.append([build_envelope("c", data=b"x" * 900_000)])
        reading = await bus.read(INBOUND)
        await outage.begin()
        with pytest.raises(BusUnavailable):
            await asyncio.wait_for(collect_records(reading, []), PATIENCE)
        with pytest.raises(BusUnavailable):
            await bus.read(INBOUND)


async def check_closing_does_not_wait(outage: SharedOutage) -> None:
    async with open_bus(outage.bootstrap, f"{outage.prefix}close.") as bus, Member(bus).running() as member:
        await wait_until(lambda: member.watch.owned, "partitions are assigned")
        await outage.begin()
        with pytest.raises(BusUnavailable):
            await bus.append([build_envelope("c")])
        began = time.monotonic()
    assert time.monotonic() - began < 4 * PROFILE.close_deadline


async def check_the_log_is_not_flooded(outage: SharedOutage, caplog: pytest.LogCaptureFixture) -> None:
    async with open_bus(outage.bootstrap, f"{outage.prefix}log.") as bus, Member(bus).running() as member:
        await wait_until(lambda: member.watch.owned, "partitions are assigned")
        caplog.clear()
        before = throttle_client_logs().left_out
        await outage.begin()
        with pytest.raises(BusUnavailable):
            await bus.append([build_envelope("c")])
        await wait_until(lambda: throttle_client_logs().left_out - before > 50, "the client had much to say")
        lines = [record for record in caplog.records if record.name.startswith("aiokafka")]
        assert len(lines) < 20


async def test_a_killed_broker_that_comes_back_has_lost_nothing_and_all_go_on(
    stoppable_kafka: LocalKafka, topic_prefix: str
) -> None:
    await go_through(
        stoppable_kafka,
        topic_prefix,
        stoppable_kafka.kill,
        check_appends_heal,
        check_a_consumer_goes_on,
        check_a_read_ends_complete,
    )


async def test_a_stopped_broker_that_comes_back_has_lost_nothing_and_buses_start(
    stoppable_kafka: LocalKafka, topic_prefix: str
) -> None:
    await go_through(
        stoppable_kafka,
        topic_prefix,
        stoppable_kafka.stop,
        check_appends_heal,
        check_memory_is_bounded,
        check_a_bus_starts_once_its_broker_does,
    )


async def check_appends_heal(outage: SharedOutage) -> None:
    """Nothing that was acknowledged is lost, and the order is kept."""
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

    async with open_bus(outage.bootstrap, f"{outage.prefix}heal.") as bus:
        writers = [asyncio.create_task(write(conversation, bus)) for conversation in conversations]
        await wait_until(lambda: min(confirmed.values()) >= 20, "all write")
        await outage.begin()
        await wait_until(lambda: len(refused) == len(conversations), "the outage is noticed everywhere")
        await outage.end()
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


async def check_a_consumer_goes_on(outage: SharedOutage) -> None:
    async with open_bus(outage.bootstrap, f"{outage.prefix}consume.") as bus, Member(bus).running() as member:
        follower = await bus.follow(INBOUND)
        followed: list[Record] = []
        following = asyncio.create_task(collect_records(follower.records(), followed))
        await bus.append([build_envelope("c", id="before")])
        await wait_until(lambda: "before" in member.ids(), "the record before is read")
        await member.subscription.commit(member.next_offsets())
        await outage.begin()
        await outage.end()
        await append_until_confirmed(bus, build_envelope("c", id="after"))
        await wait_until(lambda: "after" in member.ids(), "the record after is read")
        await wait_until(lambda: followed and followed[-1].headers["ce_id"] == "after", "the follower sees it too")
        deadline = time.monotonic() + PATIENCE
        while await bus.lag(GROUP, [INBOUND]) != {INBOUND: 0}:
            assert time.monotonic() < deadline, "commits work again"
            try:
                await member.subscription.commit(member.next_offsets())
            except (BusUnavailable, Fenced):
                await asyncio.sleep(0.1)
        await follower.close()
        await following


async def check_a_read_ends_complete(outage: SharedOutage) -> None:
    async with open_bus(outage.bootstrap, f"{outage.prefix}read.") as bus:
        for start in range(0, 3_000, 500):
            await bus.append([make_numbered(f"c{number % 7}", number) for number in range(start, start + 500)])
        records: list[Record] = []
        reading = await bus.read(INBOUND)
        records.append(await anext(reading))
        await outage.begin()
        await outage.end()
        await asyncio.wait_for(collect_records(reading, records), PATIENCE)
        assert len(records) == len({record.headers["ce_id"] for record in records}) == 3_000


async def check_memory_is_bounded(outage: SharedOutage) -> None:
    """However many appends meet the outage."""
    profile = replace(PROFILE, pending_records=200, max_batch_bytes=16_384)
    async with open_bus(outage.bootstrap, f"{outage.prefix}memory.", profile) as bus:
        await bus.append([build_envelope("c")])
        await outage.begin()
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
        await outage.end()
        await wait_until(
            lambda: bus.pending_records == 0, "what was left is written or refused when the broker is back"
        )
        await bus.append([build_envelope("c")])


async def check_a_bus_starts_once_its_broker_does(outage: SharedOutage) -> None:
    await outage.begin()
    bus = KafkaBus(outage.bootstrap, prefix=f"{outage.prefix}start.", profile=replace(PROFILE, start_deadline=0.5))
    try:
        with pytest.raises(BusUnavailable):
            await bus.start()
        await outage.end()
        await bus.start()
        await bus.check_ready()
    finally:
        await bus.close()


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
