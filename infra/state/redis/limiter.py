"""Token buckets that all processes share."""

from __future__ import annotations

from datetime import datetime

from infra.bus.partitioner import shard_of
from infra.state import rules
from infra.state.redis.shards import Shards


class RedisLimiter:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def take(self, key: str, *, per_second: float, burst: int, now: datetime) -> float:
        shard = shard_of(f"limit:{key}")
        # A bucket that had time to fill up is the same as none.
        keep = int(burst / per_second) + 60
        (wait,) = await self._shards.run(
            shard, "take", [self._shards.key(shard, "g", key)], rules.micros(now), repr(per_second), burst, keep
        )
        return int(wait) / 1e6
