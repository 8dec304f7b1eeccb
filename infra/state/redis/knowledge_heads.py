"""How far each tenant's knowledge has been written, on Redis."""

from __future__ import annotations

from infra.bus.partitioner import shard_of
from infra.state.redis.client import codec
from infra.state.redis.client.call import Call
from infra.state.redis.client.shards import Shards


class RedisHeads:
    """Every turn asks. Those who ask while a question about the same tenant has not left yet share its answer; one that
    has left may be answered from before a write that the asker knows of."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._asked: dict[str, Call] = {}

    async def raise_to(self, tenant: str, partition: int, offset: int) -> None:
        await self._shards.run(*self._place(tenant, "raise_field"), partition, offset)

    async def of(self, tenant: str) -> dict[int, int]:
        shard, script, keys = self._place(tenant, "hash")
        asked = self._asked.get(tenant)
        if asked is None or asked.has_left or asked.answer.done():
            asked = self._asked[tenant] = self._shards.call(shard, script, keys)
            answer = asked.answer
        else:
            answer = asked.share()
        try:
            (flat,) = await answer
        finally:
            if self._asked.get(tenant) is asked and asked.has_left:
                del self._asked[tenant]
        return {int(partition): int(offset) for partition, offset in codec.pairs(flat)}

    def _place(self, tenant: str, script: str) -> tuple[int, str, list[str]]:
        shard = shard_of(f"knowledge:{tenant}")
        return shard, script, [self._shards.key(shard, "kn", tenant)]
