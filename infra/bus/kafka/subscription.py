"""One member of a consumer group, with the client's peculiarities hidden inside.

- The client's poll outlasts its timeout while the group rebalances, and must not be cancelled (it would stop counting
how long we have not polled). So it runs as a task of its own, and fetched records are held until their turn. - Between
a rebalance on the broker and our listener's answer the client would still return records, and commit, for the wrong
owner. So this class decides which partitions may be read and committed, based on the rebalance listener's calls."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka import TopicPartition as Source
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from infra.bus.kafka.catalog import Catalog
from infra.bus.kafka.consumers import generation_of, has_died, record_of, stop
from infra.bus.kafka.profile import KafkaProfile
from schemas.errors import BusUnavailable, Fenced
from schemas.ports import RebalanceListener, Record, TopicPartition

log = structlog.get_logger("parley.bus")

_NONE: frozenset[TopicPartition] = frozenset()
_POLL_MARGIN = 0.1
_FAILURES_IN_A_ROW = 3


class _ClientListener(ConsumerRebalanceListener):  # type: ignore[misc,unused-ignore]
    """Passes on the callbacks of one client, for as long as it is the subscription's client."""

    def __init__(self, member: KafkaSubscription, client: Any) -> None:
        self._member = member
        self._client = client

    async def on_partitions_revoked(self, revoked: Iterable[Source]) -> None:
        if self._member.client is self._client:
            await self._member.lose()

    async def on_partitions_assigned(self, assigned: Iterable[Source]) -> None:
        if self._member.client is self._client:
            await self._member.gain(assigned)


