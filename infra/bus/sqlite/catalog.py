"""Topics and partitions in memory: where each begins and ends, and who waits for more records."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.errors import TopicMismatch
from schemas.ports import TopicPartition


@dataclass(slots=True, eq=False)
class Partition:
    """``start`` and ``head`` bound the committed records: the first kept offset, and the next one to be written."""

    id: int
    topic: str
    index: int
    compacted: bool
    start: int
    head: int
    watchers: set[asyncio.Event] = field(default_factory=set)

    @property
    def name(self) -> TopicPartition:
        return TopicPartition(self.topic, self.index)

    def advance(self, head: int) -> None:
        if head > self.head:
            self.head = head
            for event in self.watchers:
                event.set()


@dataclass(slots=True, eq=False)
class Topic:
    """``retention_ms`` is None for a compacted topic."""

    name: str
    retention_ms: int | None
    partitions: list[Partition]


class Catalog:
    def __init__(self) -> None:
        self.topics: dict[str, Topic] = {}

    def add(self, topics: Iterable[Topic]) -> None:
        """Add topics; known ones keep their partition objects, which others hold on to."""
        for topic in topics:
            known = self.topics.setdefault(topic.name, topic)
            known.retention_ms = topic.retention_ms

    def topic(self, name: str) -> Topic:
        """Raises TopicMismatch for a topic that was not created."""
        try:
            return self.topics[name]
        except KeyError:
            raise TopicMismatch(f"topic {name!r} does not exist", fix="create it: parley topics create") from None

    def partition(self, name: TopicPartition) -> Partition:
        return self.topic(name.topic).partitions[name.partition]
