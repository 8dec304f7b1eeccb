"""Lanes: one consumer, thousands of conversations at once, each strictly in order (design §1, §6).

One loop polls and never waits for a handler. Every record goes to its conversation's lane; a lane's handler gets all
that waits. Offsets are committed up to the first unfinished record. What would break the bounds of memory (one
conversation that floods, one tenant that floods) is *parked*: moved to the ordered list in the state store, so that
the offset can move on and nobody else waits. On a rebalance: drain first, fence second.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from infra.bus.budget import Budget
from infra.bus.lane import Lane, LaneBatch
from infra.bus.overflow import Overflow
from infra.bus.prefix import Prefix
from infra.bus.retrying import Outcome, attempt, interrupted
from infra.bus.turnstile import Turnstile
from schemas.errors import BusUnavailable, Fenced, ParleyError
from schemas.ports import Bus, Clock, GiveUp, LaneHandler, Parking, Record, Subscription, TopicPartition

log = structlog.get_logger("parley.lanes")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one consumer may hold. Counts are records, ``bytes_held`` is bytes, times are seconds."""

    held: int = 20_000
    bytes_held: int = 64 * 1024 * 1024
    held_per_tenant: int = 10_000
    held_per_lane: int = 50
    span: int = 20_000
    running: int = 6_000
    running_per_tenant: int = 5_000
    drain: float = 30.0
    commit_every: float = 0.5
    attempts: int = 5
    poll: float = 0.1


