"""Checkpoints of the state behind Sentinel: after a failover only the end of the log has to be read again.

Replication is asynchronous but in order. A promoted replica has everything that was done before the newest checkpoint
that it holds, and may lack what came later. What came later and had an effect is on the log behind the checkpoint's
positions."""

from __future__ import annotations

import orjson

from infra.state.redis.client.shards import ALL, Shards
from infra.state.redis.rebuild.rebuilder import RedisRebuild
from schemas.messages import TranscriptMessage
from schemas.ports import LogPositions


class RedisCheckpoints:
    """Implements ``Checkpoints`` where each new connection checks the server's replication id: see
    ``check_primary.lua``. Without that check nobody would notice a server that came back with older data before
    writing the next checkpoint."""

    def __init__(self, shards: Shards, rebuild: RedisRebuild) -> None:
        self._shards = shards
        self._rebuild = rebuild
        self._key = f"{shards.prefix}:checkpoint"
        self._history = ""

    async def save(self, positions: LogPositions) -> None:
        keys = [self._key, f"{self._shards.prefix}:primary", *map(self._shards.head, ALL)]
        history, self._history = self._history, ""
        body = orjson.dumps(positions, option=orjson.OPT_NON_STR_KEYS)
        self._history = (await self._shards.run_unchecked(0, "save_checkpoint", keys, history, body)).decode()

    async def load(self, shards: frozenset[int]) -> LogPositions | None:
        keys = [self._key, *map(self._shards.head, sorted(shards))]
        found = await self._shards.run_unchecked(0, "load_checkpoint", keys)
        if found is None:
            return None
        return {topic: {int(number): at for number, at in ends.items()} for topic, ends in orjson.loads(found).items()}

    async def keep(self, shards: frozenset[int]) -> None:
        await self._rebuild.begin(shards, keep=True)

    async def find_line(self, conversation: str, message_id: str) -> TranscriptMessage | None:
        return await self._rebuild.find_line(conversation, message_id)
