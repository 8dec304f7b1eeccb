"""Contacts on Redis. All contacts of a tenant are on one shard: finding and merging them is one atomic step there, and
sorted sets of terms beside them, which ``contact_put`` keeps up to date, are what they are found by. Their keys are
spread like conversations, in one hash for each tenant and shard."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from infra.bus.partitioner import shard_of
from infra.state import contact_lookup, contact_merging, contact_terms, rules
from infra.state.contact_lookup import HASHES, ContactLookup
from infra.state.contact_terms import Entry
from infra.state.redis.client import codec, listing
from infra.state.redis.client.shards import Shards, quote_part
from infra.state.redis.contact_rows import (
    INDEX_NOTES,
    KEY_NOTE,
    StoredContact,
    build_member,
    build_put,
    contacts_key,
    contacts_shard,
    index_key,
    list_members,
    list_rows,
    locate_addresses,
    locate_stored_addresses,
    open_contacts,
)
from infra.state.redis.conversations import RedisTranscript
from schemas.conversation import Contact, Conversation, Origin
from schemas.errors import StateUnavailable
from schemas.messages import Address
from schemas.ports import ContactConversation, ContactPage, ContactUpdate
from schemas.privacy.contact_keys import ContactKey
from schemas.privacy.sealed_bodies import SealedBody, parse_sealed

_END = b"\xff"
"""Sorts after every letter in UTF-8."""
_SPECIAL = re.compile(r"([\[\]*?\\])")
_SCANNED = 2_000
_LISTED_AT_ONCE = 200
_REWRITTEN_AT_ONCE = 100
_READINGS = 3
_CLOCK_SKEW = timedelta(minutes=1)
ATTEMPTS = 50
_UPGRADE_SECONDS = 86_400
"""Time in which all processes of an earlier release are replaced."""
_SHARED = ("l", "k", "u", "ap", "i", "ji", "cc")
"""Keys of the shard that name conversations."""
_COUNTED = {"t:": "messages", "tu:": "turns", "d:": "deliveries", "j:": "actions", "x:": "outbox"}
_OTHERS = ("n:", "p:", "h:", "o:", "dt:", "tz:", "jo:", "jt:")


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
            read = await self._find(tenant, known)
            contacts = [each.contact for each in read.values() if each.contact is not None]
            resolution = contact_merging.resolve_contact(contacts, tenant, channel, account, place, known, now, change)
            if not (resolution.changed or resolution.merged_ids) or await self._put(resolution, read):
                return resolution.contact, resolution.conversation
        raise StateUnavailable("a contact changes faster than it can be written")

    async def preview(
        self, tenant: str, channel: str, account: str, place: str, addresses: Sequence[Address], *, now: datetime
    ) -> tuple[Contact, str]:
        known = contact_merging.lookup_addresses(channel, place, addresses)
        read = await self._find(tenant, known)
        contacts = [each.contact for each in read.values() if each.contact is not None]
        resolution = contact_merging.resolve_contact(contacts, tenant, channel, account, place, known, now)
        return resolution.contact, resolution.conversation

    async def get(self, tenant: str, contact: str) -> Contact | None:
        shard, key = contacts_shard(tenant), contacts_key(self._shards, tenant)
        (stored,) = await self._shards.run(shard, "contact_get", [key], contact)
        body = await self._shards.values.open(stored)
        return None if body is None else Contact.model_validate_json(body)

    async def _find(self, tenant: str, addresses: Sequence[Address]) -> dict[str, StoredContact]:
        """The contacts with these addresses, by id."""
        count, keys = locate_addresses(self._shards, tenant, addresses)
        keys.insert(0, contacts_key(self._shards, tenant))
        (flat,) = await self._shards.run(contacts_shard(tenant), "contact_find", keys, count)
        return await open_contacts(self._shards.values, {id_.decode(): body for id_, body in codec.pairs(flat)})

    async def _put(self, resolution: contact_merging.ContactResolution, read: dict[str, StoredContact]) -> bool:
        """False when somebody else was faster."""
        contact = resolution.contact
        losers = [each for each in resolution.changed if each.id != contact.id]
        keys, arguments = await build_put(
            self._shards, self._shards.values, contact, read, losers=losers, swallowed=resolution.merged_ids
        )
        (done,) = await self._shards.run(contacts_shard(contact.tenant), "contact_put", keys, *arguments)
        return bool(done)


class RedisContactSearch:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._complete: set[tuple[str, bool]] = set()
        """Tenants of whom this process knows that all contacts are in the index, for good; and whether it is sealed."""

    async def search(
        self, tenant: str, query: str, *, channel: str = "", after: str = "", limit: int = 50
    ) -> ContactPage:
        keys = (await self._complete_index(tenant)).sealing_keys
        index = _TenantTerms(self._shards, tenant)
        if keys is None:
            return await contact_terms.search(index, query, channel=channel, after=after, limit=limit)
        return await contact_lookup.search(index, keys, query, channel=channel, after=after, limit=limit)

    async def list_ids(self, tenant: str, contact: str) -> list[str]:
        await self._complete_index(tenant)
        return (await self._list_same(tenant, [contact]))[contact]

    async def list_conversations(
        self, tenant: str, contacts: Collection[str]
    ) -> Mapping[str, Sequence[ContactConversation]]:
        await self._complete_index(tenant)
        same = await self._list_same(tenant, contacts)
        contact_of = {id_: contact for contact, ids in same.items() for id_ in ids}
        found = defaultdict[str, list[tuple[int, str]]](list)
        if contact_of:
            answers = await self._shards.run_on_all(
                "contact_conversations", ("cc", "c"), quote_part(tenant), *contact_of
            )
            for (flat,) in answers:
                for id_, conversation, updated in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
                    found[contact_of[id_.decode()]].append((int(updated), conversation.decode()))
        return contact_terms.sort_conversations(found)

    async def _list_same(self, tenant: str, contacts: Collection[str]) -> dict[str, list[str]]:
        """Each contact's id, and those of all that were merged into it."""
        key = index_key(self._shards, tenant)
        (same,) = await self._shards.run(contacts_shard(tenant), "contact_same", [key], *contacts)
        return {contact: [id_.decode() for id_ in ids] for contact, ids in zip(contacts, same, strict=True)}

    async def seal_contacts(self, tenant: str) -> None:
        """Do as ``State.seal_contacts``."""
        sealer, lookup = self._shards.values.sealer, self._get_lookup(tenant)
        if sealer is None or not lookup.is_sealing:
            return
        shard, note = contacts_shard(tenant), f"{index_key(self._shards, tenant)}:{KEY_NOTE}"
        (name,) = await self._shards.run(shard, "read_value", [note])
        if name is None or name.decode() != lookup.name:
            await self._rewrite_contacts(tenant, lookup.is_current)
            await self._seal_places(tenant)
            await self._shards.run(shard, "contact_index_sealed", [note], lookup.name)

    async def _seal_places(self, tenant: str) -> None:
        after = ""
        while True:
            ids, after = await listing.read_newest(self._shards, tenant, rules.OWNERS, "", after, _LISTED_AT_ONCE)
            for start in range(0, len(ids), _REWRITTEN_AT_ONCE):
                await asyncio.gather(*(self._seal_place(id_) for id_ in ids[start : start + _REWRITTEN_AT_ONCE]))
            if not after:
                return

    async def _seal_place(self, conversation: str) -> None:
        (fields,) = await self._shards.run_for(conversation, "get_conversation", ("c:",))
        if fields[0] is not None and parse_sealed(fields[0]) is None:
            sealed = await self._shards.values.seal_origin(Origin.model_validate_json(fields[0]))
            await self._shards.run_for(conversation, "seal_origin", ("c:",), fields[0], sealed)

    def _get_lookup(self, tenant: str) -> ContactLookup:
        return ContactLookup.of(self._shards.values.sealer, tenant)

    async def _complete_index(self, tenant: str) -> ContactLookup:
        """Add what an earlier release has stored without an index, by reading all of it: at the first search, and again
        a day later, because processes of that release may have gone on writing."""
        lookup = self._get_lookup(tenant)
        if (tenant, lookup.is_sealing) in self._complete:
            return lookup
        shard, note = contacts_shard(tenant), f"{index_key(self._shards, tenant)}:{INDEX_NOTES[lookup.is_sealing]}"
        (done,) = await self._shards.run(shard, "read_value", [note])
        if done is None:
            await self._rewrite_contacts(tenant, lookup.is_found)
            await self._index_conversations(tenant)
            await self._shards.run(shard, "contact_index_done", [note], _UPGRADE_SECONDS)
        elif done == b"for good" and lookup.keys is None:
            self._complete.add((tenant, lookup.is_sealing))
        return lookup

    async def _rewrite_contacts(self, tenant: str, is_done: Callable[[SealedBody | None], bool]) -> None:
        """Store all contacts as they would be now, but those of whom that ``is_done``."""
        start = f"{contacts_key(self._shards, tenant)}:"
        pattern, cursor = _SPECIAL.sub(r"\\\1", start) + "*", b"0"
        shard, client = contacts_shard(tenant), self._shards.client
        while True:
            cursor, keys = await client.command("SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED, shard=shard)
            ids = [key.decode().removeprefix(start) for key in keys]
            for at in range(0, len(ids), _REWRITTEN_AT_ONCE):
                some = ids[at : at + _REWRITTEN_AT_ONCE]
                await asyncio.gather(*(self._rewrite_contact(tenant, id_, is_done) for id_ in some))
            if int(cursor) == 0:
                return

    async def _rewrite_contact(self, tenant: str, id_: str, is_done: Callable[[SealedBody | None], bool]) -> None:
        shard, key, index = contacts_shard(tenant), contacts_key(self._shards, tenant), index_key(self._shards, tenant)
        lookup = self._get_lookup(tenant)
        for _ in range(ATTEMPTS):
            ((body,),) = await self._shards.run(shard, "contact_bodies", [key], id_)
            if body is None or is_done(parse_sealed(body)):
                return
            stored = (await open_contacts(self._shards.values, {id_: body}))[id_]
            if stored.contact is None and body[:1] != b">":
                return  # erased
            if stored.contact is not None and lookup.keys is not None:
                keys, arguments = await build_put(self._shards, self._shards.values, stored.contact, {id_: stored})
                if (await self._shards.run(shard, "contact_put", keys, *arguments))[0]:
                    return
                continue
            members = list_members(lookup, stored.contact) if stored.contact is not None else []
            rows = [part for row in members for part in row]
            if (await self._shards.run(shard, "contact_index", [key, index], id_, body, *rows))[0]:
                return
        raise StateUnavailable("a contact changes faster than it can be indexed")

    async def _index_conversations(self, tenant: str) -> None:
        """Read the list of conversations, then again what became active meanwhile and so moved to its beginning."""
        since: datetime | None = None
        for _ in range(_READINGS):
            since = await self._index_active(tenant, since)

    async def _index_active(self, tenant: str, since: datetime | None) -> datetime | None:
        """Add the conversations that were active since then. Returns when the last one was."""
        after, newest = "", None
        while True:
            ids, after = await listing.read_newest(self._shards, tenant, rules.OWNERS, "", after, _LISTED_AT_ONCE)
            found = [each for each in await listing.load(self._shards, ids) if each is not None]
            newest = newest or max((each.updated_at for each in found), default=None)
            await asyncio.gather(*(self._index_conversation(each) for each in found))
            is_known = since is not None and any(each.updated_at < since - _CLOCK_SKEW for each in found)
            if not after or is_known:
                return newest

    async def _index_conversation(self, conversation: Conversation) -> None:
        origin = conversation.origin
        arguments = (quote_part(origin.tenant), origin.contact_id, conversation.id)
        await self._shards.run_for(conversation.id, "contact_conversation_add", ("cc",), *arguments)


class _TenantTerms:
    def __init__(self, shards: Shards, tenant: str) -> None:
        self._shards = shards
        self._shard = contacts_shard(tenant)
        self._keys = contacts_key(shards, tenant), index_key(shards, tenant)

    async def read(self, channel: str, prefix: str, after: Entry | None, count: int) -> list[Entry]:
        first = b"[" + prefix.encode() if after is None else b"(" + build_member(*after)
        members = await self._read(channel, first, b"(" + prefix.encode() + _END, count)
        parts = (member.decode().split("\0") for member in members)
        return [(term, contact) for term, contact in parts]

    async def list_contacts(self, term: str, prefix: str, after: str, count: int) -> list[str]:
        first = b"(" + build_member(term, after) if after >= prefix and after else b"[" + build_member(term, prefix)
        members = await self._read(HASHES, first, b"(" + build_member(term, prefix) + _END, count)
        return [member.decode().split("\0")[1] for member in members]

    async def _read(self, channel: str, first: bytes, last: bytes, count: int) -> list[bytes]:
        (members,) = await self._shards.run(self._shard, "contact_terms", self._keys[1:], channel, first, last, count)
        found: list[bytes] = members
        return found

    async def load(self, contacts: Sequence[str]) -> list[Contact | None]:
        (bodies,) = await self._shards.run(self._shard, "contact_bodies", self._keys[:1], *contacts)
        found = await open_contacts(self._shards.values, dict(zip(contacts, bodies, strict=True)))
        return [found[id_].contact if id_ in found else None for id_ in contacts]


class RedisContactKeys:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def get(self, tenant: str, contact: str) -> ContactKey | None:
        shard, key = locate_keys(self._shards, tenant, contact)
        (stored,) = await self._shards.run(shard, "read_hash_field", [key], contact)
        return None if stored is None else _unpack(stored)

    async def get_each(self, owners: Sequence[tuple[str, str]]) -> Sequence[ContactKey | None]:
        places = [(*locate_keys(self._shards, *owner), owner[1]) for owner in owners]
        return [None if stored is None else _unpack(stored) for stored in await self._shards.read_fields(places)]

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


class RedisContactErasure:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def erase_conversation(self, conversation: str) -> Mapping[str, int]:
        kinds = ("c:", *_SHARED, *_COUNTED, *_OTHERS)
        existed, *counts = await self._shards.run_for(conversation, "erase_conversation", kinds, conversation)
        return {
            "conversations": int(existed),
            **{kind: int(count) for kind, count in zip(_COUNTED.values(), counts, strict=True)},
        }

    async def redact(self, conversation: str, messages: Sequence[str], turns: Sequence[str]) -> Mapping[str, int]:
        transcript = RedisTranscript(self._shards)
        counts = {"redacted_messages": 0, "turns": 0}
        for message in messages:
            counts["redacted_messages"] += await transcript.redact(conversation, message)
        if turns:
            (counts["turns"],) = map(
                int, await self._shards.run_for(conversation, "turns_remove", ("tu:", "tz:"), *turns)
            )
        return counts

    async def erase_contact(self, tenant: str, contact: str) -> Mapping[str, int]:
        shard, index = contacts_shard(tenant), index_key(self._shards, tenant)
        start, lookup = contacts_key(self._shards, tenant), ContactLookup.of(self._shards.values.sealer, tenant)
        for _ in range(ATTEMPTS):
            ((ids,),) = await self._shards.run(shard, "contact_same", [index], contact)
            (bodies,) = await self._shards.run(shard, "contact_bodies", [start], *ids)
            found = {id_.decode(): body for id_, body in zip(ids, bodies, strict=True)}
            read = await open_contacts(self._shards.values, found)
            if not read:
                return {"contacts": 0, "addresses": 0}
            keys = [start, *locate_stored_addresses(self._shards, tenant, read.values()), index]
            bodies_read = [part for each in read.values() for part in (each.id, each.body)]
            rows = [part for each in read.values() for row in sorted(list_rows(lookup, each)) for part in ("-", *row)]
            (done, count) = await self._shards.run(shard, "erase_contact", keys, len(read), *bodies_read, *rows)
            if done:
                return {"contacts": len(read), "addresses": int(count)}
        raise StateUnavailable("a contact changes faster than it can be erased")

    async def remove_copies(self) -> None:
        """Ask for a new append-only file. Redis refuses where it rewrites one already, and where our user may not."""
        client = self._shards.client
        for shard in await client.list_shards():
            with suppress(StateUnavailable):
                await client.command("BGREWRITEAOF", shard=shard)
