"""Whether Redis has thrown keys away. It does so where ``maxmemory-policy`` is not ``noeviction``, one key here and one
there: the head of their shard stays, so nothing else would show that they are gone.
"""

from __future__ import annotations

import structlog

from infra.state.redis.client.shards import Shards
from schemas.errors import StateUnavailable

log = structlog.get_logger(__name__)


class Evictions:
    """Counts them since the server began, and remembers in Redis up to which count the state was rebuilt."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._key = f"{shards.prefix}:evictions"
        self._is_told = False

    async def are_new(self) -> bool:
        """Whether keys were evicted since the last rebuild: then any shard may lack some."""
        count = await self.count()
        if not count or count.endswith(":0"):
            return False
        known = await self._shards.pipe.command("GET", self._key)
        is_new = known is None or known.decode() != count
        if is_new and not self._is_told:
            log.error("redis_evicts_keys", fix="set maxmemory-policy noeviction, and give Redis more memory")
        self._is_told = is_new
        return is_new

    async def count(self) -> str:
        """``run id:count``; "" where the server does not tell."""
        try:
            said = (await self._shards.pipe.command("INFO", "server", "stats")).decode()
        except StateUnavailable as error:
            if "refuses a command" in error.message:
                return ""  # a user without INFO works as before
            raise
        lines = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
        return f"{lines.get('run_id', '')}:{lines.get('evicted_keys', '0')}"

    async def note(self, count: str) -> None:
        """The state is whole up to this count."""
        if count and not count.endswith(":0"):
            await self._shards.pipe.command("SET", self._key, count)
