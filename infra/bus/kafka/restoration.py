"""Restore topics on Kafka: records at their partitions and with their times, and the offsets of groups."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as Source
from aiokafka.errors import CommitFailedError, KafkaError

from infra.bus.kafka.access import KafkaAccess
from infra.bus.kafka.catalog import Catalog
from infra.bus.kafka.consumers import stop
from infra.bus.kafka.profile import PRODUCTION
from schemas.errors import BusUnavailable, Conflict
from schemas.ports import Record
from schemas.topics import TopicSpec

MARKER = "parley.restoring"
"""A topic that exists while a restore is under way, so that one that was killed is recognized."""


class TopicRestoration:
    """Writes to the topics of an installation that does not run. Methods raise BusUnavailable."""

    def __init__(self, bootstrap: str, *, prefix: str, access: KafkaAccess) -> None:
        self._bootstrap = bootstrap
        self._profile = replace(PRODUCTION, access=access)
        self._catalog = Catalog(bootstrap, prefix, self._profile)
        self._producer: Any = None

    async def close(self) -> None:
        if self._producer is not None:
            await self._producer.stop()
        await self._catalog.close()

    async def list_used(self, names: Iterable[str]) -> list[str]:
        """Those of the topics that hold records, or the marker of a restore that was interrupted."""
        present = await self._catalog.describe()
        if MARKER in present:
            return [MARKER]
        sources = await self._catalog.sources(name for name in names if name in present)
        first, end = await self._catalog.bounds(sources) if sources else ({}, {})
        return sorted({self._catalog.ours(source.topic) for source in sources if end[source] > first[source]})

    async def check_idle(self, groups: Iterable[tuple[str, str]]) -> None:
        """Raise Conflict if one of the groups, each with a topic that it reads, has members. Kafka accepts offsets from
        outside of a group only while nobody is in it, and they are those that are there."""
        present = await self._catalog.describe()
        for topic, group in groups:
            if topic in present and (committed := await self._catalog.committed_offsets(group, topic)):
                await self.commit(group, topic, committed)

    async def begin(self, specs: Sequence[TopicSpec]) -> None:
        """Delete the topics, create them empty, and mark that a restore is under way."""
        await self._catalog.create([TopicSpec(MARKER, 1, None)])
        await self._catalog.delete([spec.name for spec in specs])
        await self._catalog.create(specs)
        self._producer = AIOKafkaProducer(**self._profile.producer(self._bootstrap))
        try:
            await self._producer.start()
        except (KafkaError, OSError) as error:
            raise _failure(error) from error

    async def write(self, records: Sequence[Record]) -> None:
        """Append records to their partitions, with their own times. Their offsets are new."""
        try:
            sent = [
                await self._producer.send(
                    self._catalog.on_broker(record.topic),
                    record.value,
                    record.key.encode(),
                    partition=record.partition,
                    timestamp_ms=record.timestamp_ms,
                    headers=[(name, text.encode()) for name, text in record.headers.items()],
                )
                for record in records
            ]
            await asyncio.gather(*sent)
        except (KafkaError, OSError) as error:
            raise _failure(error) from error

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Set what a group reads next, by partition. Raises Conflict if it has members."""
        name, at = self._catalog.on_broker(topic), self._profile.consumer(self._bootstrap)
        consumer = AIOKafkaConsumer(**at, group_id=self._catalog.on_broker(group))
        try:
            await consumer.start()
            consumer.assign([Source(name, partition) for partition in offsets])
            await consumer.commit({Source(name, partition): offset for partition, offset in offsets.items()})
        except CommitFailedError as error:
            fix = "stop all processes of this installation, and wait until Kafka has forgotten them (half a minute)"
            raise Conflict(f"the group {group} has members", fix=fix) from error
        except (KafkaError, OSError) as error:
            raise _failure(error) from error
        finally:
            await stop(consumer)

    async def end(self) -> None:
        """Remove the marker: the restore is complete."""
        await self._catalog.delete([MARKER])


def _failure(error: Exception) -> BusUnavailable:
    return BusUnavailable(f"Kafka did not accept the restored topics: {error!r}")
