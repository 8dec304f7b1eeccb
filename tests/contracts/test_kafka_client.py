"""Behaviour of the Kafka client that Parley relies on, against a real broker. Nothing of Parley runs here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import IllegalStateError, KafkaError, KafkaTimeoutError

from infra.deploy.local_kafka import LocalKafka
from tests.contracts.bus.shared_outage import SharedOutage, go_through

pytestmark = pytest.mark.scaled

PATIENCE_S = 30.0
PARTITIONS = 4
CLIENT = {"metadata_max_age_ms": 500, "request_timeout_ms": 10_000, "retry_backoff_ms": 50}
MEMBER = {
    "session_timeout_ms": 6_000,
    "heartbeat_interval_ms": 200,
    "rebalance_timeout_ms": 10_000,
    "fetch_max_wait_ms": 50,
    "auto_offset_reset": "earliest",
    "enable_auto_commit": False,
}


async def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Raises TimeoutError, naming ``what``, after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not in {PATIENCE_S:.0f} s: {what}")
        await asyncio.sleep(0.02)


@asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[Any]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def create_topic(bootstrap: str, name: str, partitions: int = PARTITIONS) -> str:
    async with admin(bootstrap) as client:
        answer = await client.create_topics([NewTopic(name, partitions, 1)])
        assert [error[1] for error in answer.topic_errors] == [0]
    return name


@asynccontextmanager
async def producer(bootstrap: str, **settings: Any) -> AsyncIterator[Any]:
    chosen = CLIENT | {"enable_idempotence": True, "acks": "all", "linger_ms": 0} | settings
    client = AIOKafkaProducer(bootstrap_servers=bootstrap, **chosen)
    await client.start()
    try:
        yield client
    finally:
        # Without a limit, stopping waits for a broker that is down for as long as something is unsent.
        await asyncio.wait_for(client.stop(), PATIENCE_S)


async def send_until_refused(client: Any, topic: str) -> list[asyncio.Future[Any]]:
    """Send until the producer's buffer is full, and return what it had accepted."""
    accepted: list[asyncio.Future[Any]] = []
    try:
        while len(accepted) < 10:
            accepted.append(await client.send(topic, b"x" * 700))
    except KafkaTimeoutError:
        return accepted
    raise AssertionError("ten records fit where one should")


class Member(ConsumerRebalanceListener):  # type: ignore[misc,unused-ignore]
    """A group member that polls all the time and notes what happened to it."""

    def __init__(self, bootstrap: str, topic: str, group: str, **settings: Any) -> None:
        self.client = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, **CLIENT, **MEMBER, **settings)
        self.topic = topic
        self.owned: set[int] = set()
        self.revocations: list[set[int]] = []
        self.read: list[tuple[int, int]] = []
        self.before_losing: Callable[[], Awaitable[None]] | None = None

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        partitions = {partition.partition for partition in revoked}
        if partitions and self.before_losing is not None:
            await self.before_losing()
        if partitions:
            self.revocations.append(partitions)
        self.owned = set()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.owned = {partition.partition for partition in assigned}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Member]:
        self.client.subscribe([self.topic], listener=self)
        await self.client.start()
        poll = asyncio.create_task(self._poll())
        try:
            yield self
        finally:
            poll.cancel()
            await asyncio.gather(poll, return_exceptions=True)
            await self.client.stop()

    async def _poll(self) -> None:
        while True:
            for partition, records in (await self.client.getmany(timeout_ms=100)).items():
                self.read += [(partition.partition, record.offset) for record in records]


