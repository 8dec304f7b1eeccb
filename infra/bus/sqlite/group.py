"""A consumer group inside the one process: which member owns which partition, and how that changes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine, Mapping, Sequence, Set
from functools import partial

import structlog

from infra.bus.sqlite import tables
from infra.bus.sqlite.catalog import Catalog
from infra.bus.sqlite.member import Member
from infra.database import Database, DatabaseFailed
from schemas.errors import BusUnavailable
from schemas.ports import TopicPartition

log = structlog.get_logger(__name__)

Owned = frozenset[TopicPartition]
RETRY_S = 0.25


class Group:
    """Drain first, fence second: a partition's old owner finishes and commits inside ``on_revoked``; then its commits
    are refused; only then does the new owner start, from the committed offset. Partitions that stay with their owner go
    on being read meanwhile."""

    def __init__(self, name: str, prefix: str, catalog: Catalog, database: Database, drain_budget: float) -> None:
        self.name = name
        self._prefix = prefix
        self._catalog = catalog
        self._database = database
        self._drain_budget = drain_budget
        self._members: dict[str, Member] = {}
        self._last_partitions: dict[str, set[TopicPartition]] = {}
        self._nameless = 0
        self._changed = False
        self._task: asyncio.Task[None] | None = None

    @property
    def topics(self) -> frozenset[str]:
        """The topics that its members read; empty while there are none."""
        return frozenset(topic for member in self._members.values() for topic in member.topics)

    # ── membership ───────────────────────────────────────────────────────────────────────────────────────────────────

    def join(self, member: Member) -> None:
        """A second member of the same name replaces the first, as a restarted process does."""
        key = member.name
        if not key:
            self._nameless += 1
            key = f" {self._nameless}"  # never a member's name: those come from host names
        elif previous := self._members.pop(key, None):
            log.warning("group.member_replaced", group=self.name, member=key)
            self._last_partitions[key] = set(previous.owned)
            previous.evict()
        self._members[key] = member
        self._rebalance_soon()

    async def leave(self, member: Member) -> None:
        if not member.left.is_set():
            member.leaving = True
            self._rebalance_soon()
        await member.left.wait()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for member in self._members.values():
            member.evict()
        self._members.clear()

    # ── offsets ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def store(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Not durable by itself: the file's write order keeps an offset from surviving the records it stands for."""
        rows = [(self._prefix + name.topic, name.partition, offset) for name, offset in offsets.items()]
        try:
            await self._database.write(partial(_store, self._prefix + self.name, rows), durable=False)
        except DatabaseFailed as error:
            raise BusUnavailable(error.message) from error

    def read_committed(self, connection: sqlite3.Connection) -> dict[TopicPartition, int]:
        return tables.read_offsets(connection, self._prefix + self.name, self._prefix)

    async def _read_committed_offsets(self) -> dict[TopicPartition, int]:
        """Read by the writer, hence after every commit that was requested before."""
        while True:
            try:
                return await self._database.write(self.read_committed, durable=False)
            except DatabaseFailed as error:
                log.warning("group.offsets_unavailable", group=self.name, reason=error.message)
                await asyncio.sleep(RETRY_S)

    # ── rebalance ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _rebalance_soon(self) -> None:
        self._changed = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._rebalance(), name=f"rebalance {self.name}")

    async def _rebalance(self) -> None:
        while self._changed:
            self._changed = False
            target = self._target()
            lost = await self._revoke(target)
            self._release_leavers()
            await self._assign(target, lost)

    def _target(self) -> dict[str, set[TopicPartition]]:
        staying = {key: member.topics for key, member in self._members.items() if not member.leaving}
        counts = {topic: len(self._catalog.topic(topic).partitions) for topics in staying.values() for topic in topics}
        returning = {
            key: self._last_partitions[key]
            for key in staying
            if key in self._last_partitions and not self._members[key].joined
        }
        holding = {key: self._members[key].owned.keys() for key in staying}
        return assign(counts, staying, [returning, holding])

    async def _revoke(self, target: Mapping[str, set[TopicPartition]]) -> set[str]:
        """Take away partitions that go elsewhere. Returns the members that lost some."""
        calls = {}
        for key, member in self._members.items():
            lost = frozenset(member.owned.keys() - target.get(key, set()))
            if member.leaving and member.name:
                self._last_partitions[key] = set(member.owned)
            if lost:
                member.withdraw(lost)
                calls[key] = self._drain(member, lost)
        await asyncio.gather(*calls.values())
        return set(calls)

    async def _drain(self, member: Member, lost: Owned) -> None:
        await self._call("revoked", member, member.listener.on_revoked(lost))
        member.drop(lost & member.owned.keys())

    def _release_leavers(self) -> None:
        for key, member in list(self._members.items()):
            if member.leaving and not member.owned:
                del self._members[key]
                member.left.set()

    async def _assign(self, target: Mapping[str, set[TopicPartition]], lost: set[str]) -> None:
        """Tell each member whose share changed its whole new share; nothing happens to the others."""
        changed = {
            key: member
            for key, member in self._members.items()
            if key in target and (key in lost or not member.joined or target[key] != member.owned.keys())
        }
        if not changed:
            return
        committed = await self._read_committed_offsets()
        calls = []
        for key, member in changed.items():
            if member.evicted:
                continue
            member.set_assigning(True)
            for name in sorted(target[key] - member.owned.keys()):
                partition = self._catalog.partition(name)
                member.take(partition, committed.get(name, partition.start))
            calls.append(self._notify_assigned(member))
        await asyncio.gather(*calls)

    async def _notify_assigned(self, member: Member) -> None:
        member.joined = True
        await self._call("assigned", member, member.listener.on_assigned(frozenset(member.owned)))
        member.set_assigning(False)

    async def _call(self, callback: str, member: Member, call: Coroutine[object, object, None]) -> None:
        """A listener that fails or exceeds the drain budget does not hold up the group."""
        try:
            async with asyncio.timeout(self._drain_budget):
                await call
        except TimeoutError:
            log.error("group.listener_overran", group=self.name, call=callback, member=member.name)
        except Exception as error:
            log.error("group.listener_failed", group=self.name, call=callback, member=member.name, exc_info=error)


