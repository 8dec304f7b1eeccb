"""Leases on Redis. They work while shards are lost, because the rebuild itself needs one."""

from __future__ import annotations

from datetime import datetime, timedelta

from infra.bus.partitioner import shard_of
from infra.state import rules
from infra.state.redis.client.shards import Shards


class RedisLeases:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def acquire(self, name: str, holder: str, *, ttl: float, now: datetime) -> int | None:
        until = rules.to_micros(now + timedelta(seconds=ttl))
        token = await self._shards.run_unchecked("lease", [self._key(name)], holder, rules.to_micros(now), until)
        return None if token is None else int(token)

    async def release(self, name: str, holder: str) -> None:
        await self._shards.run_unchecked("release", [self._key(name)], holder)

    async def leave(self, name: str, token: int, note: str) -> bool:
        return bool(await self._shards.run_unchecked("leave", [self._key(name)], str(token), note))

    async def note(self, name: str) -> str:
        note = await self._shards.run_unchecked("note", [self._key(name)])
        return note.decode() if note else ""

    def _key(self, name: str) -> str:
        return self._shards.key(shard_of(f"lease:{name}"), "lease", name)
