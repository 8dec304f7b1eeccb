"""Contacts on Redis. All of a tenant's live on one shard: finding and merging them is one atomic step there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from infra.bus.partitioner import shard_of
from infra.state import kinship
from infra.state.redis.shards import Shards, quoted
from schemas.conversation import Contact
from schemas.errors import StateUnavailable
from schemas.messages import Address

ATTEMPTS = 50


def shard_for(tenant: str) -> int:
    return shard_of(kinship.home(tenant))


def keys_for(shards: Shards, tenant: str, addresses: Iterable[Address]) -> list[str]:
    """The key before all contacts of the tenant, then the key of each address."""
    shard = shard_for(tenant)
    places = [shards.key(shard, "a", tenant, address.channel, address.value) for address in addresses]
    return [shards.key(shard, "ct", quoted(tenant)), *places]


class RedisContacts:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def resolve(
        self, tenant: str, channel: str, account: str, place: str, addresses: Sequence[Address], *, now: datetime
    ) -> tuple[Contact, str]:
        known = kinship.known_as(channel, place, addresses)
        for _ in range(ATTEMPTS):
            bodies = await self._find(tenant, known)
            found = [Contact.model_validate_json(body) for body in bodies.values()]
            contact, conversation = kinship.resolved(found, tenant, channel, account, place, known, now)
            if found == [contact] or await self._put(contact, bodies):
                return contact, conversation
        raise StateUnavailable("a contact changes faster than it can be written")

    async def get(self, tenant: str, contact: str) -> Contact | None:
        key = self._shards.key(shard_for(tenant), "ct", quoted(tenant))
        (body,) = await self._shards.run(shard_for(tenant), "contact_get", [key], contact)
        return None if body is None else Contact.model_validate_json(body)

    async def _find(self, tenant: str, addresses: Sequence[Address]) -> dict[bytes, bytes]:
        """Bodies as stored, by contact id."""
        (flat,) = await self._shards.run(shard_for(tenant), "contact_find", keys_for(self._shards, tenant, addresses))
        return dict(zip(flat[::2], flat[1::2], strict=True))

    async def _put(self, contact: Contact, read: dict[bytes, bytes]) -> bool:
        """False when somebody else was faster."""
        was = [part for item in read.items() for part in item]
        (written,) = await self._shards.run(
            shard_for(contact.tenant),
            "contact_put",
            keys_for(self._shards, contact.tenant, contact.addresses),
            contact.id,
            contact.model_dump_json(),
            *was,
        )
        return bool(written)
