"""Parked records, dead letters and strikes on Redis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import cast

from infra.bus.partitioner import shard_of
from infra.state import rules
from infra.state.redis.client import codec
from infra.state.redis.client.call import Argument
from infra.state.redis.client.sealed_values import SealedValues
from infra.state.redis.client.shards import Shards, quote_part
from schemas.conversation import DeadLetter
from schemas.errors import NotFound
from schemas.ports import Record, Strike, StrikeCode, TopicPartition


class RedisParking:
    """Parked records on Redis, by consumer group and conversation."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def park(self, group: str, conversation: str, records: Sequence[Record], *, until: datetime) -> None:
        if not records:
            return
        packed = [codec.pack_record(record) for record in records]
        sealed = await self._shards.values.seal_all(conversation, packed, after=b"\n")
        rows = [part for record, row in zip(records, sealed, strict=True) for part in (*place_of(record), row)]
        await self._run("park_records", group, conversation, conversation, entry_of(records[0], until), *rows)

    async def read(self, group: str, conversation: str, *, limit: int) -> list[Record]:
        if limit <= 0:
            return []
        shard = shard_of(conversation)
        (found,) = await self._shards.run(shard, "read_parked", keys_for(self._shards, group, conversation)[:2], limit)
        opened = await self._shards.values.open_all(found, after=b"\n")
        return [codec.unpack_record(packed, plain) for packed, plain in zip(found, opened, strict=True)]

    async def unpark(self, group: str, conversation: str, records: Sequence[Record]) -> int:
        (left,) = await self._run("unpark_records", group, conversation, conversation, *map(codec.position_of, records))
        return int(left)

    async def list_conversations(
        self, group: str, partitions: Iterable[TopicPartition]
    ) -> dict[str, tuple[TopicPartition, datetime]]:
        wanted = frozenset(partitions)
        out = {}
        for (flat,) in await self._shards.run_on_all("read_hash", (f"w:{quote_part(group)}",)):
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


def place_of(record: Record) -> tuple[str, int]:
    """Position and offset."""
    return codec.position_of(record), record.offset


class RedisDeadLetters:
    """Dead letters on Redis: all of a tenant's on one shard, so that they are ordered."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def add(self, letter: DeadLetter) -> None:
        shard, keys, arguments = await build_letter_add(self._shards, self._shards.values, letter)
        await self._shards.run(shard, "letter_add", keys, *arguments)

    async def get(self, tenant: str, letter: str) -> DeadLetter | None:
        shard, letters, replays, _ = letter_keys(self._shards, tenant)
        body, count = await self._shards.run(shard, "letter_get", [letters, replays], letter)
        return None if body is None else await self._parse(body, count)

    async def count_replay(self, tenant: str, letter: str) -> int:
        shard, letters, replays, _ = letter_keys(self._shards, tenant)
        (count,) = await self._shards.run(shard, "letter_count_replay", [letters, replays], letter)
        if not count:
            raise NotFound("no such dead letter")
        return int(count)

    async def list_page(self, tenant: str, *, after: str = "", limit: int = 50) -> tuple[list[DeadLetter], str]:
        at, id_ = rules.cursor_place(after) if after else ("", "")
        size = max(1, limit)
        shard, *keys = letter_keys(self._shards, tenant)
        (flat,) = await self._shards.run(shard, "letter_list", keys, at, id_, size + 1)
        letters = [await self._parse(flat[at + 1], flat[at + 2]) for at in range(0, len(flat), 3)]
        items = letters[:size]
        more = len(letters) > size
        return items, rules.cursor(rules.to_micros(items[-1].last_at), items[-1].id) if more else ""

    async def _parse(self, stored: bytes, replays: bytes | None) -> DeadLetter:
        """Of a letter about somebody who was erased only what was not encrypted is left."""
        body = await self._shards.values.open(stored)
        letter = rules.forget_letter(stored) if body is None else DeadLetter.model_validate_json(body)
        return letter.model_copy(update={"replays": int(replays or 0)})

    async def remove(self, tenant: str, letter: str) -> None:
        shard, letters, replays, order = letter_keys(self._shards, tenant)
        await self._shards.run(shard, "letter_remove", [letters, order, replays], letter)


async def build_letter_add(
    shards: Shards, values: SealedValues, letter: DeadLetter
) -> tuple[int, list[str], tuple[Argument, ...]]:
    """The shard, keys and arguments of the script that adds a letter unless it is known."""
    shard, letters, replays, order = letter_keys(shards, letter.tenant)
    readable = letter.model_dump(mode="json", exclude={"reason", "headers", "value"})
    body = await values.seal(letter.conversation_id, letter.model_dump_json(), readable=readable.items())
    return shard, [letters, order, replays], (letter.id, body, rules.to_micros(letter.last_at), letter.replays)


def letter_keys(shards: Shards, tenant: str) -> tuple[int, str, str, str]:
    """``(shard, letters, replays, order)``."""
    shard = shard_of(f"dead_letters:{tenant}")
    letters, replays, order = (shards.key(shard, kind, quote_part(tenant)) for kind in ("b", "br", "bz"))
    return shard, letters, replays, order


class RedisStrikes:
    """Strikes on Redis: one hash for each partition that a group reads."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def add(self, strikes: Sequence[Strike]) -> None:
        for strike in strikes:
            # The number rises with time, so the first report of an incident is kept only if it is the last.
            await self._shards.run(*self._place(strike, "raise_hash_field"), _field(strike), rules.to_micros(strike.at))

    async def of(self, group: str, source: TopicPartition) -> list[Strike]:
        shard, script, keys = self._place_of(group, *source, "read_hash")
        (flat,) = await self._shards.run(shard, script, keys)
        found = [_strike(group, source, field.decode(), int(at)) for field, at in codec.pairs(flat)]
        return sorted(found, key=lambda strike: (strike.at, strike.incident))

    async def clear(self, strikes: Sequence[Strike]) -> None:
        for _, same in groupby(sorted(strikes), key=lambda strike: strike[:3]):
            first, *others = same
            fields = dict.fromkeys(_field(each) for each in (first, *others))
            await self._shards.run(*self._place(first, "drop_hash_fields"), *fields)

    def _place(self, strike: Strike, script: str) -> tuple[int, str, list[str]]:
        return self._place_of(strike.group, strike.topic, strike.partition, script)

    def _place_of(self, group: str, topic: str, partition: int, script: str) -> tuple[int, str, list[str]]:
        shard = shard_of(f"strikes:{group}")
        return shard, script, [self._shards.key(shard, "sk", group, topic, str(partition))]


def _field(strike: Strike) -> str:
    return f"{strike.offset}|{strike.code}|{strike.incident}"


def _strike(group: str, source: TopicPartition, field: str, at: int) -> Strike:
    offset, code, incident = field.split("|", 2)
    return Strike(group, *source, int(offset), incident, cast(StrikeCode, code), rules.from_micros(at))
