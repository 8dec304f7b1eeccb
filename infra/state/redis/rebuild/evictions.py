"""Evicted keys. Redis evicts where ``maxmemory-policy`` is not ``noeviction``, one key here and one there: the head of
their shard stays, so nothing else would show that they are gone."""

from __future__ import annotations

import asyncio

import structlog

from infra.state.redis.client.shards import Shards
from schemas.errors import StateUnavailable

log = structlog.get_logger(__name__)


class Evictions:
    """Counts evictions since each server began, and remembers in Redis up to which counts the state was rebuilt."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._key = shards.key(0, "evictions") if shards.client.is_cluster else f"{shards.prefix}:evictions"
        self._is_reported = False

    async def are_new(self) -> bool:
        """Return whether keys were evicted since the last rebuild: then any shard may lack some."""
        counts = await self.count()
        if not counts:
            return False
        known = await self._shards.client.command("GET", self._key)
        # A server that has left the cluster is not counted any more.
        is_new = not set(counts.split()) <= set(known.decode().split() if known else ())
        if is_new and not self._is_reported:
            log.error("redis_evicts_keys", fix="set maxmemory-policy noeviction, and give Redis more memory")
        self._is_reported = is_new
        return is_new

    async def count(self) -> str:
        """``run id:count`` of each server that has evicted keys; nothing of one that does not tell."""
        servers = await self._shards.client.list_shards()
        return " ".join(filter(None, await asyncio.gather(*map(self._count_on, servers))))

    async def _count_on(self, server: int) -> str:
        try:
            info = (await self._shards.client.command("INFO", "server", "stats", shard=server)).decode()
        except StateUnavailable as error:
            if "refuses a command" in error.message:
                return ""  # a user without INFO works as before
            raise
        lines = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        count = lines.get("evicted_keys", "0")
        return "" if count == "0" else f"{lines.get('run_id', '')}:{count}"

    async def note(self, counts: str) -> None:
        """The state is complete up to these counts."""
        if counts:
            await self._shards.client.command("SET", self._key, counts)
