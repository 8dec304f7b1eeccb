"""Checkpoints of the state on servers with replicas: after a failover only the end of the log has to be read again.

Replication is asynchronous but in order. A promoted replica has everything that was done before the newest checkpoint
that it holds, and may lack what came later. What came later and had an effect is on the log behind the checkpoint's
positions.

A checkpoint counts for shards whose state was on the server that saved it. So each shard's head names the history (the
replication id) that it belonged to when it was lost, and the one whose checkpoint completed it last."""

from __future__ import annotations

import asyncio

import orjson

from infra.state.redis.client.shards import Shards
from infra.state.redis.rebuild.rebuilder import RedisRebuild
from schemas.messages import TranscriptMessage
from schemas.ports import LogPositions

_LOST = (b"lost", b"rebuilding")


class RedisCheckpoints:
    """Implements ``Checkpoints`` where each new connection checks the server's replication id: see
    ``check_primary.lua``. Without that check nobody would notice a server that came back with older data before
    writing the next checkpoint."""

    def __init__(self, shards: Shards, rebuild: RedisRebuild) -> None:
        self._shards = shards
        self._rebuild = rebuild
        self._histories: dict[int, str] = {}
        """By the first shard of each server."""
        self._loaded: dict[int, str] = {}
        """The history of the checkpoint that counts, by shard."""

    async def save(self, positions: LogPositions) -> None:
        body = orjson.dumps(positions, option=orjson.OPT_NON_STR_KEYS)
        before, self._histories = self._histories, {}
        servers = list(await self._shards.client.list_shards())
        saved = await asyncio.gather(*(self._save(first, before.get(first, ""), body) for first in servers))
        self._histories = dict(zip(servers, saved, strict=True))

    async def _save(self, first: int, history: str, body: bytes) -> str:
        mark = self._shards.key(first, "primary")
        keys = [self._key(first), mark if self._shards.client.is_cluster else f"{self._shards.prefix}:primary"]
        answer = await self._shards.run_unchecked(
            first, "save_checkpoint", [*keys, self._shards.head(first)], history, body
        )
        found: str = answer.decode()
        return found

    async def load(self, shards: frozenset[int]) -> LogPositions | None:
        found: list[LogPositions] = []
        self._loaded = {}
        for first, own in (await self._shards.client.list_shards()).items():
            lost = shards.intersection(own)
            if lost:
                saved = await self._shards.client.command("GET", self._key(first), shard=first)
                history, _, body = (saved or b"").partition(b" ")
                if not history or not all(await asyncio.gather(*(self._is_covered(shard, history) for shard in lost))):
                    return None
                found.append(_parse(body))
                self._loaded |= dict.fromkeys(lost, history.decode())
        return _merge(found) if found else None

    async def _is_covered(self, shard: int, history: bytes) -> bool:
        """Whether the shard lacks nothing but what came after a checkpoint of this history."""
        names = ("status", "complete", "former", "inherited")
        head = await self._shards.client.command("HMGET", self._shards.head(shard), *names, shard=shard)
        status, complete, *histories = head
        return status in _LOST and complete == b"1" and history in histories

    async def keep(self, shards: frozenset[int]) -> None:
        await self._rebuild.begin(shards, kept=self._loaded)

    async def find_line(self, conversation: str, message_id: str) -> TranscriptMessage | None:
        return await self._rebuild.find_line(conversation, message_id)

    def _key(self, first: int) -> str:
        return self._shards.key(first, "checkpoint")


def _parse(body: bytes) -> LogPositions:
    return {topic: {int(number): at for number, at in ends.items()} for topic, ends in orjson.loads(body).items()}


def _merge(found: list[LogPositions]) -> LogPositions:
    """The earlier ones. What is missing in one of them is read from its beginning."""
    merged = found[0]
    for other in found[1:]:
        merged = {
            topic: {number: min(at, other[topic][number]) for number, at in ends.items() if number in other[topic]}
            for topic, ends in merged.items()
            if topic in other
        }
    return merged
