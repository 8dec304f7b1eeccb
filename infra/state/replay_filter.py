"""Which records of the log need nothing more, so that the others can be put back into the lists of parked records.

Lanes commit the offset of a record that they park: nothing but the state store then knows that it waits. What is
below the committed offset and has no trace of an answer on the log was parked.

Memory: a packed id of each event of the last days, by shard.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel

from infra.bus.partitioner import shard_of
from infra.state import rules
from infra.state.replay_events import PROPOSED
from schemas import ids, topics
from schemas.conversation import DeadLetter, Delivered, Snapshot, Turn
from schemas.desk import DeskActed, DraftMade
from schemas.messages import OutboundMessage
from schemas.ports import Record

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


class Settled:
    """Fed with everything that tells of answers, sends and dead letters, then asked about each record."""

    def __init__(self, shards: Iterable[int], now: datetime) -> None:
        self._now = now
        self._since = now - rules.HANDLED_HORIZON
        self._since_ms = self._since.timestamp() * 1000
        self._known: dict[int, set[bytes]] = {shard: set() for shard in shards}
        self._looked_at: set[str] = set()
        self._count = 0

    @property
    def size(self) -> int:
        """Roughly how much it keeps, in messages of a Tail."""
        return self._count // 3

    def keep(self, shards: Iterable[int]) -> None:
        """The other shards are for another time."""
        self._known = {shard: self._known[shard] for shard in shards}
        self._count = sum(map(len, self._known.values()))

    def see(self, record: Record, payload: BaseModel) -> None:
        """A payload of any kind, of a shard that is kept."""
        match payload:
            case Snapshot():
                self._add(record, (rules.pack_id(one.id) for one in payload.handled if one.at >= self._since))
            case Turn() if record.timestamp_ms >= self._since_ms:
                self._add(record, map(rules.pack_id, payload.handled))
            case Delivered() if record.timestamp_ms >= self._since_ms:
                self._add(record, [rules.pack_id(payload.message_id)])
            case DeadLetter() if record.timestamp_ms >= self._since_ms:
                self._add(record, [_position(payload.topic, payload.partition, payload.offset)])

    def lacks(self, record: Record, payload: BaseModel | None) -> bool:
        """Whether nobody has settled this inbound or outbound record. ``payload`` None: it cannot be decoded, and
        whoever handles it must say so."""
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
        # A replay is settled when its original was.
        ids = (record.headers.get("ce_id", ""), record.headers.get("ce_replayof", ""))
        return kind in _FOR_WORKERS and not any(rules.pack_id(id_) in known for id_ in ids if id_)

    def lacks_at_desk(self, record: Record, payload: BaseModel | None) -> bool:
        """Whether the keeper of the desk has to do this again. A touch says only that it is time to look: one of a
        conversation stands for all of them, and what was on record there is lost, so it is looked at once."""
        known = self._known[shard_of(record.key)]
        if record.timestamp_ms < self._since_ms or _position(record.topic, record.partition, record.offset) in known:
            return False
        kind = record.headers.get("ce_type", "")
        if kind == topics.DESK_TOUCHED:
            is_first = record.key not in self._looked_at
            self._looked_at.add(record.key)
            return is_first
        if isinstance(payload, DeskActed):
            return rules.pack_id(ids.derived_id(payload.id, "done")) not in known
        if isinstance(payload, DraftMade):
            return rules.pack_id(ids.derived_id(payload.id, "desk")) not in known
        return kind in topics.DESK_TYPES

    def _add(self, record: Record, packed: Iterable[bytes]) -> None:
        known = self._known[shard_of(record.key)]
        before = len(known)
        known.update(packed)
        self._count += len(known) - before


def _position(topic: str, partition: int, offset: int) -> bytes:
    return f"p{topic}/{partition}/{offset}".encode()
