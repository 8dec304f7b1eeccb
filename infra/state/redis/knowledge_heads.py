"""The head of each tenant's knowledge, on Redis."""

from __future__ import annotations

from infra.bus.partitioner import shard_of
from infra.state.redis.client import codec
from infra.state.redis.client.call import Call
from infra.state.redis.client.shards import Shards


class RedisHeads:
    """Every turn asks. Callers that ask while a request for the same tenant has not left yet share its answer; a
    request that has left may be answered from before a write that the caller knows of."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._calls: dict[str, Call] = {}

    async def advance(self, tenant: str, partition: int, offset: int) -> None:
        await self._shards.run(*self._place(tenant, "raise_field"), partition, offset)

    async def of(self, tenant: str) -> dict[int, int]:
        shard, script, keys = self._place(tenant, "hash")
        call = self._calls.get(tenant)
        if call is None or call.has_left or call.answer.done():
            call = self._calls[tenant] = self._shards.call(shard, script, keys)
            answer = call.answer
        else:
            answer = call.share()
        try:
            (flat,) = await answer
        finally:
            if self._calls.get(tenant) is call and call.has_left:
                del self._calls[tenant]
        return {int(partition): int(offset) for partition, offset in codec.pairs(flat)}

    def _place(self, tenant: str, script: str) -> tuple[int, str, list[str]]:
        shard = shard_of(f"knowledge:{tenant}")
        return shard, script, [self._shards.key(shard, "kn", tenant)]
