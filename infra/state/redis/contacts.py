"""Contacts on Redis. All contacts of a tenant are on one shard: finding and merging them is one atomic step there, and
sorted sets of terms beside them, which ``contact_put`` keeps up to date, are what they are found by. Their keys are
spread like conversations, in one hash for each tenant and shard."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from infra.bus.partitioner import shard_of
from infra.state import contact_merging, contact_terms, rules
from infra.state.contact_terms import Entry
from infra.state.redis.client import listing
from infra.state.redis.client.call import Argument
from infra.state.redis.client.shards import Shards, quote_part
from infra.state.redis.conversations import RedisTranscript
from schemas.conversation import Contact, Conversation
from schemas.errors import StateUnavailable
from schemas.messages import Address
from schemas.ports import ContactConversation, ContactPage, ContactUpdate
from schemas.privacy.contact_keys import ContactKey

_END = b"\xff"
"""Sorts after every letter in UTF-8."""
_SPECIAL = re.compile(r"([\[\]*?\\])")
_SCANNED = 2_000
_LISTED_AT_ONCE = 200
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
        shard, key = contacts_shard(tenant), contacts_key(self._shards, tenant)
        (body,) = await self._shards.run(shard, "contact_get", [key], contact)
        return None if body is None else Contact.model_validate_json(body)

    async def _find(self, tenant: str, addresses: Sequence[Address]) -> dict[str, bytes]:
        """Bodies as stored, by contact id."""
        (flat,) = await self._shards.run(
            contacts_shard(tenant), "contact_find", locate_addresses(self._shards, tenant, addresses)
        )
        return {id_.decode(): body for id_, body in zip(flat[::2], flat[1::2], strict=True)}

    async def _put(self, resolution: contact_merging.ContactResolution, read: dict[str, bytes]) -> bool:
        """False when somebody else was faster."""
        losers = [each for each in resolution.changed if each.id != resolution.contact.id]
        keys, arguments = contact_put_arguments(self._shards, resolution.contact, losers, resolution.merged_ids, read)
        shard = contacts_shard(resolution.contact.tenant)
        (done,) = await self._shards.run(shard, "contact_put", keys, *arguments)
        return bool(done)


def locate_addresses(shards: Shards, tenant: str, addresses: Iterable[Address]) -> list[str]:
    """The key prefix of the tenant's contacts, then the key of each address."""
    shard = contacts_shard(tenant)
    places = [shards.key(shard, "a", tenant, address.channel, address.value) for address in addresses]
    return [contacts_key(shards, tenant), *places]


def contact_put_arguments(
    shards: Shards, contact: Contact, losers: Sequence[Contact], swallowed: Iterable[str], read: dict[str, bytes]
) -> tuple[list[str], list[Argument]]:
    """Keys and arguments of ``contact_put``. ``read``: the stored bodies by contact id."""
    after: dict[str, str] = {loser.id: loser.model_dump_json() for loser in losers}
    after |= dict.fromkeys(swallowed, f">{contact.id}")
    rows: list[Argument] = [part for id_, body in read.items() for part in (id_, body, after.get(id_, ""))]
    before = [Contact.model_validate_json(body) for id_, body in read.items() if body and id_ in {contact.id, *after}]
    terms = list_changes(before, [contact, *losers])
    keys = locate_addresses(shards, contact.tenant, [*contact.addresses, *contact.left])
    keys.append(index_key(shards, contact.tenant))
    return keys, [len(contact.addresses), contact.id, contact.model_dump_json(), len(read), *rows, *terms]


