"""Records of the log as entries of a backup, and the cut at which a running log is saved.

The topics of a running installation cannot be read at one instant, so they are read from the last to the first of a
message's path: a reply that is in the backup has its turn there, and a turn its messages. What was under way in between
looks like what a crash leaves behind: it is on an earlier topic, and not yet handled."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

import orjson

from schemas import topics
from schemas.ports import Bus, Record

AT_ONCE = 500
"""Records of one entry."""
MAX_BYTES = 8 * 1024 * 1024
"""Bytes of values after which an entry ends."""
GroupOffsets = dict[str, dict[str, dict[int, int]]]
"""By topic and group, the offset that is read next in each partition."""


def list_groups(channels: Iterable[str]) -> list[tuple[str, str]]:
    """Every topic that a group reads, with the group."""
    pairs = []
    for name in channels:
        pairs += [(topics.inbound(name), group(name)) for group in (topics.worker_group, topics.receipts_group)]
        pairs += [(topics.outbound(name), group(name)) for group in (topics.sender_group, topics.desk_group)]
    return pairs


async def read_offsets(bus: Bus, channels: Sequence[str]) -> GroupOffsets:
    offsets: GroupOffsets = {}
    for topic, group in list_groups(channels):
        if committed := await bus.committed_offsets(group, topic):
            offsets.setdefault(topic, {})[group] = committed
    return offsets


async def read_log(bus: Bus, channels: Sequence[str]) -> AsyncIterator[Record]:
    """The records of all topics but the keys of contacts."""
    last = [topics.AUDIT, topics.DEADLETTER, topics.EVENTS, *map(topics.outbound, channels)]
    # All ends are fixed now, before anything of an earlier topic is read.
    for records in [await bus.read(topic) for topic in last]:
        async for record in records:
            yield record
    for topic in (topics.STATE, topics.KNOWLEDGE):
        async for record in _read_compacted(bus, topic):
            yield record
    for topic in map(topics.inbound, channels):
        async for record in await bus.read(topic):
            yield record


async def _read_compacted(bus: Bus, topic: str) -> AsyncIterator[Record]:
    """Read a second time what came meanwhile: it may have taken the place of a record before it was read."""
    since: dict[int, int] = {}
    for _ in range(2):
        async for record in await bus.read(topic, since=dict(since)):
            since[record.partition] = record.offset + 1
            yield record


async def group_records(records: AsyncIterator[Record]) -> AsyncIterator[tuple[str, list[Record]]]:
    """Groups of records of the same topic, for one entry each."""
    group, size = list[Record](), 0
    async for record in records:
        if group and (group[0].topic != record.topic or len(group) == AT_ONCE or size > MAX_BYTES):
            yield group[0].topic, group
            group, size = [], 0
        group.append(record)
        size += len(record.value or b"")
    if group:
        yield group[0].topic, group


def pack_records(records: Iterable[Record]) -> bytes:
    return b"\n".join(
        orjson.dumps(
            [
                record.partition,
                record.offset,
                record.timestamp_ms,
                record.key,
                dict(record.headers),
                None if record.value is None else base64.b64encode(record.value).decode(),
            ]
        )
        for record in records
    )


def unpack_records(topic: str, packed: bytes) -> Iterator[Record]:
    for line in packed.split(b"\n"):
        partition, offset, at, key, headers, value = orjson.loads(line)
        yield Record(topic, partition, offset, key, at, headers, None if value is None else base64.b64decode(value))


class OffsetTranslation:
    """The offsets of groups in restored topics, which begin at 0 and have no gaps."""

    def __init__(self, offsets: Mapping[str, Mapping[str, Mapping[int, int]]]) -> None:
        self._offsets = offsets
        self.restored: GroupOffsets = {
            topic: {group: dict.fromkeys(committed, 0) for group, committed in groups.items()}
            for topic, groups in offsets.items()
        }

    def observe(self, record: Record) -> None:
        """Count a record that a group had read before the backup."""
        for group, committed in self._offsets.get(record.topic, {}).items():
            if record.offset < committed.get(record.partition, 0):
                self.restored[record.topic][group][record.partition] += 1
