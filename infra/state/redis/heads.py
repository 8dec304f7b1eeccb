"""How far each tenant's knowledge has been written, on Redis."""

from __future__ import annotations

from infra.bus.partitioner import shard_of
from infra.state.redis import wire
from infra.state.redis.shards import Shards


class RedisHeads:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def raise_to(self, tenant: str, partition: int, offset: int) -> None:
        await self._shards.run(*self._place(tenant, "raise_field"), partition, offset)

    async def of(self, tenant: str) -> dict[int, int]:
        (flat,) = await self._shards.run(*self._place(tenant, "hash"))
        return {int(partition): int(offset) for partition, offset in wire.pairs(flat)}

    def _place(self, tenant: str, script: str) -> tuple[int, str, list[str]]:
        shard = shard_of(f"knowledge:{tenant}")
        return shard, script, [self._shards.key(shard, "kn", tenant)]
