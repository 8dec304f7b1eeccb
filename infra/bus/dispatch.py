"""Pass records to lanes and lanes to the handler, from a record's arrival until it is done."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from functools import partial

from infra.bus.assignment import Assignment
from infra.bus.consumer_limits import ConsumerLimits, MemoryUsage
from infra.bus.fair_queue import FairQueue
from infra.bus.lane import Lane, LaneBatch
from infra.bus.overflow import Overflow
from infra.bus.retrying import BatchOutcome, run_handler
from schemas.ports import Clock, GiveUp, LaneHandler, Record
from schemas.privacy.sealed_events import is_erased
from schemas.runtime.fair_rotation import party_of


class Dispatch:
    """All lanes of one member. Everything here is called from one event loop, and nothing waits for a handler."""

    def __init__(
        self,
        limits: ConsumerLimits,
        overflow: Overflow,
        handler: LaneHandler,
        give_up: GiveUp,
        *,
        clock: Clock,
        suspended: Callable[[], bool],
        tenant_limit: Callable[[str], int] | None,
    ) -> None:
        def limit_of(tenant: str) -> int:
            return tenant_limit(tenant) if tenant and tenant_limit is not None else limits.running_per_tenant

        self._limits = limits
        self._overflow = overflow
        self._handler = handler
        self._give_up = give_up
        self._clock = clock
        self._suspended = suspended
        self.queue: FairQueue[Lane] = FairQueue(limits.running, limit_of, self._start)
        self.memory_usage = MemoryUsage()
        self.failure: BaseException | None = None
        """A bug of ours: the run ends with it, because some lane no longer works."""
        self._schedule: list[tuple[datetime, int, Lane]] = []
        self._order = itertools.count()
        self._blocked: set[Lane] = set()
        """Lanes with work that may not be started now."""

    # ── records come in ──────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, assignment: Assignment, record: Record) -> None:
        """A record was read; offsets of a partition come in rising order. One about an erased contact is done."""
        if is_erased(record):
            assignment.offsets.add(record.offset)
            assignment.offsets.finish([record])
            return
        lane = self._lane(assignment, record.key)
        if not lane.tenant:
            lane.party = party_of(record.headers, record.key)
        assignment.offsets.add(record.offset)
        self.memory_usage.take(record)
        crowded = lane.record_count >= self._limits.held_per_lane
        if lane.overflow or crowded or self.memory_usage.exceeds_share(lane.tenant, self._limits):
            self._spill(lane, [record])
            return
        lane.queue.append(record)
        if lane.batch is not None:
            lane.batch.arrive()
        self._make_ready(lane)

    def adopt(self, assignment: Assignment, conversation: str, until: datetime) -> None:
        """A conversation with parked records came with the partition, or with a rebuilt store."""
        lane = self._lane(assignment, conversation)
        if lane.overflow:
            return  # the lane knows already, perhaps with a better time
        if lane.queue or lane.batch is not None:
            self._spill(lane, [])  # records in memory are newer: they join the parked ones
        lane.overflow = True
        self._wake_at(lane, until)

    def relieve(self, assignment: Assignment) -> None:
        """Park the lanes that hold back the commit most, so that the partition can go on without them."""
        oldest = assignment.offsets.oldest
        if oldest is None or assignment.offsets.span < self._limits.span // 2:
            return
        limit = oldest + self._limits.span // 4
        for lane in list(assignment.lanes.values()):
            if lane.flushing is None and lane.oldest is not None and lane.oldest < limit:
                self._spill(lane, [])

    def _lane(self, assignment: Assignment, conversation: str) -> Lane:
        lane = assignment.lanes.get(conversation)
        if lane is None:
            lane = assignment.lanes[conversation] = Lane(assignment, conversation)
        return lane

    def _spill(self, lane: Lane, records: list[Record]) -> None:
        if not lane.overflow:
            lane.overflow = True
            lane.spilling += lane.take_queue()
        lane.spilling += records
        if lane.spilling and lane.batch is not None:
            lane.batch.backlog.set()
        if lane.flushing is None:
            lane.flushing = self.spawn(self._flush(lane))

    async def _flush(self, lane: Lane) -> None:
        while (stored := await self._overflow.flush(lane)) is not None:
            self.memory_usage.release(stored)
            if not lane.spilling:
                break
        lane.flushing = None
        self._continue_or_drop(lane)

    # ── lanes take turns ─────────────────────────────────────────────────────────────────────────────────────────────

    def tick(self) -> None:
        """Start lanes that became due or that were blocked; called after every poll."""
        now = self._clock()
        while self._schedule and self._schedule[0][0] <= now:
            self._continue_or_drop(heapq.heappop(self._schedule)[2])
        if self._blocked and not self._suspended():
            for lane in [lane for lane in self._blocked if not self._is_blocked(lane)]:
                self._blocked.discard(lane)
                self._continue_or_drop(lane)

    def wake(self, lane: Lane) -> None:
        """The event that a parked conversation waits for has happened."""
        lane.woken, lane.until = True, None
        self._continue_or_drop(lane)

    def _continue_or_drop(self, lane: Lane) -> None:
        """Nothing runs in the lane now: go on if something is due, else drop the lane."""
        if lane.queue or self._overflow.is_due(lane):
            self._make_ready(lane)
        elif lane.idle and lane.assignment.lanes.get(lane.conversation) is lane:
            del lane.assignment.lanes[lane.conversation]

    def _make_ready(self, lane: Lane) -> None:
        if lane.task is not None or lane.waiting or not lane.assignment.open:
            return
        if self._is_blocked(lane):
            self._blocked.add(lane)
            return
        lane.waiting, lane.running_party = True, lane.party
        self.queue.enter(lane.running_party, lane)

    def _is_blocked(self, lane: Lane) -> bool:
        """Return whether nothing may be started now: in general, or in this partition because its parked records are
        not known yet."""
        return self._suspended() or lane.assignment.lookup is not None

    def _start(self, lane: Lane) -> None:
        lane.waiting = False
        lane.task = asyncio.create_task(self._run_lane(lane))
        # Not in the task's own ``finally``, which does not run when the task is cancelled before its first step.
        lane.task.add_done_callback(partial(self._on_lane_stop, lane))

    def _on_lane_stop(self, lane: Lane, task: asyncio.Task[None]) -> None:
        self._on_task_end(task)
        lane.task = None
        self.queue.leave(lane.running_party)
        self._continue_or_drop(lane)

    def _wake_at(self, lane: Lane, until: datetime) -> None:
        lane.until = until
        heapq.heappush(self._schedule, (until, next(self._order), lane))

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """A task whose failure ends the run."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_task_end)
        return task

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failure = self.failure or error

    # ── a lane works ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _run_lane(self, lane: Lane) -> None:
        """Handle batch after batch, until nothing is due or another lane waits for the slot."""
        while lane.assignment.open and not self._is_blocked(lane) and (batch := await self._next_batch(lane)):
            outcome = await run_handler(self._handler, self._give_up, batch, self._limits.attempts)
            await self._settle(lane, batch, outcome)
            if self.queue.contended or isinstance(outcome, datetime):
                break

    async def _next_batch(self, lane: Lane) -> LaneBatch | None:
        lane.woken = False
        batch = LaneBatch(lane, lane.take_queue()) if lane.queue else await self._read_parked(lane)
        if batch is None or lane.assignment.gone or (batch.parked and self._is_blocked(lane)):
            return None
        if not lane.tenant and batch.parked:
            lane.party = party_of(batch.records[0].headers, lane.conversation)
            if lane.party != lane.running_party and self.queue.contended:
                return None  # queue up again, this time behind its own party; the records are still parked
        for record in batch.records[: batch.parked]:
            self.memory_usage.take(record)
        lane.batch = batch
        return batch

    async def _read_parked(self, lane: Lane) -> LaneBatch | None:
        with self.memory_usage.promise(lane.tenant, self._limits) as page:
            batch = await self._overflow.next_batch(lane, page)
        if batch is not None and (lane.spilling or batch.parked >= page):
            batch.backlog.set()
        return batch

    async def _settle(self, lane: Lane, batch: LaneBatch, outcome: BatchOutcome | datetime) -> None:
        if outcome is BatchOutcome.DONE:
            batch.finished = len(batch.records)
        until = outcome if isinstance(outcome, datetime) else None
        if (until is not None or lane.overflow) and not await self._overflow.finish(lane, batch, until):
            return
        if lane.assignment.gone:
            return
        lane.assignment.offsets.finish(
            batch.records[batch.parked :] if until else batch.records[batch.parked : batch.finished]
        )
        if outcome is not BatchOutcome.INTERRUPTED:
            lane.batch = None
            self.memory_usage.release(batch.records)
        if until is not None and lane.until is not None:
            self._wake_at(lane, until)

    # ── partitions go ────────────────────────────────────────────────────────────────────────────────────────────────

    def forget(self, assignments: Iterable[Assignment]) -> None:
        """Drop everything held for these partitions. Their records are read again by the next owner."""
        for assignment in assignments:
            for lane in assignment.lanes.values():
                self.memory_usage.release([*lane.queue, *lane.spilling, *(lane.batch.records if lane.batch else ())])
            assignment.lanes.clear()
        self.queue.withdraw(lambda lane: lane.assignment.gone)
        self._schedule = [entry for entry in self._schedule if not entry[2].assignment.gone]
        heapq.heapify(self._schedule)
        self._blocked = {lane for lane in self._blocked if not lane.assignment.gone}
