"""Decide which records of the log a rebuild reads, and which still need handling, so that they can be parked again.

Lanes commit the offset of a record that they park: then only the state store knows that it waits. A record below the
committed offset without a trace of an answer on the log was parked.

Memory: a packed id of each event of the last days, by shard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel

from infra.bus.partitioner import shard_of
from infra.state import retention_rules, rules
from infra.state.replay_events import PROPOSED
from schemas import ids, topics
from schemas.conversation import DeadLetter, DeliveryOutcome, Snapshot, Turn
from schemas.desk import DeskCommand, DraftGenerated
from schemas.messages import OutboundMessage
from schemas.ports import Bus, LogPositions, Record, RetentionPeriods

_FOR_WORKERS = frozenset(
    {
        topics.MESSAGE_RECEIVED,
        topics.MESSAGE_EDITED,
        topics.MESSAGE_DELETED,
        topics.OWNER_REQUESTED,
        topics.ACTION_RESOLVED,
        topics.APPROVAL_DECIDED,
        topics.APPROVAL_EXPIRED,
        topics.DRAFT_REQUESTED,
        topics.HANDOFF_RESOLVED,
    }
)


_READ_LAST = 3
"""Snapshots of one key that a rebuild reads."""


class HandledRecords:
    """Collects all answers, sends and dead letters from the log, then decides about each record."""

    def __init__(self, shards: Iterable[int], now: datetime) -> None:
        self._now = now
        self._since = now - rules.HANDLED_HORIZON
        self._since_ms = self._since.timestamp() * 1000
        self._known: dict[int, set[bytes]] = {shard: set() for shard in shards}
        self._looked_at: set[str] = set()
        self._count = 0

    @property
    def size(self) -> int:
        """The memory used, roughly, in messages of a TranscriptReplay."""
        return self._count // 3

    def keep(self, shards: Iterable[int]) -> None:
        """Drop all other shards; they are left to another reading."""
        self._known = {shard: self._known[shard] for shard in shards}
        self._count = sum(map(len, self._known.values()))

    def observe(self, record: Record, payload: BaseModel) -> None:
        """Take note of a payload of any kind, of a shard that is kept."""
        match payload:
            case Snapshot():
                self._add(record, (rules.pack_id(one.id) for one in payload.handled if one.at >= self._since))
            case Turn() if record.timestamp_ms >= self._since_ms:
                self._add(record, map(rules.pack_id, payload.handled))
            case DeliveryOutcome() if record.timestamp_ms >= self._since_ms:
                self._add(record, [rules.pack_id(payload.message_id)])
            case DeadLetter() if record.timestamp_ms >= self._since_ms:
                self._add(record, [_position(payload.topic, payload.partition, payload.offset)])

    def needs_handling(self, record: Record, payload: BaseModel | None) -> bool:
        """Return whether nobody has handled this inbound or outbound record. ``payload`` None: it cannot be decoded,
        and its handler must report that."""
        known = self._known[shard_of(record.key)]
        if record.timestamp_ms < self._since_ms or _position(record.topic, record.partition, record.offset) in known:
            return False
        kind = record.headers.get("ce_type", "")
        if kind == topics.MESSAGE_SEND:
            if not isinstance(payload, OutboundMessage):
                return True
            return payload.expires_at > self._now and rules.pack_id(payload.id) not in known
        if kind in PROPOSED:
            return rules.pack_id(record.headers.get("ce_id", "")) not in known
        # A replay is handled when its original is.
        ids = (record.headers.get("ce_id", ""), record.headers.get("ce_replayof", ""))
        return kind in _FOR_WORKERS and not any(rules.pack_id(id_) in known for id_ in ids if id_)

    def needs_desk_handling(self, record: Record, payload: BaseModel | None) -> bool:
        """Return whether the desk's consumer has to handle this again. A desk update only triggers a comparison with
        the state: one per conversation stands for all of them, and the desk's own records were lost, so it is handled
        once."""
        known = self._known[shard_of(record.key)]
        if record.timestamp_ms < self._since_ms or _position(record.topic, record.partition, record.offset) in known:
            return False
        kind = record.headers.get("ce_type", "")
        if kind == topics.DESK_UPDATE:
            is_first = record.key not in self._looked_at
            self._looked_at.add(record.key)
            return is_first
        if isinstance(payload, DeskCommand):
            return rules.pack_id(ids.derived_id(payload.id, "done")) not in known
        if isinstance(payload, DraftGenerated):
            return rules.pack_id(ids.derived_id(payload.id, "desk")) not in known
        return kind in topics.DESK_TYPES

    def _add(self, record: Record, packed: Iterable[bytes]) -> None:
        known = self._known[shard_of(record.key)]
        before = len(known)
        known.update(packed)
        self._count += len(known) - before


class ExpiredMessages:
    """Finds messages that are older than their tenant keeps transcripts. Where somebody waits for something, as the
    conversation's snapshot says, all of them stay."""

    def __init__(self, periods: Mapping[str, RetentionPeriods], now: datetime) -> None:
        self._now = now
        self._before_ms = {tenant: (now - kept.transcripts).timestamp() * 1000 for tenant, kept in periods.items()}
        self._awaited: set[str] = set()

    def note(self, snapshot: Snapshot) -> None:
        """Take note of a snapshot; later ones replace earlier ones."""
        conversation = snapshot.conversation
        if snapshot.outbox or retention_rules.is_awaited(conversation, self._now):
            self._awaited.add(conversation.id)
        else:
            self._awaited.discard(conversation.id)

    def has_expired(self, record: Record) -> bool:
        before_ms = self._before_ms.get(record.headers.get("ce_tenant", ""))
        return before_ms is not None and record.timestamp_ms < before_ms and record.key not in self._awaited


