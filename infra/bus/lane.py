"""One lane: the waiting records of one conversation, and the batch that its handler works on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from schemas.ports import Record
from schemas.runtime.fair_rotation import party_of

if TYPE_CHECKING:
    from infra.bus.assignment import Assignment


class Lane:
    """Small while nothing runs in it, because a member may know a hundred thousand parked conversations.

    While ``overflow`` is True the conversation's unfinished records are in the store (or on their way there, in
    ``spilling``), later ones join them, and ``queue`` is empty."""

    __slots__ = (
        "_lock",
        "assignment",
        "batch",
        "conversation",
        "flushing",
        "overflow",
        "party",
        "queue",
        "running_party",
        "spilling",
        "task",
        "until",
        "waiting",
        "woken",
    )

    def __init__(self, assignment: Assignment, conversation: str) -> None:
        self.assignment = assignment
        self.conversation = conversation
        self.party = party_of({}, conversation)
        """Without a tenant before the first record is seen (adopted lanes)."""
        self.running_party = self.party
        """The party whose slot the running work uses."""
        self.queue: list[Record] = []
        self.spilling: list[Record] = []
        self.batch: LaneBatch | None = None
        self.task: asyncio.Task[None] | None = None
        self.flushing: asyncio.Task[None] | None = None
        self.waiting = False
        """In the fair queue, not started yet."""
        self.overflow = False
        self.until: datetime | None = None
        self.woken = False
        """Woken since its batch was handed out: the event that the handler waits for may have happened already."""
        self._lock: asyncio.Lock | None = None

    @property
    def tenant(self) -> str:
        return self.party[0]

    @property
    def store(self) -> asyncio.Lock:
        """Held for every access to the lane's parked records."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock

    @property
    def idle(self) -> bool:
        holds = self.queue or self.spilling or self.batch is not None or self.overflow
        return not (holds or self.waiting or self.task is not None or self.flushing is not None)

    @property
    def oldest(self) -> int | None:
        """Offset of the oldest record that holds back the partition's commit."""
        if self.batch is not None and (rest := self.batch.unparked_records):
            return rest[0].offset
        waiting = self.queue or self.spilling
        return waiting[0].offset if waiting else None

    @property
    def first(self) -> Record | None:
        """The oldest unfinished record in memory."""
        handled = self.batch.records[self.batch.finished :] if self.batch is not None else []
        return next(iter(handled or self.queue or self.spilling), None)

    @property
    def record_count(self) -> int:
        """Unfinished records in memory."""
        return len(self.queue) + (len(self.batch.records) if self.batch is not None else 0)

    def take_queue(self) -> list[Record]:
        taken, self.queue = self.queue, []
        if self.batch is not None:
            self.batch.arrived.clear()
        return taken

    def leave_overflow(self) -> None:
        self.overflow, self.until = False, None


class LaneBatch:
    """See schemas.ports.Batch. Of its records the first ``parked`` are in the store, and the first ``finished`` need no
    more work."""

    __slots__ = (
        "_call",
        "_lane",
        "arrived",
        "attempt",
        "backlog",
        "conversation",
        "finished",
        "parked",
        "records",
        "revoking",
    )

    def __init__(self, lane: Lane, records: list[Record], parked: int = 0) -> None:
        self._lane: Lane | None = lane
        self.conversation = lane.conversation
        self.attempt = 1
        self.records = records
        self.parked = parked
        self.finished = 0
        self.arrived = asyncio.Event()
        self.backlog = asyncio.Event()
        self.revoking = lane.assignment.revoking
        self._call: Callable[[], None] | None = None

    def on_arrival(self, call: Callable[[], None] | None) -> None:
        self._call = call

    def arrive(self) -> None:
        """Another record waits."""
        self.arrived.set()
        if self._call is not None:
            self._call()

    @property
    def unparked_records(self) -> list[Record]:
        return self.records[self.parked :]

    def single(self, lane: Lane, record: Record) -> LaneBatch:
        """A batch of one record; records that arrive meanwhile stay for later."""
        single = LaneBatch(lane, [record])
        single._lane = None
        single.attempt = self.attempt
        single.backlog.set()
        return single

    def isolate(self) -> LaneBatch:
        """A batch of its first record, which takes no others along."""
        return self if self._lane is None else self.single(self._lane, self.records[0])

    def take_more(self) -> list[Record]:
        """Empty once the batch is over: the records would have no handler."""
        if self._lane is None or self._lane.batch is not self:
            return []
        more = self._lane.take_queue()
        self.records.extend(more)
        return more

    def split(self) -> list[LaneBatch]:
        """Each unfinished record in a batch of its own."""
        lane = self._lane
        return [] if lane is None else [self.single(lane, record) for record in self.records[self.finished :]]