class KafkaSubscription:
    """See ``schemas.ports.Subscription``. ``member`` empty: a dynamic member, which leaves when it closes."""

    def __init__(
        self,
        bootstrap: str,
        catalog: Catalog,
        profile: KafkaProfile,
        topics: Sequence[str],
        group: str,
        listener: RebalanceListener,
        member: str,
    ) -> None:
        self._catalog = catalog
        self._profile = profile
        self._topics = [catalog.on_broker(topic) for topic in topics]
        # Round robin distributes the partitions of all topics together; range would give the first member the first
        # partition of each.
        self._settings = profile.member(bootstrap) | {
            "group_id": catalog.on_broker(group),
            "group_instance_id": member or None,
            "partition_assignment_strategy": (RoundRobinPartitionAssignor,),
        }
        self._group = group
        self._listener = listener
        self.client: Any = None
        self._fetching: asyncio.Task[dict[Source, list[Any]]] | None = None
        self._held: dict[TopicPartition, deque[Any]] = {}
        self._readable = _NONE
        self._owned = _NONE
        self._generation = -1
        self._paused: set[TopicPartition] = set()
        self._turn = asyncio.Lock()
        self._failures = 0
        self._broken: Exception | None = None
        self._closed = False
        self._stopping: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Join. Returns at once; the listener is called when partitions come. Raises BusUnavailable."""
        consumer = AIOKafkaConsumer(**self._settings)
        try:
            async with asyncio.timeout(self._profile.start_deadline):
                await consumer.start()
        except BaseException as error:
            await stop(consumer)
            if isinstance(error, TimeoutError | KafkaError | OSError):
                raise BusUnavailable(f"no Kafka broker answers: {error!r}") from error
            raise
        consumer.subscribe(self._topics, listener=_ClientListener(self, consumer))
        self.client = consumer

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def poll(self, *, max_records: int, timeout: float) -> list[Record]:
        """Raises BusUnavailable when the client reports a failure; later polls recover."""
        if self._broken is not None:
            raise self._broken
        if self._closed:
            return []
        if ready := self._take(max_records):
            return ready
        if self.client is None:
            await self.open()
        if self._fetching is None:
            fetch = self.client.getmany(timeout_ms=int(timeout * 1000), max_records=max_records)
            self._fetching = asyncio.create_task(fetch, name="kafka poll")
        await asyncio.wait({self._fetching}, timeout=timeout + _POLL_MARGIN)
        await self._absorb()
        return self._take(max_records)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        selected = self._owned.intersection(partitions)
        self._paused |= selected
        if sources := self._client_partitions(selected):
            self.client.pause(*sources)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        selected = self._paused.intersection(partitions)
        self._paused -= selected
        if sources := self._client_partitions(selected):
            self.client.resume(*sources)

    def _client_partitions(self, partitions: Iterable[TopicPartition]) -> list[Source]:
        held = self.client.assignment() if self.client is not None else ()
        return [source for one in partitions if (source := self._source(one)) in held]

    def _take(self, most: int) -> list[Record]:
        taken: list[Record] = []
        for one in [one for one in self._held if one in self._readable and one not in self._paused]:
            queue = self._held[one]
            while queue and len(taken) < most:
                taken.append(record_of(queue.popleft(), one.topic))
            if not queue:
                del self._held[one]
        return taken

    async def _absorb(self) -> None:
        if self._fetching is None or not self._fetching.done():
            return
        fetched, self._fetching = self._fetching, None
        if self._closed:
            return
        try:
            records = fetched.result()
            if not records and has_died(self.client):
                raise KafkaError("the client's fetcher ended")
        except (KafkaError, OSError) as error:
            self._failures += 1
            if self._failures >= _FAILURES_IN_A_ROW:
                await self._rejoin(error)
            raise BusUnavailable(f"Kafka cannot be read: {error!r}") from error
        self._failures = 0
        for source, more in records.items():
            self._held.setdefault(self._partition(source), deque()).extend(more)

    def _drop(self) -> None:
        """Records fetched for the earlier assignment are fetched again for the next one, from the committed offset."""
        self._held.clear()
        if self._fetching is not None and self._fetching.done() and not self._fetching.cancelled():
            self._fetching.exception()
            self._fetching = None

    async def _rejoin(self, error: Exception) -> None:
        """The client's coordinator or fetcher has died, from which it never recovers: begin again as a new member."""
        log.error("kafka_consumer_renewed", group=self._group, reason=repr(error))
        consumer, self.client = self.client, None
        self._failures = 0
        self._owned = _NONE
        await self.lose()
        await self._stop(consumer)

    # ── committing ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Raises Fenced when a partition is no longer ours; BusUnavailable after the deadline, when it may still be
        stored."""
        if not offsets:
            return
        if not self._owned.issuperset(offsets) or generation_of(self.client) != self._generation:
            raise Fenced(f"partitions of {self._group} have gone to another member")
        try:
            async with asyncio.timeout(self._profile.commit_deadline):
                await self.client.commit({self._source(one): offset for one, offset in offsets.items()})
        except (CommitFailedError, IllegalStateError) as error:
            raise Fenced(f"{self._group} has continued without this member") from error
        except (TimeoutError, KafkaError, OSError) as error:
            raise BusUnavailable(f"Kafka did not confirm a commit: {error!r}") from error

    # ── rebalance ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def lose(self) -> None:
        """All partitions go; the group waits while the listener drains, up to the rebalance timeout."""
        readable, self._readable = self._readable, _NONE
        async with self._turn:
            try:
                if readable:
                    await self._listener.on_revoked(readable)
            except Exception:
                # Uncommitted records are read again by the next owner, so a failed drain loses nothing.
                log.exception("revoke_failed", group=self._group)
            finally:
                self._owned = _NONE
                self._paused.clear()

    async def gain(self, sources: Iterable[Source]) -> None:
        if self._closed:
            return
        self._drop()
        self._paused.clear()
        self._owned = frozenset(map(self._partition, sources))
        self._generation = generation_of(self.client)
        try:
            await self._listener.on_assigned(self._owned)
        except Exception as error:
            # The client would only log it, and the listener would never learn of its partitions: let poll fail instead.
            self._broken = error
        else:
            self._readable = self._owned

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self.lose()
        if self.client is not None:
            await self._stop(self.client)
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _stop(self, consumer: Any) -> None:
        stopping = asyncio.create_task(stop(consumer), name="kafka consumer stop")
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)
        # With a frozen broker, leaving takes a request timeout; it goes on in the background.
        await asyncio.wait({stopping}, timeout=self._profile.close_deadline)

    def _source(self, one: TopicPartition) -> Source:
        return Source(self._catalog.on_broker(one.topic), one.partition)

    def _partition(self, source: Source) -> TopicPartition:
        return TopicPartition(self._catalog.ours(source.topic), source.partition)