class RedisContactSearch:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._complete: set[str] = set()
        """Tenants of whom this process knows that all contacts are in the index."""

    async def search(
        self, tenant: str, query: str, *, channel: str = "", after: str = "", limit: int = 50
    ) -> ContactPage:
        await self._complete_index(tenant)
        index = _TenantTerms(self._shards, tenant)
        return await contact_terms.search(index, query, channel=channel, after=after, limit=limit)

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

    async def _complete_index(self, tenant: str) -> None:
        """Add what an earlier release has stored without an index, by reading all of it: at the first search, and again
        a day later, because processes of that release may have gone on writing."""
        if tenant in self._complete:
            return
        shard, note = contacts_shard(tenant), f"{index_key(self._shards, tenant)}:done"
        (done,) = await self._shards.run(shard, "read_value", [note])
        if done is None:
            await self._index_contacts(tenant)
            await self._index_conversations(tenant)
            await self._shards.run(shard, "contact_index_done", [note], _UPGRADE_SECONDS)
        elif done == b"for good":
            self._complete.add(tenant)

    async def _index_contacts(self, tenant: str) -> None:
        start = f"{contacts_key(self._shards, tenant)}:"
        pattern, cursor = _SPECIAL.sub(r"\\\1", start) + "*", b"0"
        shard, client = contacts_shard(tenant), self._shards.client
        while True:
            cursor, keys = await client.command("SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED, shard=shard)
            await asyncio.gather(*(self._index_contact(tenant, key.decode().removeprefix(start)) for key in keys))
            if int(cursor) == 0:
                return

    async def _index_contact(self, tenant: str, id_: str) -> None:
        shard, keys = contacts_shard(tenant), [contacts_key(self._shards, tenant), index_key(self._shards, tenant)]
        for _ in range(ATTEMPTS):
            ((body,),) = await self._shards.run(shard, "contact_bodies", keys[:1], id_)
            if body is None:
                return
            is_merged = body[:1] == b">"
            members = [] if is_merged else _list_members(Contact.model_validate_json(body))
            rows = [part for row in members for part in row]
            if (await self._shards.run(shard, "contact_index", keys, id_, body, *rows))[0]:
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
        first = b"[" + prefix.encode() if after is None else b"(" + _member(*after)
        last = b"(" + prefix.encode() + _END
        (members,) = await self._shards.run(self._shard, "contact_terms", self._keys[1:], channel, first, last, count)
        parts = (member.decode().split("\0") for member in members)
        return [(term, contact) for term, contact in parts]

    async def load(self, contacts: Sequence[str]) -> list[Contact | None]:
        (bodies,) = await self._shards.run(self._shard, "contact_bodies", self._keys[:1], *contacts)
        return [None if body is None or body[:1] == b">" else Contact.model_validate_json(body) for body in bodies]


def contacts_shard(tenant: str) -> int:
    return shard_of(contact_merging.contacts_key(tenant))


def contacts_key(shards: Shards, tenant: str) -> str:
    """How the keys of a tenant's contacts begin."""
    return shards.key(contacts_shard(tenant), "ct", quote_part(tenant))


def index_key(shards: Shards, tenant: str) -> str:
    """How the keys of the index of a tenant's contacts begin."""
    return shards.key(contacts_shard(tenant), "ci", quote_part(tenant))


def list_changes(before: Iterable[Contact], now: Iterable[Contact]) -> list[Argument]:
    """The changes of the index, as ``contact_put`` takes them."""
    old = {row for contact in before for row in _list_members(contact)}
    new = {row for contact in now for row in _list_members(contact)}
    changes = [*(("-", *row) for row in sorted(old - new)), *(("+", *row) for row in sorted(new - old))]
    return [part for change in changes for part in change]


def _list_members(contact: Contact) -> list[tuple[str, bytes]]:
    return [(channel, _member(term, contact.id)) for channel, term in contact_terms.list_rows(contact)]


def _member(term: str, contact: str) -> bytes:
    return f"{term}\0{contact}".encode()


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
        start = contacts_key(self._shards, tenant)
        for _ in range(ATTEMPTS):
            ((ids,),) = await self._shards.run(shard, "contact_same", [index], contact)
            (bodies,) = await self._shards.run(shard, "contact_bodies", [start], *ids)
            read = {id_: body for id_, body in zip(ids, bodies, strict=True) if body is not None}
            if not read:
                return {"contacts": 0, "addresses": 0}
            known = [Contact.model_validate_json(body) for body in read.values() if body[:1] != b">"]
            addresses = [address for each in known for address in (*each.addresses, *each.left)]
            keys = [start, *locate_addresses(self._shards, tenant, addresses)[1:], index]
            rows = [part for row in read.items() for part in row]
            terms = list_changes(known, [])
            (done, count) = await self._shards.run(shard, "erase_contact", keys, len(read), *rows, *terms)
            if done:
                return {"contacts": len(read), "addresses": int(count)}
        raise StateUnavailable("a contact changes faster than it can be erased")

    async def remove_copies(self) -> None:
        """Ask for a new append-only file. Redis refuses where it rewrites one already, and where our user may not."""
        client = self._shards.client
        for shard in await client.list_servers():
            with suppress(StateUnavailable):
                await client.command("BGREWRITEAOF", shard=shard)
