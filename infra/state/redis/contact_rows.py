"""Keys and values of contacts on Redis, and the changes of what they are found by. All contacts of a tenant are on one
shard. A sealed contact names its rows, so that they can be removed once nobody can open it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from infra.bus.partitioner import shard_of
from infra.state import contact_merging
from infra.state.contact_lookup import HASHES, KEY_FIELD, ContactLookup
from infra.state.redis.client.call import Argument
from infra.state.redis.client.sealed_values import SealedValues
from infra.state.redis.client.shards import Shards, quote_part
from schemas.conversation import Contact
from schemas.messages import Address
from schemas.privacy.sealed_bodies import BodyOwner, SealedBody, parse_sealed

Row = tuple[str, bytes]
"""``(channel, term with contact)``"""
INDEX_NOTES = {False: "done", True: "hashed"}
"""The notes that all contacts of a tenant are in the index, in the form in which they are written: sealed or not."""
KEY_NOTE = "sealed"
"""The note that all of them are sealed. It names the key under which they are found."""
_ADDRESSES, _TERMS = "addresses", "terms"


@dataclass(frozen=True, slots=True)
class StoredContact:
    """A contact as it was read. ``body`` is empty if there was none; ``contact`` is None also if it was merged into
    another, or was erased."""

    id: str
    body: bytes = b""
    contact: Contact | None = None
    sealed: SealedBody | None = None


async def open_contacts(values: SealedValues, bodies: Mapping[str, bytes | None]) -> dict[str, StoredContact]:
    """``bodies``: as stored, by contact id."""
    found = {id_: body for id_, body in bodies.items() if body}
    opened = await values.open_all([None if body[:1] == b">" else body for body in found.values()])
    stored = {}
    for (id_, body), plain in zip(found.items(), opened, strict=True):
        contact = None if plain is None else Contact.model_validate_json(plain)
        stored[id_] = StoredContact(id_, body, contact, parse_sealed(body))
    return stored


def contacts_shard(tenant: str) -> int:
    return shard_of(contact_merging.contacts_key(tenant))


def contacts_key(shards: Shards, tenant: str) -> str:
    """How the keys of a tenant's contacts begin."""
    return shards.key(contacts_shard(tenant), "ct", quote_part(tenant))


def index_key(shards: Shards, tenant: str) -> str:
    """How the keys of the index of a tenant's contacts begin."""
    return shards.key(contacts_shard(tenant), "ci", quote_part(tenant))


def locate_addresses(shards: Shards, tenant: str, addresses: Iterable[Address]) -> tuple[int, list[str]]:
    """How many keys each address may have, and all of them one after the other, that to write first."""
    lookup, shard = ContactLookup.of(shards.values.sealer, tenant), contacts_shard(tenant)
    count, keys = lookup.values_each, list[str]()
    for address in addresses:
        own = [shards.key(shard, "a", tenant, address.channel, value) for value in lookup.list_values(address)]
        keys += own + own[:1] * (count - len(own))
    return count, keys


def locate_stored_addresses(shards: Shards, tenant: str, stored: Iterable[StoredContact]) -> list[str]:
    """The keys under which the addresses of contacts may be, also of those that nobody can open."""
    keys, shard = list[str](), contacts_shard(tenant)
    for each in stored:
        if each.sealed is not None:
            named = each.sealed.readable_fields.get(_ADDRESSES, ())
            keys += [shards.key(shard, "a", tenant, channel, value) for channel, value in named]
        if each.contact is not None:
            keys += locate_addresses(shards, tenant, [*each.contact.addresses, *each.contact.left])[1]
    return list(dict.fromkeys(keys))


async def build_put(
    shards: Shards,
    values: SealedValues,
    contact: Contact,
    read: Mapping[str, StoredContact],
    *,
    losers: Sequence[Contact] = (),
    swallowed: Iterable[str] = (),
) -> tuple[list[str], list[Argument]]:
    """Keys and arguments of ``contact_put``. ``read``: what was read, by contact id."""
    lookup = ContactLookup.of(shards.values.sealer, contact.tenant)
    after: dict[str, Argument] = {each.id: await _seal(values, each, lookup) for each in losers}
    after |= dict.fromkeys(swallowed, f">{contact.id}")
    rows: list[Argument] = [part for id_, each in read.items() for part in (id_, each.body, after.get(id_, ""))]
    before = [each for id_, each in read.items() if id_ in {contact.id, *after}]
    count, keys = locate_addresses(shards, contact.tenant, [*contact.addresses, *contact.left])
    body = await _seal(values, contact, lookup)
    return [contacts_key(shards, contact.tenant), *keys, index_key(shards, contact.tenant)], [
        *(len(contact.addresses), count, contact.id, body, len(read), *rows),
        *_list_changes(lookup, before, [contact, *losers]),
        *_list_notes(lookup),
    ]


async def _seal(values: SealedValues, contact: Contact, lookup: ContactLookup) -> bytes:
    readable: list[tuple[str, object]] = []
    if lookup.is_sealing:
        known = [*contact.addresses, *contact.left]
        readable = [
            (KEY_FIELD, lookup.name),
            (_ADDRESSES, [(each.channel, lookup.list_values(each)[0]) for each in known]),
            (_TERMS, sorted(term for _, term in lookup.list_rows(contact))),
        ]
    return await values.seal_for(BodyOwner(contact.tenant, contact.id), contact.model_dump_json(), readable)


def list_rows(lookup: ContactLookup, stored: StoredContact) -> set[Row]:
    """The rows that a contact may have."""
    rows: set[Row] = set()
    if stored.sealed is not None:
        rows = {(HASHES, build_member(term, stored.id)) for term in stored.sealed.readable_fields.get(_TERMS, ())}
    elif stored.contact is not None:
        rows = {*list_members(ContactLookup(), stored.contact), *list_members(lookup, stored.contact)}
    return rows


def _list_changes(lookup: ContactLookup, before: Iterable[StoredContact], now: Iterable[Contact]) -> list[Argument]:
    """The changes of the index, as ``contact_put`` takes them."""
    stored = list(before)
    old = {row for each in stored for row in list_rows(lookup, each)}
    # Of a contact that was written plain nobody knows which rows it has where others are sealed.
    known = old if not lookup.is_sealing else {r for each in stored if each.sealed for r in list_rows(lookup, each)}
    new = {row for contact in now for row in list_members(lookup, contact)}
    changes = [*(("-", *row) for row in sorted(old - new)), *(("+", *row) for row in sorted(new - known))]
    return [part for change in changes for part in change]


def _list_notes(lookup: ContactLookup) -> list[Argument]:
    """The notes about rows of another form, or under another key, which hold no longer."""
    if lookup.keys is None:
        return []
    return ["!", INDEX_NOTES[not lookup.is_sealing], "", "!", KEY_NOTE, lookup.name]


def list_members(lookup: ContactLookup, contact: Contact) -> list[Row]:
    return [(channel, build_member(term, contact.id)) for channel, term in lookup.list_rows(contact)]


def build_member(term: str, contact: str) -> bytes:
    return f"{term}\0{contact}".encode()
