"""The API tokens of tenants, on Redis: one hash for each tenant."""

from __future__ import annotations

from infra.bus.partitioner import shard_of
from infra.state import rules
from infra.state.redis.client import codec
from infra.state.redis.client.shards import Shards
from schemas.access import AccessToken

_FLAG = 1
"""Bytes before the token in a field: ``1`` if it is revoked, else ``0``, so that the script need not decode JSON."""


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
