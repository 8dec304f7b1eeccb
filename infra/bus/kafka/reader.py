"""Read a topic without a group: all partitions from given offsets, to the current end or for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as Source
from aiokafka.errors import ConsumerStoppedError, KafkaError

from infra.bus.kafka.catalog import Catalog
from infra.bus.kafka.consumers import has_died, record_of, stop
from infra.bus.kafka.profile import KafkaProfile
from schemas.errors import BusUnavailable
from schemas.ports import Record

_POLL_MS = 250
_BATCH = 500
_POSITION_WAIT = 1.0


class Reader:
    """Detects the end by position, not by counting: compaction leaves gaps, and the last offset of a partition may
    belong to a transaction's marker, which is never returned."""

    def __init__(self, bootstrap: str, catalog: Catalog, profile: KafkaProfile, topic: str) -> None:
        self._catalog = catalog
        self._profile = profile
        self._topic = topic
        self._settings = profile.consumer(bootstrap)
        self._consumer: Any = None
        self._end: dict[Source, int] = {}
        self._next: dict[Source, int] = {}
        self._ahead: set[Source] = set()
        self._live = False
        self._renewing = False
        self._closed = False

    async def open(self, since: Mapping[int, int] | None, *, live: bool) -> None:
        """Fix the current end. Not ``live``: nothing beyond it is returned. Raises TopicMismatch, BusUnavailable."""
        sources = await self._catalog.sources([self._topic])
        first, self._end = await self._catalog.bounds(sources)
        start = {source: max(first[source], (since or {}).get(source.partition, 0)) for source in sources}
        self._ahead = {source for source in sources if start[source] < self._end[source]}
        self._live = live
        self._next = {source: start[source] for source in (sources if live else self._ahead)}
        if self._next:
            await self._start()

    async def _start(self) -> None:
        self._consumer = AIOKafkaConsumer(**self._settings)
        try:
            async with asyncio.timeout(self._profile.start_deadline):
                await self._consumer.start()
        except BaseException as error:
            await stop(self._consumer)
            if isinstance(error, TimeoutError | KafkaError | OSError):
                raise BusUnavailable(f"no Kafka broker answers: {error!r}") from error
            raise
        self._consumer.assign(list(self._next))
        for source, offset in self._next.items():
            self._consumer.seek(source, offset)

    @property
    def at_end(self) -> bool:
        """True once everything that was there at ``open`` has been returned by ``next``."""
        return not self._ahead

    @property
    def closed(self) -> bool:
        return self._closed

    async def next(self) -> list[Any]:
        """The client's next records; empty when there are none yet. Survives a broker outage."""
        try:
            fetched = await self._fetch()
        except (KafkaError, OSError, ConsumerStoppedError, BusUnavailable):
            await asyncio.sleep(self._profile.retry_backoff_ms / 1000)
            return []
        for source, records in fetched.items():
            self._next[source] = records[-1].offset + 1
        if self._ahead and not self._closed:
            await self._advance()
        selected = fetched if self._live else self._up_to_end(fetched)
        return [record for records in selected.values() for record in records]

    async def _fetch(self) -> dict[Source, list[Any]]:
        if self._renewing:
            await self._start()
            self._renewing = False
        fetched: dict[Source, list[Any]] = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)
        if not fetched and not self._closed and has_died(self._consumer):
            self._renewing = True
            await stop(self._consumer)
        return fetched

    def _up_to_end(self, fetched: Mapping[Source, list[Any]]) -> dict[Source, list[Any]]:
        return {
            source: [raw for raw in records if raw.offset < self._end[source]] for source, records in fetched.items()
        }

    async def _advance(self) -> None:
        for source in list(self._ahead):
            try:
                async with asyncio.timeout(_POSITION_WAIT):
                    position = await self._consumer.position(source)
            except (TimeoutError, KafkaError):
                continue
            if position >= self._end[source]:
                self._ahead.discard(source)

    async def close(self) -> None:
        self._closed = True
        if self._consumer is not None:
            await stop(self._consumer)

    def record(self, raw: Any) -> Record:
        return record_of(raw, self._topic)


class KafkaFollower:
    """See ``schemas.ports.Follower``."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._batch: list[Any] = []  # in reverse order
        self.caught_up = asyncio.Event()

    async def records(self) -> AsyncIterator[Record]:
        """Ends when the follower is closed."""
        while not self._reader.closed:
            while self._batch:
                yield self._reader.record(self._batch.pop())
            # Only when the consumer of the last record comes back for more is that record surely processed.
            if self._reader.at_end:
                self.caught_up.set()
            self._batch = (await self._reader.next())[::-1]

    async def close(self) -> None:
        await self._reader.close()


async def read_once(reader: Reader, keys: Callable[[str], bool] | None, stall: float) -> AsyncIterator[Record]:
    """Read from the reader's position to its end. Raises BusUnavailable when nothing moves for ``stall`` seconds."""
    try:
        moved_at = time.monotonic()
        while not reader.at_end:
            if batch := await reader.next():
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > stall:
                raise BusUnavailable("Kafka stopped answering in the middle of a read")
            for raw in batch:
                if keys is None or keys("" if raw.key is None else raw.key.decode(errors="replace")):
                    yield reader.record(raw)
    finally:
        await reader.close()
