"""A bare record to the broker and back, beside a load: how much of a message's time Kafka and the machine take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

EVERY = 0.1
"""Seconds between two records."""


@asynccontextmanager
async def round_trips(bootstrap: str, topic: str) -> AsyncIterator[list[float]]:
    """Milliseconds from each append (``acks=all``) until its record is read, filled while inside. The topic is made."""
    async with AsyncExitStack() as stack:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        stack.push_async_callback(admin.close)
        await admin.start()
        await admin.create_topics([NewTopic(topic, 1, 1)])
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
        stack.push_async_callback(producer.stop)
        await producer.start()
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        stack.push_async_callback(consumer.stop)
        await consumer.start()
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        taken: list[float] = []
        going = asyncio.create_task(_go(producer, consumer, topic, taken))
        try:
            yield taken
        finally:
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)


async def _go(producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, topic: str, taken: list[float]) -> None:
    while True:
        begun = time.perf_counter()
        await producer.send(topic, b"x" * 1024)
        await consumer.getone()
        taken.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(max(0.0, EVERY - (time.perf_counter() - begun)))
