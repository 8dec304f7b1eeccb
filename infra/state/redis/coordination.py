"""Coordination between processes on Redis: rate limits, leases, knowledge heads, tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from infra.bus.partitioner import shard_of
from infra.state import rules
from infra.state.redis.client import codec
from infra.state.redis.client.call import Argument, Call
from infra.state.redis.client.shards import Shards
from schemas.access import AccessToken

_FLAG = 1
"""Bytes before the token in a field: ``1`` if it is revoked, else ``0``, so that the script need not decode JSON."""


class _Bucket(NamedTuple):
    key: str
    per_second: float
    burst: int
    keep: float


@dataclass(slots=True)
class _TokenRequest:
    """Callers that take from one bucket, in the order in which they asked."""

    at: int
    takers: list[asyncio.Future[float]] = field(default_factory=list)


class RedisLimiter:
    """Token buckets and counters that all processes share. Requests to one bucket in one turn of the loop go as one
    call."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._gathering: dict[_Bucket, _TokenRequest] = {}
        self._drawing: set[asyncio.Task[None]] = set()

    async def take(self, key: str, *, per_second: float, burst: int, now: datetime, keep: float = 0.0) -> float:
        """A caller that gives up waiting may have taken a token all the same."""
        bucket, loop = _Bucket(key, per_second, burst, keep), asyncio.get_running_loop()
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
        if bucket.keep:
            keep = min(keep, max(1, int(bucket.keep)))
        granted, wait = await self._shards.run(
            shard,
            "take_rate_tokens",
            [self._shards.key(shard, "g", self._shards.values.hash_name(bucket.key))],
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
        totals = await self._shards.run(
            shard, "add_to_hash", [self._shards.key(shard, "n", key)], int(keep * 1000), *flat
        )
        return {name: int(total) for name, total in zip(amounts, totals, strict=True)}

    async def occupy(self, key: str, occupant: str, *, limit: int, keep: float, now: datetime) -> float:
        shard, place = self._find_places(key)
        at = rules.to_micros(now)
        (oldest,) = await self._shards.run(shard, "occupy_place", [place], occupant, limit, int(keep * 1e6), at)
        return rules.estimate_free_place(int(oldest), limit, at) if int(oldest) else 0.0

    async def vacate(self, key: str, occupants: Sequence[str]) -> None:
        shard, place = self._find_places(key)
        await self._shards.run(shard, "drop_hash_fields", [place], *occupants)

    def _find_places(self, key: str) -> tuple[int, str]:
        shard = shard_of(f"places:{key}")
        return shard, self._shards.key(shard, "g", self._shards.values.hash_name(key))


class RedisLeases:
    """Leases on Redis. They work while shards are lost, because the rebuild itself needs one."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def acquire(self, name: str, holder: str, *, ttl: float, now: datetime) -> int | None:
        until = rules.to_micros(now + timedelta(seconds=ttl))
        token = await self._run(name, "lease_acquire", holder, rules.to_micros(now), until)
        return None if token is None else int(token)

    async def release(self, name: str, holder: str) -> None:
        await self._run(name, "lease_release", holder)

    async def save_note(self, name: str, token: int, note: str) -> bool:
        return bool(await self._run(name, "lease_save_note", str(token), note))

    async def read_note(self, name: str) -> str:
        note = await self._run(name, "lease_read_note")
        return note.decode() if note else ""

    async def _run(self, name: str, script: str, *arguments: Argument) -> Any:
        shard = shard_of(f"lease:{name}")
        return await self._shards.run_unchecked(shard, script, [self._shards.key(shard, "lease", name)], *arguments)


class RedisKnowledgeHeads:
    """Every turn asks. Callers that ask while a request for the same tenant has not left yet share its answer; a
    request that has left may be answered from before a write that the caller knows of."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._calls: dict[str, Call] = {}

    async def advance(self, tenant: str, partition: int, offset: int) -> None:
        await self._shards.run(*self._place(tenant, "raise_hash_field"), partition, offset)

    async def of(self, tenant: str) -> dict[int, int]:
        shard, script, keys = self._place(tenant, "read_hash")
        call = self._calls.get(tenant)
        if call is None or call.is_sent or call.answer.done():
            call = self._calls[tenant] = self._shards.call(shard, script, keys)
            answer = call.answer
        else:
            answer = call.share()
        try:
            (flat,) = await answer
        finally:
            if self._calls.get(tenant) is call and call.is_sent:
                del self._calls[tenant]
        return {int(partition): int(offset) for partition, offset in codec.pairs(flat)}

    def _place(self, tenant: str, script: str) -> tuple[int, str, list[str]]:
        shard = shard_of(f"knowledge:{tenant}")
        return shard, script, [self._shards.key(shard, "kn", tenant)]


class RedisVisitorTokens:
    """Visitor tokens on Redis. An ended session is stored on the shard of its conversation, so that a rebuild of that
    shard restores it."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def bind(self, identity: str, session: str, *, until: datetime, now: datetime) -> str:
        shard = shard_of(f"identity:{identity}")
        key = self._shards.key(shard, "ui", identity)
        (holder,) = await self._shards.run(shard, "visitor_token_bind", [key], session, count_seconds(until, now))
        return bytes(holder).decode()

    async def revoke(self, conversation: str, session: str, *, until: datetime, now: datetime) -> None:
        shard, key = locate_session(self._shards, conversation, session)
        await self._shards.run(shard, "put_value", [key], "1", count_seconds(until, now))

    async def is_revoked(self, conversation: str, session: str, *, now: datetime) -> bool:
        shard, key = locate_session(self._shards, conversation, session)
        (found,) = await self._shards.run(shard, "read_value", [key])
        return found is not None


def locate_session(shards: Shards, conversation: str, session: str) -> tuple[int, str]:
    """The shard of an ended session, and its key there."""
    shard = shard_of(conversation)
    return shard, shards.key(shard, "rv", session)


def count_seconds(until: datetime, now: datetime) -> int:
    """How long Redis keeps it; never less than is left."""
    return max(1, int((until - now).total_seconds()) + 1)


class RedisAccessTokens:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def put(self, token: AccessToken) -> None:
        shard, key = locate_tokens(self._shards, token.tenant)
        await self._shards.run(shard, "access_token_put", [key], token.id, pack_token(token))

    async def get(self, tenant: str, id: str) -> AccessToken | None:
        shard, key = locate_tokens(self._shards, tenant)
        (body,) = await self._shards.run(shard, "read_hash_field", [key], id)
        return AccessToken.model_validate_json(body[_FLAG:]) if body is not None else None

    async def list_all(self, tenant: str) -> list[AccessToken]:
        shard, key = locate_tokens(self._shards, tenant)
        (flat,) = await self._shards.run(shard, "read_hash", [key])
        return rules.sort_tokens(body[_FLAG:] for _, body in codec.pairs(flat))

    async def remove(self, tenant: str, id: str) -> None:
        shard, key = locate_tokens(self._shards, tenant)
        await self._shards.run(shard, "drop_hash_fields", [key], id)


def locate_tokens(shards: Shards, tenant: str) -> tuple[int, str]:
    """The shard of a tenant's tokens, and their key there."""
    shard = shard_of(rules.access_tokens_key(tenant))
    return shard, shards.key(shard, "at", tenant)


def pack_token(token: AccessToken) -> str:
    return f"{int(token.revoked_at is not None)}{token.model_dump_json()}"
