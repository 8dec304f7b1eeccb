"""Strikes on Redis: one hash for each partition that a group reads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import cast

from infra.bus.partitioner import shard_of
from infra.state import rules
from infra.state.redis.client import codec
from infra.state.redis.client.shards import Shards
from schemas.ports import Strike, StrikeCode, TopicPartition


class RedisStrikes:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def add(self, strikes: Sequence[Strike]) -> None:
        for strike in strikes:
            # The number rises with time, so the first report of an incident is kept only if it is the last.
            await self._shards.run(*self._place(strike, "raise_field"), _field(strike), rules.to_micros(strike.at))

    async def of(self, group: str, source: TopicPartition) -> list[Strike]:
        shard, script, keys = self._place_of(group, *source, "hash")
        (flat,) = await self._shards.run(shard, script, keys)
        found = [_strike(group, source, field.decode(), int(at)) for field, at in codec.pairs(flat)]
        return sorted(found, key=lambda strike: (strike.at, strike.incident))

    async def clear(self, strikes: Sequence[Strike]) -> None:
        for _, same in groupby(sorted(strikes), key=lambda strike: strike[:3]):
            first, *others = same
            fields = dict.fromkeys(_field(each) for each in (first, *others))
            await self._shards.run(*self._place(first, "drop_fields"), *fields)

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
