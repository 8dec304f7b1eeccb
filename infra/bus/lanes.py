"""Lanes: one consumer, thousands of conversations at once, each strictly in order.

One loop polls and never waits for a handler. Every record goes to its conversation's lane; a lane's handler gets all
waiting records. Offsets are committed up to the first unfinished record. Records that would exceed the memory limits
(one conversation or one tenant that floods) or hold back the commit for long are *parked*: moved to an ordered list in
the state store, so that the offset can move on and nobody else waits. On a rebalance: drain first, fence second."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import structlog

from infra.bus.assignment import Assignment
from infra.bus.consumer_limits import ConsumerLimits, MemoryUsage
from infra.bus.dispatch import Dispatch
from infra.bus.overflow import Overflow
from infra.bus.poison_watch import PoisonWatch
from infra.bus.retrying import retry_until_success
from schemas.errors import BusUnavailable, Fenced
from schemas.ports import Bus, Clock, GiveUp, LaneHandler, Parking, Record, Subscription, TopicPartition

__all__ = ["ConsumerLimits", "Lanes"]

log = structlog.get_logger("parley.lanes")

_UNWIND_S = 5.0
"""Seconds that a cancelled handler may take to end before the partition is given away anyway."""
PRESSED = 20
"""The limit is divided by this while the process is overloaded: the few lanes that go on need no more."""


class Lanes:
    """Runs one member of a consumer group. ``suspended`` tells when nothing may be started (state is being rebuilt);
    afterwards, parked records are looked up anew. ``low_on_memory`` tells when the process is overloaded and records
    had better wait on the log. ``tenant_limit`` tells how many turns of a tenant may run at once. ``poison_watch``
    handles records that stall or kill the process."""

    def __init__(
        self,
        bus: Bus,
        parking: Parking,
        *,
        limits: ConsumerLimits | None = None,
        clock: Clock = lambda: datetime.now(UTC),
        suspended: Callable[[], bool] = lambda: False,
        low_on_memory: Callable[[], bool] = lambda: False,
        tenant_limit: Callable[[str], int] | None = None,
        poison_watch: PoisonWatch | None = None,
    ) -> None:
        self._poison_watch = poison_watch
        self._bus = bus
        self._parking = parking
        self.limits = limits or ConsumerLimits()
        self._clock = clock
        self._suspended = suspended
        self._low_on_memory = low_on_memory
        self._was_suspended = False
        """Nothing could be started, and the records that were parked meanwhile are not known yet."""
        self._tenant_limit = tenant_limit
        self._group = ""
        self._dispatch: Dispatch | None = None
        self._overflow: Overflow | None = None
        self._assignments: dict[TopicPartition, Assignment] = {}
        self._paused: set[TopicPartition] = set()
        self._pauses_unknown = True
        self._committed_at = 0.0
        self._committing: asyncio.Task[None] | None = None
        self._subscription: Subscription | None = None
        self._stopping = asyncio.Event()

    # ── public interface ─────────────────────────────────────────────────────────────────────────────────────────────

    async def run(
        self, topics: Sequence[str], group: str, handler: LaneHandler, give_up: GiveUp, *, member: str = ""
    ) -> None:
        """Consume until ``stop``. One run per Lanes object. Cancelling it abandons running work, which is read again.

        A conversation's records must all be on one of the topics, because only there do they have an order. Raises
        Fenced when another member took this one's name."""
        self._group = group
        self._overflow = Overflow(self._parking, group, self._clock)
        if self._poison_watch is not None:
            handler, give_up = self._poison_watch.watch_handler(handler), self._poison_watch.watch_give_up(give_up)
        dispatch = self._dispatch = Dispatch(
            self.limits,
            self._overflow,
            handler,
            give_up,
            clock=self._clock,
            suspended=self._is_suspended,
            tenant_limit=self._tenant_limit,
        )
        subscription = self._subscription = await self._bus.subscribe(topics, group, self, member=member)
        try:
            while not self._stopping.is_set():
                await self._poll_once(subscription, dispatch)
            if self._committing is not None:
                await asyncio.wait({self._committing})  # an older offset must not overwrite the last ones
            await self.on_revoked(frozenset(self._assignments))
        finally:
            self._stopping.set()
            if self._committing is not None:
                self._committing.cancel()
            await self._forget(self._assignments.keys())
            await subscription.close()

    def stop(self) -> None:
        """Drain, commit and leave: ``run`` returns within ``limits.drain`` seconds."""
        self._stopping.set()

    @property
    def load(self) -> float:
        """0–1: the gauge for autoscaling."""
        if self._dispatch is None:
            return 0.0
        return max(self._dispatch.queue.load, min(1.0, self.memory_usage.held / self.limits.held))

    @property
    def oldest_waiting(self) -> float:
        """Age in seconds of the oldest unfinished record in memory; parked records do not count."""
        lanes = (lane for assignment in self._assignments.values() for lane in assignment.lanes.values())
        first = min((record.timestamp_ms for lane in lanes if (record := lane.first)), default=None)
        return 0.0 if first is None else max(0.0, self._clock().timestamp() - first / 1000)

    @property
    def partitions(self) -> frozenset[TopicPartition]:
        """The partitions of this member whose parked conversations are known."""
        return frozenset(source for source, held in self._assignments.items() if held.open and held.lookup is None)

    @property
    def memory_usage(self) -> MemoryUsage:
        """Records and bytes in memory."""
        return self._dispatch.memory_usage if self._dispatch else MemoryUsage()

    @property
    def held_count(self) -> int:
        """Unfinished records in memory."""
        return self.memory_usage.held

    @property
    def running_count(self) -> int:
        """Conversations being handled now."""
        return self._dispatch.queue.running if self._dispatch else 0

    def wake(self, conversation: str) -> None:
        """Go on with a parked conversation, because the event that it waited for has happened. Ignored when it is not
        here."""
        for assignment in self._assignments.values():
            lane = assignment.lanes.get(conversation)
            if lane is not None and self._dispatch is not None:
                self._dispatch.wake(lane)

    # ── the poll loop ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _poll_once(self, subscription: Subscription, dispatch: Dispatch) -> None:
        if dispatch.failure is not None:
            raise dispatch.failure
        if self._is_suspended() and not self._suspended():
            self._resume(dispatch)
        self._apply_pauses(subscription, dispatch)
        dispatch.tick()
        rest = 0.0  # sleep even for 0 s: a poll that returns at once must not keep the lanes from running
        try:
            room = dispatch.memory_usage.room(self.limits)
            records = await subscription.poll(max_records=room, timeout=self.limits.poll)
            self._take(dispatch, records)
            rest = self.limits.rest if len(records) >= self.limits.poll_records else 0.0
            if asyncio.get_running_loop().time() - self._committed_at >= self.limits.commit_every:
                self._committed_at = asyncio.get_running_loop().time()
                for assignment in self._assignments.values():
                    dispatch.relieve(assignment)
                if self._committing is None or self._committing.done():
                    # In the background: new records need not wait for the broker's answer.
                    self._committing = dispatch.spawn(self._commit(list(self._assignments.values())))
        except BusUnavailable as error:
            log.warning("bus_unavailable", group=self._group, reason=str(error))
            await asyncio.sleep(random.uniform(0.1, 0.5))
        await asyncio.sleep(rest)

    def _take(self, dispatch: Dispatch, records: Sequence[Record]) -> None:
        for record in records:
            assignment = self._assignments.get(record.source)
            if assignment is None or not assignment.open:
                continue  # its next owner reads it
            if assignment.lookup is not None:
                assignment.early.append(record)
            else:
                dispatch.take(assignment, record)

    def _apply_pauses(self, subscription: Subscription, dispatch: Dispatch) -> None:
        assigned = self._assignments.keys()
        to_pause = {source for source in assigned if self._should_pause(dispatch, source)}
        # After a rebalance some brokers have forgotten the pauses and others keep them, so both are stated again.
        stop = to_pause if self._pauses_unknown else to_pause - self._paused
        go = assigned - to_pause if self._pauses_unknown else (self._paused - to_pause) & assigned
        if stop:
            subscription.pause(stop)
        if go:
            subscription.resume(go)
        self._paused, self._pauses_unknown = to_pause, False

    def _should_pause(self, dispatch: Dispatch, source: TopicPartition) -> bool:
        # Resuming refetches on some brokers, so a paused partition waits for ample room, not for one free place.
        share = 0.8 if source in self._paused else 1.0
        assignment = self._assignments[source]
        return (
            self._is_suspended()
            or assignment.lookup is not None
            or dispatch.memory_usage.is_full(self.limits, share / PRESSED if self._low_on_memory() else share)
            or assignment.offsets.span >= share * self.limits.span
        )

    # ── suspension ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_suspended(self) -> bool:
        """Once found suspended, this stays true until ``_resume``."""
        self._was_suspended = self._was_suspended or self._suspended()
        return self._was_suspended

    def _resume(self, dispatch: Dispatch) -> None:
        """The store may have been rebuilt with parked records that no lane knows: look them up, as on assignment."""
        self._was_suspended = False
        for assignment in self._assignments.values():
            if assignment.open:
                self._look_up(assignment, dispatch)

    def _look_up(self, assignment: Assignment, dispatch: Dispatch) -> None:
        """Start nothing of the partition until its parked records are known. An earlier look-up does not count."""
        if assignment.lookup is not None:
            assignment.lookup.cancel()
        if self._overflow is not None:
            assignment.lookup = dispatch.spawn(self._adopt_parked(assignment, dispatch, self._overflow))

    # ── rebalance ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """New partitions stay paused until their parked conversations are known, because later records must join
        them."""
        if self._dispatch is None or self._overflow is None or self._stopping.is_set():
            return
        # Lost without a callback, or by an interrupted revocation: too late to commit.
        await self._forget([s for s, held in self._assignments.items() if s not in partitions or not held.open])
        for source in partitions - self._assignments.keys():
            assignment = self._assignments[source] = Assignment(source)
            self._look_up(assignment, self._dispatch)
        self._pauses_unknown = True
        if self._subscription is not None:
            self._apply_pauses(self._subscription, self._dispatch)

    async def _adopt_parked(self, assignment: Assignment, dispatch: Dispatch, overflow: Overflow) -> None:
        waiting = await overflow.adopt(assignment)
        if waiting is None or not assignment.open or not await self._load_suspects(assignment):
            return
        for conversation, until in waiting.items():
            dispatch.adopt(assignment, conversation, until)
        assignment.lookup = None
        early, assignment.early = assignment.early, []
        self._take(dispatch, early)

    async def _load_suspects(self, assignment: Assignment) -> bool:
        """Load the partition's suspect records, until the store answers; False when the partition goes first."""
        if (watch := self._poison_watch) is None:
            return True

        async def load() -> bool:
            await watch.load(assignment.source)
            return True

        known = await retry_until_success(assignment.revoking, load, "suspects_unknown", topic=assignment.source.topic)
        return bool(known) and assignment.open

    async def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Drain (running handlers may finish, nothing new starts), commit, then fence what is left."""
        leaving = [self._assignments[source] for source in partitions & self._assignments.keys()]
        for assignment in leaving:
            assignment.revoking.set()
        try:
            if running := set().union(*(assignment.tasks for assignment in leaving)):
                _, late = await asyncio.wait(running, timeout=self.limits.drain)
                if late:
                    log.warning("drain_overrun", group=self._group, lanes=len(late))
            await self._commit(leaving)
        finally:
            await self._forget(partitions)

    async def _forget(self, partitions: Iterable[TopicPartition]) -> None:
        gone = [assignment for source in list(partitions) if (assignment := self._assignments.pop(source, None))]
        tasks: set[asyncio.Task[None]] = set()
        for assignment in gone:
            assignment.gone = True
            assignment.revoking.set()
            tasks |= assignment.tasks | ({assignment.lookup} if assignment.lookup else set())
        if self._dispatch is not None:
            self._dispatch.forget(gone)
        for task in tasks:
            task.cancel()
        if tasks:
            _, deaf = await asyncio.wait(tasks, timeout=_UNWIND_S)
            if deaf:
                log.error("handlers_ignore_cancellation", group=self._group, lanes=len(deaf))

    async def _commit(self, assignments: Sequence[Assignment]) -> None:
        due = {
            a.source: offset for a in assignments if not a.gone and (offset := a.offsets.offset_to_commit()) is not None
        }
        if not due or self._subscription is None:
            return
        try:
            await self._subscription.commit(due)
        except (Fenced, BusUnavailable) as error:
            # The records are read again and recognized by their ids, so a missing commit loses nothing.
            log.warning("commit_failed", group=self._group, reason=str(error))
            return
        for assignment in assignments:
            if (offset := due.get(assignment.source)) is not None:
                assignment.offsets.mark_committed(offset)