class Lanes:
    """Runs one member of a consumer group. ``closed`` tells when nothing may be started (state is being rebuilt);
    ``tenant_limit`` how many turns of a tenant may run at once."""

    def __init__(
        self,
        bus: Bus,
        parking: Parking,
        *,
        bounds: Bounds | None = None,
        clock: Clock = lambda: datetime.now(UTC),
        closed: Callable[[], bool] = lambda: False,
        tenant_limit: Callable[[str], int] | None = None,
    ) -> None:
        self._bus = bus
        self._parking = parking
        self.bounds = bounds or Bounds()
        self._clock = clock
        self._closed = closed
        limit_of = tenant_limit or (lambda _tenant: self.bounds.running_per_tenant)
        self._turnstile: Turnstile[Lane] = Turnstile(self.bounds.running, limit_of, self._start)
        self._budget = Budget()
        self._lanes: dict[tuple[TopicPartition, str], Lane] = {}
        self._prefixes: dict[TopicPartition, Prefix] = {}
        self._adopting: dict[TopicPartition, asyncio.Task[None]] = {}
        self._paused: set[TopicPartition] = set()
        self._closing: set[TopicPartition] = set()
        self._was_closed = False
        self._background: set[asyncio.Task[None]] = set()
        self._committed_at = 0.0
        self._subscription: Subscription | None = None
        self._stopping = asyncio.Event()

    # ── the outside ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(
        self, topics: Sequence[str], group: str, handler: LaneHandler, give_up: GiveUp, *, member: str = ""
    ) -> None:
        """Consume until ``stop``. One run per Lanes object."""
        self._group, self._handler, self._give_up = group, handler, give_up
        self._overflow = Overflow(self._parking, group, self._clock, self.bounds.held_per_lane)
        subscription = self._subscription = await self._bus.subscribe(topics, group, self, member=member)
        try:
            while not self._stopping.is_set():
                await self._pump(subscription)
            await self.revoked(frozenset(self._prefixes))
        finally:
            await self._forget(frozenset(self._prefixes))
            await subscription.close()
            for task in self._background:
                task.cancel()

    def stop(self) -> None:
        """Drain, commit and leave: ``run`` returns within the drain budget."""
        self._stopping.set()

    @property
    def load(self) -> float:
        """0–1: the gauge that scaling goes by."""
        return max(self._turnstile.load, min(1.0, self._budget.held / self.bounds.held))

    @property
    def oldest_waiting(self) -> float:
        """Seconds that the longest-waiting ready conversation has waited for a slot."""
        return self._turnstile.oldest()

    @property
    def held(self) -> int:
        """Records taken in and not finished."""
        return self._budget.held

    @property
    def running(self) -> int:
        return self._turnstile.running

    def wake(self, conversation: str) -> None:
        """What a parked conversation waited for is there: go on with it now."""
        for lane in self._lanes.values():
            if lane.conversation == conversation and lane.overflow:
                lane.until = None
                self._ready(lane)

    # ── the pump ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _pump(self, subscription: Subscription) -> None:
        self._apply_pauses(subscription)
        self._reopen()
        room = min(500, max(1, self.bounds.held - self._budget.held))
        try:
            for record in await subscription.poll(max_records=room, timeout=self.bounds.poll):
                self._take(record)
            if time.monotonic() - self._committed_at >= self.bounds.commit_every:
                await self._commit(frozenset(self._prefixes))
        except BusUnavailable as error:
            log.warning("bus_unavailable", group=self._group, reason=str(error))
            await asyncio.sleep(random.uniform(0.1, 0.5))

    def _apply_pauses(self, subscription: Subscription) -> None:
        want = {source for source in self._prefixes if self._should_pause(source)}
        if stop := want - self._paused:
            subscription.pause(stop)
        if go := (self._paused - want) & self._prefixes.keys():
            subscription.resume(go)
        self._paused = want

    def _should_pause(self, source: TopicPartition) -> bool:
        # Resuming refetches on some brokers, so a paused partition waits for clear room, not for one free place.
        share = 0.8 if source in self._paused else 1.0
        return (
            self._closed()
            or source in self._adopting
            or self._budget.held >= share * self.bounds.held
            or self._budget.bytes_held >= share * self.bounds.bytes_held
            or self._prefixes[source].span >= share * self.bounds.span
        )

    def _reopen(self) -> None:
        closed = self._closed()
        if self._was_closed and not closed:
            for lane in list(self._lanes.values()):
                self._rest(lane)
        self._was_closed = closed

    def _take(self, record: Record) -> None:
        prefix = self._prefixes.get(record.source)
        if prefix is None or record.source in self._closing:
            return
        prefix.add(record.offset)
        lane = self._lane(record.source, record.key, record.headers.get("ce_tenant", ""))
        self._budget.take(record, lane.tenant)
        crowded = len(lane.queue) >= self.bounds.held_per_lane
        # A record that slipped in before its partition's parked conversations are known joins them: order is by offset.
        lane.overflow = lane.overflow or record.source in self._adopting
        if lane.overflow or crowded or self._budget.of_tenant(lane.tenant) > self.bounds.held_per_tenant:
            self._spill(lane, record, prefix)
            return
        lane.queue.append(record)
        lane.arrived.set()
        self._ready(lane)

    def _lane(self, source: TopicPartition, conversation: str, tenant: str) -> Lane:
        lane = self._lanes.get((source, conversation))
        if lane is None:
            lane = self._lanes[source, conversation] = Lane(source, conversation, tenant)
        return lane

    def _spill(self, lane: Lane, record: Record, prefix: Prefix) -> None:
        lane.overflow = True
        lane.spilling.append(record)
        if len(lane.spilling) == 1:
            self._spawn(self._flush(lane, prefix))

    async def _flush(self, lane: Lane, prefix: Prefix) -> None:
        await self._overflow.flush(lane, lambda records: self._finish(lane, prefix, records))
        self._rest(lane)

    # ── running a lane ───────────────────────────────────────────────────────────────────────────────────────────────

    def _ready(self, lane: Lane) -> None:
        busy = lane.task is not None or lane.waiting
        if not busy and lane.source in self._prefixes and lane.source not in self._closing and not self._closed():
            lane.waiting = True
            self._turnstile.enter(lane.tenant, lane)

    def _start(self, lane: Lane) -> None:
        lane.waiting = False
        lane.task = asyncio.create_task(self._work(lane), name=f"lane {lane.conversation}")

    async def _work(self, lane: Lane) -> None:
        try:
            while lane.source not in self._closing and not self._closed() and (batch := await self._next_batch(lane)):
                await self._handle(lane, batch)
        except asyncio.CancelledError:
            pass  # fenced: another member owns the conversation now, and its records are read again there
        except ParleyError as error:
            # Parking could not be read or written; nothing was marked done, so it is all tried again.
            log.warning("lane_interrupted", conversation_id=lane.conversation, code=error.code, reason=str(error))
            await interrupted(lane.hurry, random.uniform(0.2, 1.0))
        finally:
            lane.task = None
            self._turnstile.leave(lane.tenant)
            self._rest(lane)

    def _rest(self, lane: Lane) -> None:
        """Nothing runs in the lane now: go on if something is due, else forget it."""
        if lane.queue or (self._overflow.due(lane) and not lane.spilling):
            self._ready(lane)
        elif lane.idle and self._lanes.get((lane.source, lane.conversation)) is lane:
            del self._lanes[lane.source, lane.conversation]

    async def _next_batch(self, lane: Lane) -> LaneBatch | None:
        lane.arrived.clear()
        if lane.queue:
            records = list(lane.queue)
            lane.queue.clear()
            return LaneBatch(lane, records, [])
        return await self._overflow.next_batch(lane)

    async def _handle(self, lane: Lane, batch: LaneBatch) -> None:
        prefix = self._prefixes[lane.source]
        outcome = await attempt(self._handler, self._give_up, batch, self.bounds.attempts)
        if outcome is Outcome.INTERRUPTED:
            return
        try:
            if isinstance(outcome, datetime):
                await self._overflow.park(lane, batch, outcome)
                self._later(lane, outcome)
            elif batch.parked:
                await self._overflow.unpark(lane, batch)
        except ParleyError:
            lane.queue.extendleft(reversed(batch.records[len(batch.parked) :]))
            raise
        self._finish(lane, prefix, batch.records[len(batch.parked) :])

    def _finish(self, lane: Lane, prefix: Prefix, records: Sequence[Record]) -> bool:
        if self._prefixes.get(lane.source) is not prefix:
            return False
        for record in records:
            prefix.done(record.offset)
            self._budget.release(record, lane.tenant)
        return True

    def _later(self, lane: Lane, until: datetime) -> None:
        async def wait() -> None:
            await asyncio.sleep(self._overflow.delay(until))
            self._rest(lane)

        self._spawn(wait())

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    # ── rebalance ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """New partitions stay paused until their parked conversations are known: later records must join them."""
        self._paused = set()
        for source in partitions - self._prefixes.keys():
            self._prefixes[source] = Prefix()
            self._adopting[source] = self._spawn(self._adopt(source))
        if self._subscription is not None:
            self._apply_pauses(self._subscription)

    async def _adopt(self, source: TopicPartition) -> None:
        for conversation, until in (await self._overflow.adopt(source)).items():
            lane = self._lane(source, conversation, "")
            lane.overflow, lane.until = True, until
            self._later(lane, until)
        self._adopting.pop(source, None)

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Drain (running handlers may finish, nothing new starts), commit, then fence what is left."""
        self._closing |= partitions
        lanes = [lane for lane in self._lanes.values() if lane.source in partitions]
        for lane in lanes:
            lane.hurry.set()
        if tasks := [lane.task for lane in lanes if lane.task is not None]:
            _, late = await asyncio.wait(tasks, timeout=self.bounds.drain)
            if late:
                log.warning("drain_overrun", group=self._group, lanes=len(late))
        await self._commit(partitions)
        await self._forget(partitions)

    async def _forget(self, partitions: frozenset[TopicPartition]) -> None:
        for source in partitions:
            self._prefixes.pop(source, None)
            self._budget.drop(source)
            if adopting := self._adopting.pop(source, None):
                adopting.cancel()
        gone = [lane for lane in self._lanes.values() if lane.source in partitions]
        late = [lane.task for lane in gone if lane.task is not None]
        for lane in gone:
            self._lanes.pop((lane.source, lane.conversation), None)
            lane.queue.clear()
            lane.spilling.clear()
            lane.overflow = False
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self._paused -= partitions
        self._closing -= partitions

    async def _commit(self, partitions: frozenset[TopicPartition]) -> None:
        self._committed_at = time.monotonic()
        prefixes = {source: prefix for source in partitions if (prefix := self._prefixes.get(source))}
        due = {source: offset for source, prefix in prefixes.items() if (offset := prefix.due()) is not None}
        if not due or self._subscription is None:
            return
        try:
            await self._subscription.commit(due)
        except (Fenced, BusUnavailable) as error:
            # The records are read again and recognised by their ids; nothing is lost by not committing.
            log.warning("commit_failed", group=self._group, reason=str(error))
            return
        for source, offset in due.items():
            prefixes[source].committed(offset)
