"""Lanes: one consumer, thousands of conversations at once, each strictly in order (design §1, §6).

One loop polls and never waits for a handler. Every record goes to its conversation's lane; a lane's handler gets all
that waits. Offsets are committed up to the first unfinished record. What would break the bounds of memory (one
conversation that floods, one tenant that floods) or hold back the commit for long is *parked*: moved to the ordered
list in the state store, so that the offset can move on and nobody else waits. On a rebalance: drain first, fence
second.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import structlog

from infra.bus.assignment import Assignment
from infra.bus.budget import Bounds
from infra.bus.dispatch import Dispatch
from infra.bus.overflow import Overflow
from infra.bus.poison_watch import Watch
from infra.bus.retrying import patiently
from schemas.errors import BusUnavailable, Fenced
from schemas.ports import Bus, Clock, GiveUp, LaneHandler, Parking, Record, Subscription, TopicPartition

__all__ = ["Bounds", "Lanes"]

log = structlog.get_logger("parley.lanes")

_UNWIND_S = 5.0
"""How long a cancelled handler may take to end before the partition is given away all the same."""
PRESSED = 20
"""This part of the room is enough for the few that go on while the process has more to do than it can."""


class Lanes:
    """Runs one member of a consumer group. ``closed`` tells when nothing may be started (state is being rebuilt);
    when it opens again, parked records are looked up anew. ``pressed`` tells when what comes had better wait on the
    log. ``tenant_limit`` tells how many turns of a tenant may run at once. ``watch``: what is done about records that
    stall or kill the process."""

    def __init__(
        self,
        bus: Bus,
        parking: Parking,
        *,
        bounds: Bounds | None = None,
        clock: Clock = lambda: datetime.now(UTC),
        closed: Callable[[], bool] = lambda: False,
        pressed: Callable[[], bool] = lambda: False,
        tenant_limit: Callable[[str], int] | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._watch = watch
        self._bus = bus
        self._parking = parking
        self.bounds = bounds or Bounds()
        self._clock = clock
        self._gate = closed
        self._pressed = pressed
        self._shut = False
        """The gate was closed, and what was parked meanwhile is not known yet."""
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

    # ── the outside ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(
        self, topics: Sequence[str], group: str, handler: LaneHandler, give_up: GiveUp, *, member: str = ""
    ) -> None:
        """Consume until ``stop``. One run per Lanes object. Cancelling it abandons what runs: it is read again.

        A conversation's records must be on one of the topics only, for only there do they have an order. Raises Fenced
        when another member took this one's name.
        """
        self._group = group
        self._overflow = Overflow(self._parking, group, self._clock)
        if self._watch is not None:
            handler, give_up = self._watch.watched(handler), self._watch.telling(give_up)
        dispatch = self._dispatch = Dispatch(
            self.bounds,
            self._overflow,
            handler,
            give_up,
            clock=self._clock,
            closed=self._closed,
            tenant_limit=self._tenant_limit,
        )
        subscription = self._subscription = await self._bus.subscribe(topics, group, self, member=member)
        try:
            while not self._stopping.is_set():
                await self._pump(subscription, dispatch)
            if self._committing is not None:
                await asyncio.wait({self._committing})  # an older offset must not come behind the last ones
            await self.revoked(frozenset(self._assignments))
        finally:
            self._stopping.set()
            if self._committing is not None:
                self._committing.cancel()
            await self._forget(self._assignments.keys())
            await subscription.close()

    def stop(self) -> None:
        """Drain, commit and leave: ``run`` returns within the drain budget."""
        self._stopping.set()

    @property
    def load(self) -> float:
        """0–1: the gauge that scaling goes by."""
        if self._dispatch is None:
            return 0.0
        return max(self._dispatch.turnstile.load, min(1.0, self._dispatch.budget.held / self.bounds.held))

    @property
    def oldest_waiting(self) -> float:
        """Age in seconds of the oldest record in memory that is not finished; what is parked is not counted."""
        lanes = (lane for assignment in self._assignments.values() for lane in assignment.lanes.values())
        first = min((record.timestamp_ms for lane in lanes if (record := lane.first)), default=None)
        return 0.0 if first is None else max(0.0, self._clock().timestamp() - first / 1000)

    @property
    def held(self) -> int:
        """Records in memory that are not finished."""
        return self._dispatch.budget.held if self._dispatch else 0

    @property
    def running(self) -> int:
        """Conversations being handled now."""
        return self._dispatch.turnstile.running if self._dispatch else 0

    def wake(self, conversation: str) -> None:
        """What a parked conversation waited for is there: go on with it now. Does nothing when it is not here."""
        for assignment in self._assignments.values():
            lane = assignment.lanes.get(conversation)
            if lane is not None and self._dispatch is not None:
                self._dispatch.wake(lane)

    # ── the pump ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _pump(self, subscription: Subscription, dispatch: Dispatch) -> None:
        if dispatch.failure is not None:
            raise dispatch.failure
        if self._closed() and not self._gate():
            self._reopen(dispatch)
        self._apply_pauses(subscription, dispatch)
        dispatch.tick()
        rest = 0.0  # even then: a poll that finds records at once must not keep the lanes from running
        try:
            room = dispatch.budget.room(self.bounds)
            records = await subscription.poll(max_records=room, timeout=self.bounds.poll)
            self._take(dispatch, records)
            rest = self.bounds.rest if len(records) >= self.bounds.polled else 0.0
            if asyncio.get_running_loop().time() - self._committed_at >= self.bounds.commit_every:
                self._committed_at = asyncio.get_running_loop().time()
                for assignment in self._assignments.values():
                    dispatch.relieve(assignment)
                if self._committing is None or self._committing.done():
                    # Beside the polling: what comes meanwhile need not wait for the broker's word.
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
            if assignment.adopting is not None:
                assignment.early.append(record)
            else:
                dispatch.take(assignment, record)

    def _apply_pauses(self, subscription: Subscription, dispatch: Dispatch) -> None:
        ours = self._assignments.keys()
        want = {source for source in ours if self._should_pause(dispatch, source)}
        # After a rebalance some brokers have forgotten the pauses and others keep them: say both.
        stop = want if self._pauses_unknown else want - self._paused
        go = ours - want if self._pauses_unknown else (self._paused - want) & ours
        if stop:
            subscription.pause(stop)
        if go:
            subscription.resume(go)
        self._paused, self._pauses_unknown = want, False

    def _should_pause(self, dispatch: Dispatch, source: TopicPartition) -> bool:
        # Resuming refetches on some brokers, so a paused partition waits for clear room, not for one free place.
        share = 0.8 if source in self._paused else 1.0
        assignment = self._assignments[source]
        return (
            self._closed()
            or assignment.adopting is not None
            or dispatch.budget.full(self.bounds, share / PRESSED if self._pressed() else share)
            or assignment.prefix.span >= share * self.bounds.span
        )

    # ── the gate ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _closed(self) -> bool:
        """Once the gate was seen closed it counts as closed until ``_reopen``, whoever looks first."""
        self._shut = self._shut or self._gate()
        return self._shut

    def _reopen(self, dispatch: Dispatch) -> None:
        """The store may have been rebuilt, with parked records that no lane knows: look again, as on assignment."""
        self._shut = False
        for assignment in self._assignments.values():
            if assignment.open:
                self._look_up(assignment, dispatch)

    def _look_up(self, assignment: Assignment, dispatch: Dispatch) -> None:
        """Until it is done nothing of the partition is started. An earlier look, perhaps of before, does not count."""
        if assignment.adopting is not None:
            assignment.adopting.cancel()
        if self._overflow is not None:
            assignment.adopting = dispatch.spawn(self._adopt(assignment, dispatch, self._overflow))

    # ── rebalance ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """New partitions stay paused until their parked conversations are known: later records must join them."""
        if self._dispatch is None or self._overflow is None or self._stopping.is_set():
            return
        # Lost without a word, or by a revocation that was cut short: too late to commit.
        await self._forget([s for s, held in self._assignments.items() if s not in partitions or not held.open])
        for source in partitions - self._assignments.keys():
            assignment = self._assignments[source] = Assignment(source)
            self._look_up(assignment, self._dispatch)
        self._pauses_unknown = True
        if self._subscription is not None:
            self._apply_pauses(self._subscription, self._dispatch)

    async def _adopt(self, assignment: Assignment, dispatch: Dispatch, overflow: Overflow) -> None:
        waiting = await overflow.adopt(assignment)
        if waiting is None or not assignment.open or not await self._know_suspects(assignment):
            return
        for conversation, until in waiting.items():
            dispatch.adopt(assignment, conversation, until)
        assignment.adopting = None
        early, assignment.early = assignment.early, []
        self._take(dispatch, early)

    async def _know_suspects(self, assignment: Assignment) -> bool:
        """Asks until the store answers; False when the partition goes first."""
        if (watch := self._watch) is None:
            return True

        async def load() -> bool:
            await watch.load(assignment.source)
            return True

        known = await patiently(assignment.hurry, load, "suspects_unknown", topic=assignment.source.topic)
        return bool(known) and assignment.open

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Drain (running handlers may finish, nothing new starts), commit, then fence what is left."""
        leaving = [self._assignments[source] for source in partitions & self._assignments.keys()]
        for assignment in leaving:
            assignment.hurry.set()
        try:
            if running := set().union(*(assignment.tasks for assignment in leaving)):
                _, late = await asyncio.wait(running, timeout=self.bounds.drain)
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
            assignment.hurry.set()
            tasks |= assignment.tasks | ({assignment.adopting} if assignment.adopting else set())
        if self._dispatch is not None:
            self._dispatch.forget(gone)
        for task in tasks:
            task.cancel()
        if tasks:
            _, deaf = await asyncio.wait(tasks, timeout=_UNWIND_S)
            if deaf:
                log.error("handlers_ignore_cancellation", group=self._group, lanes=len(deaf))

    async def _commit(self, assignments: Sequence[Assignment]) -> None:
        due = {a.source: offset for a in assignments if not a.gone and (offset := a.prefix.due()) is not None}
        if not due or self._subscription is None:
            return
        try:
            await self._subscription.commit(due)
        except (Fenced, BusUnavailable) as error:
            # The records are read again and recognised by their ids; nothing is lost by not committing.
            log.warning("commit_failed", group=self._group, reason=str(error))
            return
        for assignment in assignments:
            if (offset := due.get(assignment.source)) is not None:
                assignment.prefix.committed(offset)
