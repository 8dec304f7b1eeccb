"""The keys of contacts, on Redis: one hash for each tenant and shard, so that they are spread like conversations."""

from __future__ import annotations

from infra.bus.partitioner import shard_of
from infra.state.redis.client.shards import Shards
from schemas.privacy.contact_keys import ContactKey


class RedisContactKeys:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def get(self, tenant: str, contact: str) -> ContactKey | None:
        shard, key = locate_keys(self._shards, tenant, contact)
        (stored,) = await self._shards.run(shard, "read_hash_field", [key], contact)
        return None if stored is None else _unpack(stored)

    async def put(self, key: ContactKey) -> ContactKey:
        shard, place = locate_keys(self._shards, key.tenant, key.contact_id)
        (stored,) = await self._shards.run(shard, "contact_key_put", [place], *pack_key(key))
        return _unpack(stored)

    async def remove(self, key: ContactKey) -> bool:
        shard, place = locate_keys(self._shards, key.tenant, key.contact_id)
        (is_gone,) = await self._shards.run(shard, "contact_key_remove", [place], key.contact_id, key.rank)
        return bool(is_gone)


def locate_keys(shards: Shards, tenant: str, contact: str) -> tuple[int, str]:
    """The shard of a contact's key, and the hash there."""
    shard = shard_of(contact)
    return shard, shards.key(shard, "ck", tenant)


def pack_key(key: ContactKey) -> tuple[str, str, str]:
    """The arguments of ``contact_key_put``: contact, rank, body. The rank stands before the body in the field, so that
    the script need not decode JSON."""
    return key.contact_id, key.rank, key.model_dump_json()


def _unpack(stored: bytes) -> ContactKey:
    return ContactKey.model_validate_json(stored[stored.index(b"{") :])
