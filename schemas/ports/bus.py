"""The log: appending, subscribing as a member of a consumer group, reading a topic without one; and the batches that
lanes hand to their handler."""

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
    """A record as it was read. It is not decoded yet, so that an unreadable record can be dead-lettered as it is.
    ``value`` None is a tombstone. ``read_at``: a time on ``time.monotonic`` at which the record was already on the log.

    Treat it as immutable. It is not declared frozen because that makes creating one slower."""

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
        """Bytes of value and headers. Computed once, because it is needed when the record is taken in and when it is
        released."""
        if not self._size:
            names, texts = self.headers, self.headers.values()
            self._size = len(self.value or b"") + sum(map(len, names)) + sum(map(len, texts))
        return self._size


class RebalanceListener(Protocol):
    """Receives the changes of a member's assignment."""

    async def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Called before the partitions go to another member; commits still work inside. Limited by the drain budget."""

    async def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Called with all partitions that the member owns from now on, not only the new ones. An assignment clears
        every pause: pause again what must stay paused."""


class Subscription(Protocol):
    """One member of a consumer group. Call ``poll`` often; it never waits for handlers."""

    async def poll(self, *, max_records: int, timeout: float) -> list[Record]:
        """Return records, in order within each partition; empty after ``timeout``. Paused partitions return nothing.
        Raises ``Fenced`` when another member has taken our static name, ``BusUnavailable``."""

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store the next offsets to read. Raises ``Fenced`` when the group has continued without this member."""

    def pause(self, partitions: Iterable[TopicPartition]) -> None: ...
    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Records that were fetched but not returned while paused are returned again: none is skipped."""

    async def close(self) -> None:
        """Leave the group. The listener's ``on_revoked`` runs first, so that the last commits are made."""


class Bus(Protocol):
    atomic: bool
    """True when one ``append`` is one transaction over all its topics."""

    async def check_ready(self) -> None:
        """Raises BusUnavailable when the log cannot be written now."""

    async def append(self, envelopes: Sequence[Envelope], *, topic: str | None = None) -> list[Position]:
        """Append in order per key; durable when it returns. ``topic`` overrides ``topics.topic_of`` (replays). Raises
        BusUnavailable, TooLarge (over 1,000,000 bytes), TopicMismatch (no such topic)."""

    async def subscribe(
        self, topics: Sequence[str], group: str, listener: RebalanceListener, *, member: str = ""
    ) -> Subscription:
        """Join a consumer group. ``member`` is a stable name for static membership: a restart under the same name gets
        its partitions back at once."""

    async def follow(self, topic: str) -> Follower:
        """Read a compacted topic from its beginning, then live, outside of any group."""

    async def read(
        self, topic: str, *, since: Mapping[int, int] | None = None, keys: Callable[[str], bool] | None = None
    ) -> AsyncIterator[Record]:
        """Read a topic once, from its beginning (or from offsets by partition) to its current end."""

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        """Records not yet committed, by topic."""

    async def committed_offsets(self, group: str, topic: str) -> dict[int, int]:
        """The offset that the group reads next, by partition. Partitions without a commit are missing."""

    async def end_offsets(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        """The offset that the next record will get, by topic and partition."""

    async def create_topics(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Create the missing topics; returns their names. Raises TopicMismatch on another partition count."""

    async def describe_topics(self) -> dict[str, int]:
        """Partition count by topic, for the topics under our prefix."""


class Follower(Protocol):
    caught_up: asyncio.Event
    """Set once everything that was there at the start has been returned."""

    def records(self) -> AsyncIterator[Record]: ...
    async def close(self) -> None: ...


class Batch(Protocol):
    """All waiting records of one conversation, as a lane passes them to its handler."""

    conversation: str
    attempt: int
    records: list[Record]
    """Grows with ``take_more``. The handler is responsible for all of them when it returns."""

    arrived: asyncio.Event
    """Set while records wait that ``take_more`` would return."""

    backlog: asyncio.Event
    """Set once records wait, or may wait, that ``take_more`` will not return: they are handled after this batch, so a
    handler that waits for further records must stop waiting."""

    revoking: asyncio.Event
    """Set when the partition is being taken away: finish now, do not wait for more."""

    def on_arrival(self, call: Callable[[], None] | None) -> None:
        """Call this whenever another record arrives from now on; None ends it. Records that already wait do not
        count."""

    def take_more(self) -> list[Record]:
        """Return the records that have arrived since; they belong to this batch from now on."""


LaneHandler = Callable[[Batch], Awaitable[None]]

GiveUp = Callable[[str, Sequence[Record], Exception, int], Awaitable[None]]
"""``(conversation, records, error, attempts)``: dead-letter the records, visibly. Must not raise."""
