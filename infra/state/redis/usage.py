"""Memory that the state uses in Redis, and a sample of its conversations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from redis import exceptions as redis_errors
from redis.asyncio import Redis

from infra.bus.partitioner import SHARDS
from infra.state import rules
from infra.state.usage import StateUsage
from schemas.errors import StateUnavailable

SAMPLE = 2_000
SCANS = 200
"""Calls for the sample at most, each over some thousand keys."""


async def read_usage(url: str, prefix: str, now: datetime, access: Mapping[str, Any]) -> StateUsage:
    """Raises StateUnavailable."""
    client = Redis.from_url(url, **access, socket_timeout=10, socket_connect_timeout=10)
    try:
        memory: dict[str, Any] = await client.info("memory")
        pipeline = client.pipeline(transaction=False)
        for shard in range(SHARDS):
            pipeline.hvals(f"{prefix}:{{s{shard:02x}}}:k")
        conversations = sum(max(0, int(count)) for counts in await pipeline.execute() for count in counts)
        sampled, young = await _sample(client, prefix, rules.to_micros(now - timedelta(days=1)))
    except (redis_errors.RedisError, OSError, TimeoutError) as error:
        raise StateUnavailable(f"Redis does not tell its memory: {type(error).__name__}") from error
    finally:
        await client.aclose()
    used = int(memory.get("used_memory", 0))
    limit = int(memory.get("maxmemory", 0)) or int(memory.get("total_system_memory", 0))
    idle = int(memory.get("used_memory_startup", 0))
    began = round(conversations * young / sampled) if sampled else 0
    return StateUsage(used, limit, max(0, used - idle), conversations, began)


async def _sample(client: Redis, prefix: str, since: int) -> tuple[int, int]:
    """The number of sampled conversations, and of those that began since then."""
    created: list[Any] = []
    cursor = 0
    for _ in range(SCANS):
        cursor, keys = await client.scan(cursor, match=f"{prefix}:{{s*}}:c:*", count=2_000)
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.hget(key, "created")
        created += [each for each in await pipeline.execute() if each is not None]
        if cursor == 0 or len(created) >= SAMPLE:
            break
    return len(created), sum(int(each) >= since for each in created)
