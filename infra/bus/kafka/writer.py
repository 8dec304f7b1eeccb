"""Appending: an idempotent producer behind deadlines and bounds of our own.

An idempotent producer never gives up a record, whatever its timeouts say: what a caller stopped waiting for is
appended, in its place, when the broker returns. So a deadline here means *unknown*. While a partition has such an
overdue record, appends to it are refused at once: they could only queue up behind it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
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

from infra.bus.kafka.catalog import Catalog
from infra.bus.kafka.profile import LARGEST_RECORD, KafkaProfile
from infra.bus.partitioner import partition_of
from schemas.envelope import Envelope
from schemas.errors import BusUnavailable, ParleyError, TooLarge
from schemas.ports import Position
from schemas.topics import key_of, topic_of

log = structlog.get_logger("parley.bus")

_FAILURES = (TimeoutError, KafkaError, OSError)


@dataclass(slots=True)
class _Row:
    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]
    size: int
    sent: asyncio.Future[Any] | None = None

    @property
    def target(self) -> tuple[str, int]:
        return self.topic, self.partition


class Writer:
    """One producer of a process. ``append`` may be called by any number of tasks."""

    def __init__(self, bootstrap: str, catalog: Catalog, profile: KafkaProfile) -> None:
        self._bootstrap = bootstrap
        self._catalog = catalog
        self._profile = profile
        self._producer: Any = None
        self._renewal: asyncio.Task[None] | None = None
        self._overdue: dict[tuple[str, int], int] = {}
        self._turns: dict[tuple[str, int], asyncio.Lock] = {}
        self.pending = 0
        self._pending_bytes = 0
        self._closed = False

    async def start(self) -> None:
        """Connect. Raises BusUnavailable when no broker answers within the deadline; may be called again."""
        if self._producer is None:
            self._producer = await self._open(self._profile.start_deadline)

    async def close(self) -> None:
        """What is not confirmed within the deadline stays unknown."""
        self._closed = True
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        producer, self._producer = self._producer, None
        if producer is not None:
            await self._stop(producer)

    def check(self) -> None:
        """Raises BusUnavailable while there is no producer to write with."""
        if self._producer is None:
            raise BusUnavailable("the Kafka producer is not connected")

    async def append(self, envelopes: Sequence[Envelope], topic: str | None) -> list[Position]:
        """Raises BusUnavailable (unknown, or refused at once), TooLarge, TopicMismatch."""
        rows = [await self._row(envelope, topic or topic_of(envelope)) for envelope in envelopes]
        size = sum(row.size for row in rows)
        self._admit(rows, size)
        self.pending += len(rows)
        self._pending_bytes += size
        try:
            return await self._confirmed(rows)
        finally:
            for row in rows:
                self._let_go(row)

    async def _row(self, envelope: Envelope, topic: str) -> _Row:
        key = key_of(envelope)
        partition = partition_of(key, await self._catalog.partitions(topic))
        headers = [(name, text.encode()) for name, text in envelope.headers().items()]
        size = len(envelope.data or b"") + sum(len(name) + len(text) for name, text in headers)
        return _Row(self._catalog.on_broker(topic), partition, key.encode(), envelope.data, headers, size)

    def _admit(self, rows: Sequence[_Row], size: int) -> None:
        profile = self._profile
        if any(row.size > LARGEST_RECORD for row in rows):
            raise TooLarge(f"a record may have {LARGEST_RECORD:,} bytes, headers included")
        if self._overdue and any(row.target in self._overdue for row in rows):
            raise BusUnavailable("Kafka does not confirm earlier records", retry_after_ms=1000)
        if self.pending + len(rows) > profile.pending_records or self._pending_bytes + size > profile.pending_bytes:
            raise BusUnavailable("too many records wait for Kafka", retry_after_ms=500)

    def _let_go(self, row: _Row) -> None:
        """Stop counting the row: now, or, when the producer still holds it, once it is decided."""
        if row.sent is None or row.sent.done():
            self._forget(row)
        else:
            self._overdue[row.target] = self._overdue.get(row.target, 0) + 1
            row.sent.add_done_callback(lambda sent: self._decided(row, sent))

    def _decided(self, row: _Row, sent: asyncio.Future[Any]) -> None:
        left = self._overdue[row.target] - 1
        if left:
            self._overdue[row.target] = left
        else:
            del self._overdue[row.target]
        self._forget(row)
        if not sent.cancelled() and (error := sent.exception()) is not None:
            self._renew_after(error)

    def _forget(self, row: _Row) -> None:
        self.pending -= 1
        self._pending_bytes -= row.size

    async def _confirmed(self, rows: Sequence[_Row]) -> list[Position]:
        give_up_at = time.monotonic() + self._profile.append_deadline
        try:
            async with asyncio.timeout(self._profile.append_deadline):
                for row in rows:
                    row.sent = await self._send(row)
            sent = [row.sent for row in rows if row.sent is not None]
            if sent:
                await asyncio.wait(sent, timeout=max(0.0, give_up_at - time.monotonic()))
            return [self._position(row) for row in rows]
        except _FAILURES as error:
            raise self._failure(error) from error

    async def _send(self, row: _Row) -> asyncio.Future[Any]:
        # Senders that wait for room in a partition's buffer are woken in any order; the lock keeps them in theirs.
        turn = self._turns.get(row.target)
        if turn is None:
            turn = self._turns[row.target] = asyncio.Lock()
        async with turn:
            while (producer := self._producer) is None:
                await self._renewed()
            try:
                sent: asyncio.Future[Any] = await producer.send(
                    row.topic, row.value, row.key, partition=row.partition, headers=row.headers
                )
            except UnknownTopicOrPartitionError:
                self._catalog.forget(self._catalog.ours(row.topic))
                raise
        return sent

    def _position(self, row: _Row) -> Position:
        if row.sent is None or not row.sent.done():
            raise TimeoutError
        return Position(self._catalog.ours(row.topic), row.partition, row.sent.result().offset)

    def _failure(self, error: Exception) -> ParleyError:
        if isinstance(error, TimeoutError):
            return BusUnavailable("Kafka did not confirm in time; whether it was written is not known")
        self._renew_after(error)
        if isinstance(error, MessageSizeTooLargeError):
            return TooLarge("the record is larger than the topic takes")
        return BusUnavailable(f"Kafka did not take a record: {error!r}")

    def _renew_after(self, error: BaseException) -> None:
        """After a refusal for good the client has counted the batch and the broker has not: all it sends to that
        partition from then on is out of sequence, and refused too. Only a new producer can go on."""
        harmless = isinstance(error, ProducerClosed | KafkaTimeoutError | UnknownTopicOrPartitionError)
        if harmless or self._closed or (self._renewal is not None and not self._renewal.done()):
            return
        log.warning("kafka_producer_renewed", reason=repr(error))
        producer, self._producer = self._producer, None
        self._renewal = asyncio.create_task(self._replace(producer), name="kafka producer renewal")

    async def _renewed(self) -> None:
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
