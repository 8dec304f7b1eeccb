"""Parked records on Redis, by consumer group and conversation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from infra.bus.partitioner import shard_of
from infra.state import rules
from infra.state.redis.client import codec
from infra.state.redis.client.shards import Shards, quote_part
from schemas.ports import Record, TopicPartition


class RedisParking:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def park(self, group: str, conversation: str, records: Sequence[Record], *, until: datetime) -> None:
        if not records:
            return
        rows = [part for record in records for part in row_of(record)]
        await self._run("park", group, conversation, conversation, entry_of(records[0], until), *rows)

    async def read(self, group: str, conversation: str, *, limit: int) -> list[Record]:
        if limit <= 0:
            return []
        shard = shard_of(conversation)
        (found,) = await self._shards.run(shard, "parked", keys_for(self._shards, group, conversation)[:2], limit)
        return [codec.unpack_record(packed) for packed in found]

    async def unpark(self, group: str, conversation: str, records: Sequence[Record]) -> int:
        (left,) = await self._run("unpark", group, conversation, conversation, *map(codec.position_of, records))
        return int(left)

    async def list_conversations(
        self, group: str, partitions: Iterable[TopicPartition]
    ) -> dict[str, tuple[TopicPartition, datetime]]:
        wanted = frozenset(partitions)
        out = {}
        for (flat,) in await self._shards.run_on_all("hash", (f"w:{quote_part(group)}",)):
            for conversation, entry in codec.pairs(flat):
                until, partition, topic = entry.decode().split("|", 2)
                source = TopicPartition(topic, int(partition))
                if source in wanted:
                    out[conversation.decode()] = (source, rules.from_micros(int(until)))
        return out

    async def _run(self, script: str, group: str, conversation: str, *arguments: str | int | bytes) -> list[bytes]:
        shard = shard_of(conversation)
        return await self._shards.run(shard, script, keys_for(self._shards, group, conversation), *arguments)


def keys_for(shards: Shards, group: str, conversation: str) -> list[str]:
    """The keys of the records, their order, and the group's index."""
    shard, key = shard_of(conversation), shards.key
    return [
        key(shard, "q", group, conversation),
        key(shard, "qo", group, conversation),
        key(shard, "w", quote_part(group)),
    ]


def entry_of(record: Record, until: datetime) -> str:
    """The group index's entry for a conversation with this record."""
    return f"{rules.to_micros(until)}|{record.partition}|{record.topic}"


def row_of(record: Record) -> tuple[str, int, bytes]:
    """Position, offset and the record itself."""
    return codec.position_of(record), record.offset, codec.pack_record(record)
