"""One lane: the records of one conversation that wait here, and the batch its handler works on."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime

from schemas.ports import Record, TopicPartition


class Lane:
    """``overflow`` is True while records of this conversation are parked: later ones join them, so order holds."""

    __slots__ = (
        "arrived",
        "conversation",
        "hurry",
        "overflow",
        "parking",
        "queue",
        "source",
        "spilling",
        "task",
        "tenant",
        "until",
        "waiting",
    )

    def __init__(self, source: TopicPartition, conversation: str, tenant: str) -> None:
        self.source = source
        self.conversation = conversation
        self.tenant = tenant
        self.queue: deque[Record] = deque()
        self.spilling: deque[Record] = deque()
        self.arrived = asyncio.Event()
        self.hurry = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.waiting = False
        """In the turnstile, not started yet."""
        self.overflow = False
        self.until: datetime | None = None
        self.parking = asyncio.Lock()

    @property
    def idle(self) -> bool:
        return not (self.queue or self.spilling or self.overflow or self.task or self.waiting)


class LaneBatch:
    """See schemas.ports.Batch. ``parked`` says where its first records came from."""

    __slots__ = ("_lane", "arrived", "attempt", "conversation", "hurry", "parked", "records")

    def __init__(self, lane: Lane, records: list[Record], parked: list[Record]) -> None:
        self._lane = lane
        self.conversation = lane.conversation
        self.attempt = 1
        self.records = records
        self.parked = parked
        self.arrived = lane.arrived
        self.hurry = lane.hurry

    def alone(self, record: Record) -> LaneBatch:
        """One record by itself; what arrives meanwhile stays for later."""
        lane = Lane(self._lane.source, self.conversation, self._lane.tenant)
        lane.hurry = self.hurry
        single = LaneBatch(lane, [record], [])
        single.attempt = self.attempt
        return single

    def take_more(self) -> list[Record]:
        more = list(self._lane.queue)
        self._lane.queue.clear()
        self._lane.arrived.clear()
        self.records.extend(more)
        return more
