"""Search of contacts, on Redis: sorted sets of terms beside the tenant's contacts, which ``contact_put`` keeps up to
date, and on each shard the conversations of each contact."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from infra.bus.partitioner import shard_of
from infra.state import contact_merging, contact_terms, rules
from infra.state.contact_terms import Entry
from infra.state.redis.client import listing
from infra.state.redis.client.call import Argument
from infra.state.redis.client.shards import Shards, quote_part
from schemas.conversation import Contact, Conversation
from schemas.errors import StateUnavailable
from schemas.ports import ContactConversation, ContactPage

_END = b"\xff"
"""Sorts after every letter in UTF-8."""
_SPECIAL = re.compile(r"([\[\]*?\\])")
_SCANNED = 2_000
_LISTED_AT_ONCE = 200
_READINGS = 3
_CLOCK_SKEW = timedelta(minutes=1)
_ATTEMPTS = 50
_UPGRADE_SECONDS = 86_400
"""Time in which all processes of an earlier release are replaced."""


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
        while True:
            cursor, keys = await self._shards.client.command("SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED)
            await asyncio.gather(*(self._index_contact(tenant, key.decode().removeprefix(start)) for key in keys))
            if int(cursor) == 0:
                return

    async def _index_contact(self, tenant: str, id_: str) -> None:
        shard, keys = contacts_shard(tenant), [contacts_key(self._shards, tenant), index_key(self._shards, tenant)]
        for _ in range(_ATTEMPTS):
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