def _store(group: str, rows: list[tuple[str, int, int]], connection: sqlite3.Connection) -> None:
    tables.store_offsets(connection, group, rows)


# Assign partitions evenly to the members of a group, moving as few as possible.
def assign(
    partitions: Mapping[str, int],
    members: Mapping[str, Sequence[str]],
    preferred: Sequence[Mapping[str, Set[TopicPartition]]],
) -> dict[str, set[TopicPartition]]:
    """Partitions by member. ``partitions`` counts them by topic, ``members`` lists each member's topics. ``preferred``
    lists claims, the strongest first: a static member's earlier partitions, then the present ones. A member keeps what
    it claims as far as its fair share goes."""
    assigned: dict[str, set[TopicPartition]] = {member: set() for member in members}
    for topic in sorted(partitions):
        subscribers = [member for member in members if topic in members[member]]
        if subscribers:
            _spread(topic, partitions[topic], subscribers, preferred, assigned)
    return assigned


def _spread(
    topic: str,
    count: int,
    subscribers: list[str],
    preferred: Sequence[Mapping[str, Set[TopicPartition]]],
    assigned: dict[str, set[TopicPartition]],
) -> None:
    free = {TopicPartition(topic, number) for number in range(count)}
    share, spare = divmod(count, len(subscribers))
    counts = dict.fromkeys(subscribers, 0)

    def take(member: str, partition: TopicPartition) -> None:
        nonlocal spare
        if counts[member] == share:
            spare -= 1
        counts[member] += 1
        assigned[member].add(partition)
        free.remove(partition)

    def has_room(member: str) -> bool:
        return counts[member] < share or (counts[member] == share and spare > 0)

    for claims in preferred:
        for member in subscribers:
            for partition in sorted(claims.get(member, frozenset()) & free):
                if has_room(member):
                    take(member, partition)
    for partition in sorted(free):
        # The member with the fewest partitions over all topics goes first, so that spare ones do not pile up on one
        # member.
        take(
            min(filter(has_room, subscribers), key=lambda member: (counts[member] > share, len(assigned[member]))),
            partition,
        )
