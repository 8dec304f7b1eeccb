"""The log, and the lanes that consume it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from schemas.envelope import Envelope
from schemas.topics import TopicSpec

Clock = Callable[[], datetime]


class TopicPartition(NamedTuple):
    topic: str
    partition: int


class Position(NamedTuple):
    topic: str
    partition: int
    offset: int


@dataclass(slots=True)
class Record:
    """A record as read: not yet decoded, so that poison can be set aside whole. ``value`` None is a tombstone.
    ``read_at``: a moment on ``time.monotonic`` at which it surely was on the log.

    Never changed once made; not declared frozen, which would make making one slower."""

    topic: str
    partition: int
    offset: int
    key: str
    timestamp_ms: int
    headers: Mapping[str, str]
    value: bytes | None
    read_at: float = field(default_factory=time.monotonic, repr=False, compare=False)
    _size: int = field(default=0, init=False, repr=False, compare=False)

    @property
    def source(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    @property
    def size(self) -> int:
        """Bytes of value and headers. Counted once: it is asked for when the record comes and when it goes."""
        if not self._size:
            names, texts = self.headers, self.headers.values()
            self._size = len(self.value or b"") + sum(map(len, names)) + sum(map(len, texts))
        return self._size


class RebalanceListener(Protocol):
    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Called before the partitions go to somebody else; commits still work inside. Bounded by the drain budget."""

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Called with the partitions that are ours from now on (all of them, not only the new ones). An assignment
        clears every pause: pause again what must stay paused."""


class Subscription(Protocol):
    """One member of a consumer group. ``poll`` must be called often and never waits for handlers."""

    async def poll(self, *, max_records: int, timeout: float) -> list[Record]:
        """Records in order per partition; empty after ``timeout``. Paused partitions give nothing. Raises ``Fenced``
        when another member took our static name, ``BusUnavailable``."""

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store the next offset to read. Raises ``Fenced`` when the group has moved on without us."""

    def pause(self, partitions: Iterable[TopicPartition]) -> None: ...
    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Records fetched but not handed out while paused are handed out again: nothing is skipped."""

    async def close(self) -> None:
        """Leave; the listener's ``revoked`` runs first, so that the last commits are made."""


class Bus(Protocol):
    atomic: bool
    """True when one ``append`` is one transaction over all its topics."""

    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def ready(self) -> None:
        """Raises BusUnavailable when the log cannot be written now."""

    async def append(self, envelopes: Sequence[Envelope], *, topic: str | None = None) -> list[Position]:
        """Durable when it returns. Order is kept per key. ``topic`` overrides ``topics.topic_of`` (replays). Raises
        BusUnavailable, TooLarge (over 1,000,000 bytes), TopicMismatch (no such topic)."""

    async def subscribe(
        self, topics: Sequence[str], group: str, listener: RebalanceListener, *, member: str = ""
    ) -> Subscription:
        """``member`` is a stable name for static membership: a restart with it gets its partitions back at once."""

    async def follow(self, topic: str) -> Follower:
        """Broadcast read of a compacted topic from its beginning, then live."""

    async def read(
        self, topic: str, *, since: Mapping[int, int] | None = None, keys: Callable[[str], bool] | None = None
    ) -> AsyncIterator[Record]:
        """Read a topic once, from its beginning (or from offsets by partition) to its end as of now, then stop."""

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        """Records not yet committed, by topic."""

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """The offset that the group reads next, by partition. Partitions where it committed nothing are missing."""

    async def create_topics(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Create what is missing; returns what was created. Raises TopicMismatch on another partition count."""

    async def describe_topics(self) -> dict[str, int]:
        """Partition count by topic, of the topics under our prefix."""


class Follower(Protocol):
    """``caught_up`` is set once everything that was there at the start has been handed out."""

    caught_up: asyncio.Event

    def records(self) -> AsyncIterator[Record]: ...
    async def close(self) -> None: ...


class Batch(Protocol):
    """What a lane hands to its handler: every record of one conversation that waits."""

    conversation: str
    attempt: int
    records: list[Record]
    """Grows by ``take_more``; the handler answers for all of them when it returns."""

    arrived: asyncio.Event
    """Set while records wait that ``take_more`` would return."""

    later: asyncio.Event
    """Set once records wait, or may, that ``take_more`` will not return: they are handled after this batch. Whoever
    waits for what comes next must not wait any longer."""

    def on_arrival(self, call: Callable[[], None] | None) -> None:
        """From now on call this when another record arrives; None ends it. Nothing is called for those that wait."""

    hurry: asyncio.Event
    """Set when the partition is being taken away: finish now, do not wait for more."""

    def take_more(self) -> list[Record]:
        """The records that arrived meanwhile; they belong to this batch from now on."""


LaneHandler = Callable[[Batch], Awaitable[None]]

GiveUp = Callable[[str, Sequence[Record], Exception, int], Awaitable[None]]
"""``(conversation, records, error, attempts)``: dead-letter them, visibly. Must not raise."""