@dataclass(frozen=True, slots=True)
class LogSummary:
    """What there is to read. Of the compacted topics, which are compacted only now and then: ``tombstones``: offsets by
    topic and key; ``snapshots``: how many there are of each key; ``has_erasures``: whether the state of a contact was
    erased. ``starts``: where each topic is read from; ``unchanged``: topics without a record there."""

    tombstones: Mapping[tuple[str, str], int]
    snapshots: Mapping[str, int]
    has_erasures: bool
    starts: LogPositions
    unchanged: frozenset[str]

    @classmethod
    async def read(cls, bus: Bus, starts: LogPositions) -> LogSummary:
        """``starts``: where to begin, by topic; {} for the beginning."""
        tombstones: dict[tuple[str, str], int] = {}
        snapshots: defaultdict[str, int] = defaultdict(int)
        has_erasures = False
        unchanged = await _find_unchanged(bus, starts)
        for topic in {topics.STATE, topics.KEYS} - unchanged:
            async for record in await bus.read(topic, since=starts.get(topic)):
                if record.value is None:
                    tombstones[topic, record.key] = record.offset
                    has_erasures |= record.headers.get("ce_source") == topics.ERASURE
                elif topic == topics.STATE:
                    snapshots[record.key] += 1
        return cls(tombstones, snapshots, has_erasures, starts, unchanged)

    async def read_topic(self, bus: Bus, topic: str, keys: Callable[[str], bool]) -> AsyncIterator[Record]:
        """The records of these keys. A topic without any is not opened: that takes some 40 ms."""
        if topic not in self.unchanged:
            async for record in await bus.read(topic, since=self.starts.get(topic), keys=keys):
                yield record

    def was_removed(self, record: Record) -> bool:
        """Tell whether a tombstone comes after the record of a compacted topic."""
        return record.offset < self.tombstones.get((record.topic, record.key), 0)

    def count_down(self) -> Callable[[Record], bool]:
        """Tell of each snapshot, given in the log's order, whether it is among the last of its key. Two processes may
        write them at once, in the wrong order, so there are a few."""
        left = dict(self.snapshots)

        def is_among_last(record: Record) -> bool:
            later = left[record.key] = left.get(record.key, 0) - 1
            return later < _READ_LAST

        return is_among_last


async def _find_unchanged(bus: Bus, starts: LogPositions) -> frozenset[str]:
    ends = await bus.end_offsets(list(starts))
    return frozenset(
        topic
        for topic, first in starts.items()
        if all(first.get(number, 0) >= end for number, end in ends[topic].items())
    )


def _position(topic: str, partition: int, offset: int) -> bytes:
    return f"p{topic}/{partition}/{offset}".encode()
