"""Token buckets and counters that all processes share. Requests to one bucket in one turn of the loop go as one
call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from infra.bus.partitioner import shard_of
from infra.state import rules
from infra.state.redis.client.shards import Shards


class _Bucket(NamedTuple):
    key: str
    per_second: float
    burst: int


@dataclass(slots=True)
class _TokenRequest:
    """Callers that take from one bucket, in the order in which they asked."""

    at: int
    takers: list[asyncio.Future[float]] = field(default_factory=list)


class RedisLimiter:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._gathering: dict[_Bucket, _TokenRequest] = {}
        self._drawing: set[asyncio.Task[None]] = set()

    async def take(self, key: str, *, per_second: float, burst: int, now: datetime) -> float:
        """A caller that gives up waiting may have taken a token all the same."""
        bucket, loop = _Bucket(key, per_second, burst), asyncio.get_running_loop()
        draw, at = self._gathering.get(bucket), rules.to_micros(now)
        if draw is None:
            draw = self._gathering[bucket] = _TokenRequest(at)
            # A task starts one turn of the loop later, when all callers of this turn have asked.
            task = loop.create_task(self._fill(bucket))
            self._drawing.add(task)
            task.add_done_callback(self._drawing.discard)
        draw.at = max(draw.at, at)
        taker: asyncio.Future[float] = loop.create_future()
        draw.takers.append(taker)
        return await taker

    async def _fill(self, bucket: _Bucket) -> None:
        draw = self._gathering.pop(bucket)
        try:
            granted, wait = await self._ask(bucket, draw)
        except BaseException as error:
            for taker in draw.takers:
                if not taker.done():
                    taker.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for place, taker in enumerate(draw.takers):
            if not taker.done():
                taker.set_result(0.0 if place < granted else wait)

    async def _ask(self, bucket: _Bucket, draw: _TokenRequest) -> tuple[int, float]:
        shard = shard_of(f"limit:{bucket.key}")
        # A bucket that had time to fill up is the same as none.
        keep = int(bucket.burst / bucket.per_second) + 60
        granted, wait = await self._shards.run(
            shard,
            "take",
            [self._shards.key(shard, "g", bucket.key)],
            draw.at,
            repr(bucket.per_second),
            bucket.burst,
            keep,
            len(draw.takers),
        )
        return int(granted), int(wait) / 1e6

    async def add(self, key: str, amounts: Mapping[str, int], *, keep: float, now: datetime) -> dict[str, int]:
        """``now`` is ignored: the server's clock counts."""
        shard = shard_of(f"count:{key}")
        flat = [part for pair in amounts.items() for part in pair]
        totals = await self._shards.run(shard, "add", [self._shards.key(shard, "n", key)], int(keep * 1000), *flat)
        return {name: int(total) for name, total in zip(amounts, totals, strict=True)}
