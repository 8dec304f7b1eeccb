"""Contacts on Redis. All of a tenant's are on one shard: finding and merging them is one atomic step there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from infra.bus.partitioner import shard_of
from infra.state import contact_merging
from infra.state.redis.client.pipelined_client import Argument
from infra.state.redis.client.shards import Shards, quote_part
from schemas.conversation import Contact
from schemas.errors import StateUnavailable
from schemas.messages import Address
from schemas.ports import ContactUpdate

ATTEMPTS = 50


def shard_for(tenant: str) -> int:
    return shard_of(contact_merging.contacts_key(tenant))


def keys_for(shards: Shards, tenant: str, addresses: Iterable[Address]) -> list[str]:
    """The key prefix of the tenant's contacts, then the key of each address."""
    shard = shard_for(tenant)
    places = [shards.key(shard, "a", tenant, address.channel, address.value) for address in addresses]
    return [shards.key(shard, "ct", quote_part(tenant)), *places]


def put_arguments(
    shards: Shards, contact: Contact, losers: Iterable[Contact], swallowed: Iterable[str], read: dict[str, bytes]
) -> tuple[list[str], list[Argument]]:
    """Keys and arguments of ``contact_put``. ``read``: the stored bodies by contact id."""
    after: dict[str, str] = {loser.id: loser.model_dump_json() for loser in losers}
    after |= dict.fromkeys(swallowed, f">{contact.id}")
    rows: list[Argument] = [part for id_, body in read.items() for part in (id_, body, after.get(id_, ""))]
    keys = keys_for(shards, contact.tenant, [*contact.addresses, *contact.left])
    return keys, [len(contact.addresses), contact.id, contact.model_dump_json(), *rows]


class RedisContacts:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def resolve(
        self,
        tenant: str,
        channel: str,
        account: str,
        place: str,
        addresses: Sequence[Address],
        *,
        now: datetime,
        change: ContactUpdate | None = None,
    ) -> tuple[Contact, str]:
        known = contact_merging.lookup_addresses(channel, place, addresses)
        for _ in range(ATTEMPTS):
            bodies = await self._find(tenant, known)
            contacts = [Contact.model_validate_json(body) for body in bodies.values()]
            resolution = contact_merging.resolve_contact(contacts, tenant, channel, account, place, known, now, change)
            if not (resolution.changed or resolution.merged_ids) or await self._put(resolution, bodies):
                return resolution.contact, resolution.conversation
        raise StateUnavailable("a contact changes faster than it can be written")

    async def preview(
        self, tenant: str, channel: str, account: str, place: str, addresses: Sequence[Address], *, now: datetime
    ) -> tuple[Contact, str]:
        known = contact_merging.lookup_addresses(channel, place, addresses)
        bodies = await self._find(tenant, known)
        contacts = [Contact.model_validate_json(body) for body in bodies.values()]
        resolution = contact_merging.resolve_contact(contacts, tenant, channel, account, place, known, now)
        return resolution.contact, resolution.conversation

    async def get(self, tenant: str, contact: str) -> Contact | None:
        key = self._shards.key(shard_for(tenant), "ct", quote_part(tenant))
        (body,) = await self._shards.run(shard_for(tenant), "contact_get", [key], contact)
        return None if body is None else Contact.model_validate_json(body)

    async def _find(self, tenant: str, addresses: Sequence[Address]) -> dict[str, bytes]:
        """Bodies as stored, by contact id."""
        (flat,) = await self._shards.run(shard_for(tenant), "contact_find", keys_for(self._shards, tenant, addresses))
        return {id_.decode(): body for id_, body in zip(flat[::2], flat[1::2], strict=True)}

    async def _put(self, resolution: contact_merging.ContactResolution, read: dict[str, bytes]) -> bool:
        """False when somebody else was faster."""
        losers = [each for each in resolution.changed if each.id != resolution.contact.id]
        keys, arguments = put_arguments(self._shards, resolution.contact, losers, resolution.merged_ids, read)
        (done,) = await self._shards.run(shard_for(resolution.contact.tenant), "contact_put", keys, *arguments)
        return bool(done)
