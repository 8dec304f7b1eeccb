"""Visitor tokens on Redis. An ended session is stored on the shard of its conversation, so that a rebuild of that shard
restores it."""

from __future__ import annotations

from datetime import datetime

from infra.bus.partitioner import shard_of
from infra.state.redis.client.shards import Shards


class RedisTokens:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def bind(self, identity: str, session: str, *, until: datetime, now: datetime) -> str:
        shard = shard_of(f"identity:{identity}")
        key = self._shards.key(shard, "ui", identity)
        (holder,) = await self._shards.run(shard, "token_bind", [key], session, seconds(until, now))
        return bytes(holder).decode()

    async def revoke(self, conversation: str, session: str, *, until: datetime, now: datetime) -> None:
        shard, key = place_of(self._shards, conversation, session)
        await self._shards.run(shard, "put", [key], "1", seconds(until, now))

    async def is_revoked(self, conversation: str, session: str, *, now: datetime) -> bool:
        shard, key = place_of(self._shards, conversation, session)
        (found,) = await self._shards.run(shard, "value", [key])
        return found is not None


def place_of(shards: Shards, conversation: str, session: str) -> tuple[int, str]:
    """The shard of an ended session, and its key there."""
    shard = shard_of(conversation)
    return shard, shards.key(shard, "rv", session)


def seconds(until: datetime, now: datetime) -> int:
    """How long Redis keeps it; never less than is left."""
    return max(1, int((until - now).total_seconds()) + 1)
