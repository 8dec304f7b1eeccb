"""Appending: an idempotent producer behind deadlines and limits of our own.

An idempotent producer never gives up a record, whatever its timeouts say: a record that a caller stopped waiting for is
appended, in its place, when the broker returns. So a deadline here means *unknown*. While a partition has such an
overdue record, appends to it are refused at once, because they could only queue up behind it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerClosed,
    UnknownTopicOrPartitionError,
)

from infra.bus.kafka.batch import Append, Row, Spool
from infra.bus.kafka.catalog import Catalog
from infra.bus.kafka.profile import LARGEST_RECORD, KafkaProfile
from infra.bus.partitioner import partition_of
from schemas.envelope import Envelope
from schemas.errors import BusUnavailable, ParleyError, TooLarge
from schemas.ports import Position
from schemas.topics import key_of, topic_of

log = structlog.get_logger("parley.bus")

_FAILURES = (TimeoutError, KafkaError, OSError)


class Writer:
    """The one producer of a process. ``append`` may be called by any number of tasks."""

    def __init__(self, bootstrap: str, catalog: Catalog, profile: KafkaProfile, desks: Mapping[str, str]) -> None:
        self._bootstrap = bootstrap
        self._catalog = catalog
        self._profile = profile
        self._desks = desks
        self._producer: Any = None
        self._renewal: asyncio.Task[None] | None = None
        self._topics: dict[str, list[Spool]] = {}
        self._waiting: deque[Append] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self.pending = 0
        self._pending_bytes = 0
        self._closed = False

    async def start(self) -> None:
        """Connect. Raises BusUnavailable when no broker answers within the deadline; may be called again."""
        if self._producer is None:
            self._producer = await self._open(self._profile.start_deadline)

    async def close(self) -> None:
        """Records that are not confirmed within the deadline stay unknown."""
        pumps = [spool.pump for spools in self._topics.values() for spool in spools if spool.pump is not None]
        if pumps:
            await asyncio.wait(pumps, timeout=self._profile.close_deadline)
        self._closed = True
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        producer, self._producer = self._producer, None
        if producer is not None:
            await self._stop(producer)

    def check(self) -> None:
        """Raises BusUnavailable while nothing may be written."""
        if self._producer is None:
            raise BusUnavailable("the Kafka producer is not connected")
        if self._catalog.expanded:
            # Other processes send a conversation's records to another partition than this one.
            raise BusUnavailable(
                f"topic {self._catalog.expanded} got more partitions while this process was running",
                fix="restart this process",
            )

    async def append(self, envelopes: Sequence[Envelope], topic: str | None) -> list[Position]:
        """Raises BusUnavailable (unknown, or refused at once), TooLarge, TopicMismatch."""
        if self._catalog.expanded:
            self.check()
        loop = asyncio.get_running_loop()
        count, time_ms = len(envelopes), int(time.time() * 1000)
        one = Append(loop.create_future(), loop.time() + self._profile.append_deadline, [None] * count, count)
        rows = []
        for index, envelope in enumerate(envelopes):
            name, key = topic or topic_of(envelope, self._desks), key_of(envelope)
            spools = self._topics.get(name) or await self._open_topic(name)
            one.spools.append(spools[partition_of(key, len(spools))])
            named = envelope.headers()
            texts = list(map(str.encode, named.values()))
            headers = list(zip(named, texts, strict=True))
            size = len(envelope.data or b"") + len("".join(named)) + len(b"".join(texts))
            rows.append(Row(one, index, key.encode(), envelope.data, headers, time_ms, size))
        if not rows:
            return []
        self._admit(one, rows)
        for spool, row in zip(one.spools, rows, strict=True):
            spool.put(row)
        self._watch(one)
        return await one.future

    async def _open_topic(self, name: str) -> list[Spool]:
        count, on_broker = await self._catalog.partitions(name), self._catalog.on_broker(name)
        # Another task may have been quicker: there must be one spool per partition.
        return self._topics.setdefault(name, [Spool(name, on_broker, n, self._send) for n in range(count)])

    def _admit(self, one: Append, rows: Sequence[Row]) -> None:
        profile, size = self._profile, 0
        for row, spool in zip(rows, one.spools, strict=True):
            size += row.size
            if row.size > LARGEST_RECORD:
                raise TooLarge(f"a record may have {LARGEST_RECORD:,} bytes, headers included")
            if spool.overdue:
                raise BusUnavailable("Kafka does not confirm earlier records", retry_after_ms=1000)
        if self.pending + len(rows) > profile.pending_records or self._pending_bytes + size > profile.pending_bytes:
            raise BusUnavailable("too many records are waiting for Kafka", retry_after_ms=500)
        self.pending += len(rows)
        self._pending_bytes += size

    # ── one batch ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _send(self, spool: Spool) -> None:
        """Send the waiting rows, at most a batch, and process the response. Raises only CancelledError."""
        rows: list[Row] = []
        try:
            producer = await self._get_producer()
            batch = producer.create_batch()
            spool.fill(batch, rows)
            batch.close()
            sent = await self._hand_over(producer, batch, spool)
            spool.confirm(rows, (await sent).offset)
        except Exception as error:
            if not rows:
                rows = list(spool.rows)
                spool.rows.clear()
            self._handle_failure(spool, error)
            spool.fail(rows, partial(_append_error, error))
        finally:
            self.pending -= len(rows)
            self._pending_bytes -= sum([row.size for row in rows])

    async def _hand_over(self, producer: Any, batch: Any, spool: Spool) -> asyncio.Future[Any]:
        while True:
            try:
                return await producer.send_batch(batch, spool.on_broker, partition=spool.partition)  # type: ignore[no-any-return]
            except KafkaTimeoutError:
                continue  # the client has no room for it yet
            except ProducerClosed:
                if self._closed:
                    raise
                producer = await self._get_producer()

    async def _get_producer(self) -> Any:
        while (producer := self._producer) is None:
            if self._closed:
                raise BusUnavailable("the bus is closed")
            await self._wait_for_renewal()
        return producer

    def _handle_failure(self, spool: Spool, error: Exception) -> None:
        if isinstance(error, UnknownTopicOrPartitionError):
            self._catalog.forget(spool.topic)
            self._topics.pop(spool.topic, None)
        if isinstance(error, _FAILURES):
            self._renew_after(error)

    # ── deadlines ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _watch(self, one: Append) -> None:
        """All appends have the same deadline, so the first to come is the first to expire: one timer serves all."""
        waiting = self._waiting
        while waiting and waiting[0].future.done():
            waiting.popleft()
        waiting.append(one)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_at(waiting[0].give_up_at, self._give_up)

    def _give_up(self) -> None:
        self._sweep = None
        waiting, loop = self._waiting, asyncio.get_running_loop()
        while waiting and (waiting[0].future.done() or waiting[0].give_up_at <= loop.time()):
            one = waiting.popleft()
            if not one.future.done():
                one.late = True
                for spool, position in zip(one.spools, one.positions, strict=True):
                    spool.overdue += position is None
                one.future.set_exception(_append_error(TimeoutError()))
        if waiting:
            self._sweep = loop.call_at(waiting[0].give_up_at, self._give_up)

    # ── the producer ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _renew_after(self, error: BaseException) -> None:
        """After a final refusal the client has counted the batch and the broker has not: everything it sends to that
        partition from then on is out of sequence, and refused too. Only a new producer can go on."""
        harmless = isinstance(error, ProducerClosed | KafkaTimeoutError | UnknownTopicOrPartitionError)
        if harmless or self._closed or (self._renewal is not None and not self._renewal.done()):
            return
        log.warning("kafka_producer_renewed", reason=repr(error))
        producer, self._producer = self._producer, None
        self._renewal = asyncio.create_task(self._replace(producer), name="kafka producer renewal")

    async def _wait_for_renewal(self) -> None:
        if self._renewal is None:
            raise BusUnavailable("the bus is not started")
        await asyncio.shield(self._renewal)

    async def _replace(self, old: Any) -> None:
        if old is not None:
            await self._stop(old)
        while self._producer is None:
            try:
                self._producer = await self._open(self._profile.start_deadline)
            except BusUnavailable:
                await asyncio.sleep(self._profile.retry_backoff_ms / 1000)

    async def _open(self, deadline: float) -> Any:
        try:
            async with asyncio.timeout(deadline):
                while True:
                    try:
                        return await self._try_open()
                    except _FAILURES:
                        await asyncio.sleep(self._profile.retry_backoff_ms / 1000)
        except TimeoutError as error:
            raise BusUnavailable(f"no Kafka broker answers at {self._bootstrap}") from error

    async def _try_open(self) -> Any:
        producer = AIOKafkaProducer(**self._profile.producer(self._bootstrap))
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _stop(self, producer: Any) -> None:
        stopping = asyncio.create_task(producer.stop())
        await asyncio.wait({stopping}, timeout=self._profile.close_deadline)
        if not stopping.done():
            # Stopping waits for as long as anything is unsent; the client has no public way to give that up.
            producer._message_accumulator.fail_all(ProducerClosed())
            await asyncio.wait({stopping}, timeout=self._profile.close_deadline)
        if stopping.done() and not stopping.cancelled() and (error := stopping.exception()):
            log.info("kafka_producer_close", reason=repr(error))
            await producer.client.close()  # it raised midway, and would dial its broker for ever


def _append_error(error: Exception) -> ParleyError:
    if isinstance(error, ParleyError):
        return BusUnavailable(error.message)
    if isinstance(error, TimeoutError):
        return BusUnavailable("Kafka did not confirm in time; whether it was written is not known")
    if isinstance(error, MessageSizeTooLargeError):
        return TooLarge("the record is larger than the topic allows")
    return BusUnavailable(f"Kafka did not accept a record: {error!r}")