async def test_a_topic_has_the_partitions_it_was_created_with(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = await create_topic(kafka_bootstrap, topic_prefix + "created", partitions=5)
    async with admin(kafka_bootstrap) as client:
        (described,) = await client.describe_topics([topic])
    assert described["error_code"] == 0
    assert len(described["partitions"]) == 5


async def test_an_idempotent_producer_appends_in_order(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = await create_topic(kafka_bootstrap, topic_prefix + "produced", partitions=1)
    async with producer(kafka_bootstrap) as client:
        sent = [await client.send(topic, str(number).encode(), key=b"one") for number in range(200)]
        offsets = [(await future).offset for future in sent]
    assert offsets == list(range(200))


async def test_a_group_splits_partitions_and_takes_over(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = await create_topic(kafka_bootstrap, topic_prefix + "split")
    async with Member(kafka_bootstrap, topic, topic_prefix + "group").running() as first:
        await wait_until(lambda: len(first.owned) == PARTITIONS, "the only member owns everything")
        async with Member(kafka_bootstrap, topic, topic_prefix + "group").running() as second:
            await wait_until(lambda: len(first.owned) == len(second.owned) == 2, "two members own half each")
            assert first.owned | second.owned == set(range(PARTITIONS))
        await wait_until(lambda: len(first.owned) == PARTITIONS, "the one that stayed took over")


@pytest.mark.parametrize("restarted", [0, 1], ids=["leader", "follower"])
async def test_a_static_member_returns_without_a_rebalance(
    kafka_bootstrap: str, topic_prefix: str, restarted: int
) -> None:
    topic = await create_topic(kafka_bootstrap, topic_prefix + "static")

    def member(number: int) -> Member:
        return Member(kafka_bootstrap, topic, topic_prefix + "group", group_instance_id=f"worker-{number}")

    async with AsyncExitStack() as stays, AsyncExitStack() as leaves:
        members = []
        for number in (0, 1):
            stack = leaves if number == restarted else stays
            members.append(await stack.enter_async_context(member(number).running()))
            await wait_until(lambda: sum(len(one.owned) for one in members) == PARTITIONS, "all is owned")
        kept, left = members[1 - restarted], members[restarted]
        await wait_until(lambda: len(kept.owned) == len(left.owned) == 2, "two members own half each")
        before, revocations = set(left.owned), len(kept.revocations)
        await leaves.aclose()
        returned = await stays.enter_async_context(member(restarted).running())
        await wait_until(lambda: returned.owned == before, "the returned member owns the same partitions")
        assert len(kept.revocations) == revocations


async def test_the_next_owner_starts_where_the_revoked_one_committed(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = await create_topic(kafka_bootstrap, topic_prefix + "handed")
    async with producer(kafka_bootstrap) as client:
        for partition in range(PARTITIONS):
            for number in range(10):
                await client.send_and_wait(topic, str(number).encode(), partition=partition)
    async with Member(kafka_bootstrap, topic, topic_prefix + "group").running() as first:
        await wait_until(lambda: len(first.read) == 10 * PARTITIONS, "the first member read everything")

        async def commit_seven() -> None:
            await first.client.commit({TopicPartition(topic, partition): 7 for partition in range(PARTITIONS)})

        first.before_losing = commit_seven
        async with Member(kafka_bootstrap, topic, topic_prefix + "group").running() as second:
            await wait_until(lambda: len(second.read) == 3 * 2, "the next owner read the rest of its half")
            assert sorted(second.read) == [
                (partition, offset) for partition in sorted(second.owned) for offset in (7, 8, 9)
            ]


async def test_a_commit_for_a_partition_not_owned_is_refused(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = await create_topic(kafka_bootstrap, topic_prefix + "foreign")
    async with Member(kafka_bootstrap, topic, topic_prefix + "group").running() as first:
        await wait_until(lambda: len(first.owned) == PARTITIONS, "the only member owns everything")
        async with Member(kafka_bootstrap, topic, topic_prefix + "group").running() as second:
            await wait_until(lambda: len(first.owned) == len(second.owned) == 2, "two members own half each")
            lost = TopicPartition(topic, min(second.owned))
            with pytest.raises(IllegalStateError):
                await first.client.commit({lost: 1})


async def test_a_killed_broker_keeps_what_it_acknowledged_and_an_idempotent_send_is_never_given_up(
    stoppable_kafka: LocalKafka, topic_prefix: str
) -> None:
    # While it stops it may say that nobody leads the partition, and a send that waits for a leader is given up.
    await go_through(
        stoppable_kafka, topic_prefix, stoppable_kafka.kill, check_a_send_is_never_given_up, check_a_record_is_kept
    )


async def check_a_send_is_never_given_up(outage: SharedOutage) -> None:
    topic = await create_topic(outage.bootstrap, outage.prefix + "outage", partitions=1)
    async with producer(outage.bootstrap, request_timeout_ms=500) as client:
        await client.send_and_wait(topic, b"before")
        await outage.begin()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.send_and_wait(topic, b"abandoned by its caller"), timeout=1.5)
        await outage.end()
        after = await client.send_and_wait(topic, b"after")
    assert after.offset == 2, "the abandoned record was appended once, before the later one"


async def check_a_record_is_kept(outage: SharedOutage) -> None:
    topic = await create_topic(outage.bootstrap, outage.prefix + "killed", partitions=1)
    async with producer(outage.bootstrap) as client:
        await client.send_and_wait(topic, b"acknowledged")
        await outage.begin()
        await outage.end()
        async with Member(outage.bootstrap, topic, outage.prefix + "group").running() as reader:
            await wait_until(lambda: reader.read == [(0, 0)], "the acknowledged record is read after the crash")


async def test_during_an_outage_sends_fail_in_time_when_the_buffer_is_full_and_from_a_plain_producer(
    stoppable_kafka: LocalKafka, topic_prefix: str
) -> None:
    await go_through(
        stoppable_kafka,
        topic_prefix,
        stoppable_kafka.stop,
        check_sends_fail_when_the_buffer_is_full,
        check_a_plain_producer_gives_up_after_its_request_timeout,
    )


async def check_sends_fail_when_the_buffer_is_full(outage: SharedOutage) -> None:
    topic = await create_topic(outage.bootstrap, outage.prefix + "full", partitions=1)
    async with producer(outage.bootstrap, request_timeout_ms=500, max_batch_size=1_000) as client:
        await client.send_and_wait(topic, b"before")
        await outage.begin()
        buffered = await send_until_refused(client, topic)
        await outage.end()
        offsets = [(await future).offset for future in buffered]
    assert offsets == list(range(1, 1 + len(buffered)))


async def check_a_plain_producer_gives_up_after_its_request_timeout(outage: SharedOutage) -> None:
    topic = await create_topic(outage.bootstrap, outage.prefix + "plain", partitions=1)
    async with producer(outage.bootstrap, request_timeout_ms=500, enable_idempotence=False) as client:
        await client.send_and_wait(topic, b"before")
        await outage.begin()
        with pytest.raises(KafkaError):
            await client.send_and_wait(topic, b"during")
        await outage.end()
        assert (await client.send_and_wait(topic, b"after")).offset == 1


async def test_a_send_waits_out_a_short_freeze_of_the_broker(stoppable_kafka: LocalKafka, topic_prefix: str) -> None:
    topic = await create_topic(stoppable_kafka.bootstrap, topic_prefix + "frozen", partitions=1)
    async with producer(stoppable_kafka.bootstrap) as client:
        await client.send_and_wait(topic, b"before")
        stoppable_kafka.pause()
        waiting = await client.send(topic, b"during")
        assert not waiting.done()
        stoppable_kafka.resume()
        assert (await waiting).offset == 1
