"""Parked records, dead letters, and strikes against records that stall or kill a process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from schemas.conversation import DeadLetter
from schemas.ports.bus import Record, TopicPartition


class Parking(Protocol):
    """Ordered lists of records that were set aside, by consumer group and conversation."""

    async def park(self, group: str, conversation: str, records: Sequence[Record], *, until: datetime) -> None:
        """Set records aside; durable when it returns. Idempotent by record position. ``until`` replaces the earlier
        one."""

    async def read(self, group: str, conversation: str, *, limit: int) -> list[Record]:
        """The oldest records, ordered by offset, whatever the order in which they were parked."""

    async def unpark(self, group: str, conversation: str, records: Sequence[Record]) -> int:
        """Remove handled records; returns how many are left."""

    async def list_conversations(
        self, group: str, partitions: Iterable[TopicPartition]
    ) -> dict[str, tuple[TopicPartition, datetime]]:
        """Conversations with parked records of these partitions, and until when they are parked."""


class DeadLetters(Protocol):
    async def add(self, letter: DeadLetter) -> None:
        """Idempotent by id."""

    async def get(self, tenant: str, letter: str) -> DeadLetter | None: ...
    async def count_replay(self, tenant: str, letter: str) -> int:
        """Count a replay; returns its number, from 1. Raises NotFound."""

    async def list_page(self, tenant: str, *, after: str = "", limit: int = 50) -> tuple[list[DeadLetter], str]:
        """One page, newest first, and the cursor of the next."""

    async def remove(self, tenant: str, letter: str) -> None:
        """Delete a letter for good. May be repeated."""


StrikeCode = Literal["process_stalled", "process_crashed", "memory_exhausted"]


class Strike(NamedTuple):
    """A record that was being handled when its process stalled or died. ``incident`` identifies that event."""

    group: str
    topic: str
    partition: int
    offset: int
    incident: str
    code: StrikeCode
    at: datetime


class Strikes(Protocol):
    """Records that may have stalled or killed a process, by consumer group."""

    async def add(self, strikes: Sequence[Strike]) -> None:
        """Durable when it returns. Idempotent by record and incident."""

    async def of(self, group: str, source: TopicPartition) -> list[Strike]: ...
    async def clear(self, strikes: Sequence[Strike]) -> None:
        """Forget these: their records are done."""
