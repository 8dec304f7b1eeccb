"""A small broker and store in memory, which fail, stall and rebalance as told, and watch every promise of the lanes."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from infra.bus.lanes import Lanes
from schemas.errors import BusUnavailable, Fenced, StateUnavailable
from schemas.ports import Batch, Bus, RebalanceListener, Record, TopicPartition
from tests.unit.lanes.virtual_time import now

TOPIC = "parley.inbound.web"
Spot = tuple[int, int]


def source(partition: int) -> TopicPartition:
    return TopicPartition(TOPIC, partition)


@dataclass
class LaneSimulation:
    """The truth: the log, the committed offsets, the parked records, and what has been handled."""

    dice: random.Random
    partitions: int = 3
    trouble: float = 0.0
    pauses_survive: bool = False
    leaky: bool = False
    """Some records of a new partition are handed out in spite of its being paused."""
    suspended: bool = False
    log: dict[int, list[Record]] = field(default_factory=lambda: defaultdict(list))
    committed: dict[int, int] = field(default_factory=dict)
    parked: dict[str, dict[int, Record]] = field(default_factory=lambda: defaultdict(dict))
    until: dict[str, datetime] = field(default_factory=dict)
    woken: set[str] = field(default_factory=set)
    """These need not wait for the time they are parked until."""
    just_woken: set[str] = field(default_factory=set)
    """Woken since their batch was handed out, so that its being parked does not count."""
    seen: set[Spot] = field(default_factory=set)
    again: Counter[Spot] = field(default_factory=Counter)
    """How often a record may be handled once more: it was read again after a rebalance or a crash."""
    running: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)

    def append(self, key: str, *, tenant: str = "a", gap: int = 0) -> Record:
        partition = sum(key.encode()) % self.partitions
        log = self.log[partition]
        offset = (log[-1].offset + 1 if log else 0) + gap
        record = Record(TOPIC, partition, offset, key, 0, {"ce_tenant": tenant}, b"x")
        log.append(record)
        return record

    async def moment(self) -> None:
        """Servers take time, and order between them is not given."""
        await asyncio.sleep(self.dice.choice((0.0, 0.0, 0.002, 0.02)))

    # ── what is watched ──────────────────────────────────────────────────────────────────────────────────────────────

    def began(self, batch: Batch) -> None:
        key = batch.conversation
        if key in self.running:
            self.violations.append(f"{key}: two handlers at once")
        self.running.add(key)
        self.expect_in_order(batch.records)
        if batch.attempt == 1:
            if self.suspended:
                self.violations.append(f"{key}: started while suspended")
            if self.until.get(key, now()) > now() and key not in self.woken:
                self.violations.append(f"{key}: handled before its time")
            self.just_woken.discard(key)

    def wake(self, key: str) -> None:
        self.woken.add(key)
        self.just_woken.add(key)

    def parks(self, key: str) -> None:
        if key not in self.just_woken:
            self.woken.discard(key)

    def expect_in_order(self, records: Sequence[Record]) -> None:
        known: set[int] = set()
        for record in records:
            older = [one.offset for one in self.log[record.partition] if one.key == record.key]
            for offset in older:
                if offset < record.offset and (record.partition, offset) not in self.seen and offset not in known:
                    self.violations.append(f"{record.key}: {record.offset} before {offset}")
            known.add(record.offset)

    def handled(self, records: Sequence[Record]) -> None:
        for record in records:
            spot = record.partition, record.offset
            if spot in self.seen:
                self.again[spot] -= 1
                if self.again[spot] < 0:
                    self.violations.append(f"{record.key}: {record.offset} handled twice")
            self.seen.add(spot)

    def expect_safe(self, partition: int, offset: int) -> None:
        for record in self.log[partition]:
            spot = partition, record.offset
            if record.offset < offset and spot not in self.seen and record.offset not in self.parked[record.key]:
                self.violations.append(f"committed {offset} before {record.offset} was done")

    def allow_again(self, partition: int) -> None:
        for record in self.log[partition]:
            read_again = record.offset >= self.committed.get(partition, 0)
            still_parked = record.offset in self.parked[record.key]
            self.again[partition, record.offset] += read_again + still_parked

    def all_done(self) -> bool:
        ends = {partition: log[-1].offset + 1 for partition, log in self.log.items() if log}
        return not any(self.parked.values()) and all(self.committed.get(p, 0) == end for p, end in ends.items())


class SimulatedParking:
    """One member's connection to the store; a dead member's writes do not arrive."""

    def __init__(self, world: LaneSimulation) -> None:
        self._world = world
        self.dead = False

    async def _trouble(self) -> bool:
        """True when the answer will be lost although the work is done."""
        await self._world.moment()
        if self.dead or self._world.dice.random() < self._world.trouble:
            raise StateUnavailable("away")
        return self._world.dice.random() < self._world.trouble

    async def park(self, group: str, conversation: str, records: Sequence[Record], *, until: datetime) -> None:
        unclear = await self._trouble()
        for record in records:
            self._world.parked[conversation].setdefault(record.offset, record)
        self._world.until[conversation] = until
        if unclear:
            raise StateUnavailable("no answer")

    async def read(self, group: str, conversation: str, *, limit: int) -> list[Record]:
        await self._trouble()
        return [record for _, record in sorted(self._world.parked[conversation].items())][:limit]

    async def unpark(self, group: str, conversation: str, records: Sequence[Record]) -> int:
        unclear = await self._trouble()
        for record in records:
            self._world.parked[conversation].pop(record.offset, None)
        if not self._world.parked[conversation]:
            self._world.until.pop(conversation, None)
        if unclear:
            raise StateUnavailable("no answer")
        return len(self._world.parked[conversation])

    async def list_conversations(
        self, group: str, partitions: Iterable[TopicPartition]
    ) -> dict[str, tuple[TopicPartition, datetime]]:
        await self._trouble()
        wanted = set(partitions)
        return {
            key: (first.source, self._world.until[key])
            for key, records in self._world.parked.items()
            if records and (first := next(iter(records.values()))).source in wanted
        }


def _offset(record: Record) -> int:
    return record.offset


class SimulatedSubscription:
    def __init__(self, world: LaneSimulation, listener: RebalanceListener) -> None:
        self._world = world
        self.listener = listener
        self.positions: dict[int, int] = {}
        self.paused: set[TopicPartition] = set()
        self.leaks: set[int] = set()
        self.readable = True
        self.dead = False

    async def poll(self, *, max_records: int, timeout: float) -> list[Record]:
        deadline = asyncio.get_running_loop().time() + timeout
        while asyncio.get_running_loop().time() < deadline:
            if self._world.dice.random() < self._world.trouble:
                raise BusUnavailable("away")
            if self.readable and (found := self.next_records(max_records)):
                return found
            await asyncio.sleep(0.01)
        return []

    def next_records(self, most: int) -> list[Record]:
        found: list[Record] = []
        for partition in self._world.dice.sample(sorted(self.positions), len(self.positions)):
            if source(partition) in self.paused and partition not in self.leaks:
                continue
            self.leaks.discard(partition)
            log = self._world.log[partition]
            begin = bisect_left(log, self.positions[partition], key=_offset)
            more = log[begin : begin + most - len(found)]
            if more:
                self.positions[partition] = more[-1].offset + 1
                found += more
        return found

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        await self._world.moment()
        if self.dead or any(one.partition not in self.positions for one in offsets):
            raise Fenced("gone")
        if self._world.dice.random() < self._world.trouble:
            raise BusUnavailable("away")
        for one, offset in offsets.items():
            self._world.expect_safe(one.partition, offset)
            self._world.committed[one.partition] = offset

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self.paused |= set(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self.paused -= set(partitions)

    async def close(self) -> None:
        if not self.dead:
            await self.listener.on_revoked(frozenset(map(source, self.positions)))
        self.positions.clear()


class Group:
    """Moves partitions between members: everybody who loses something drains first, then the new owners start."""

    def __init__(self, world: LaneSimulation) -> None:
        self.world = world
        self.members: list[SimulatedSubscription] = []
        self._lock = asyncio.Lock()

    async def subscribe(self, topics: Sequence[str], group: str, listener: RebalanceListener, *, member: str) -> Any:
        subscription = SimulatedSubscription(self.world, listener)
        self.members.append(subscription)
        return subscription

    async def rebalance(self) -> None:
        async with self._lock:
            living = [member for member in self.members if not member.dead]
            target: dict[int, SimulatedSubscription] = {}
            if living:
                target = {partition: self.world.dice.choice(living) for partition in range(self.world.partitions)}
            await asyncio.gather(*(self._revoke(member, target) for member in living))
            await asyncio.gather(*(self._assign(member, target) for member in living))

    async def _revoke(self, member: SimulatedSubscription, target: Mapping[int, SimulatedSubscription]) -> None:
        lost = [partition for partition in member.positions if target.get(partition) is not member]
        if lost:
            member.readable = False
            await member.listener.on_revoked(frozenset(map(source, lost)))
        for partition in lost:
            member.positions.pop(partition, None)

    async def _assign(self, member: SimulatedSubscription, target: Mapping[int, SimulatedSubscription]) -> None:
        mine = {partition for partition, owner in target.items() if owner is member}
        for partition in mine - member.positions.keys():
            self.world.allow_again(partition)
            member.positions[partition] = self.world.committed.get(partition, 0)
            if self.world.leaky:
                member.leaks.add(partition)
        if not self.world.pauses_survive:
            member.paused.clear()
        await member.listener.on_assigned(frozenset(map(source, mine)))
        member.readable = True

    async def leave(self, member: SimulatedSubscription) -> None:
        self.members.remove(member)
        await self.rebalance()

    @property
    def bus(self) -> Bus:
        return cast(Bus, self)


@dataclass
class Worker:
    """One running Lanes with its own connections."""

    lanes: Lanes
    parking: SimulatedParking
    task: asyncio.Task[None]
    subscription: SimulatedSubscription
