"""Contacts on SQLite: each transition is one transaction of the single writer. What they are found by is a table of
terms, which ``contact_rows`` keeps up to date."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from infra.state import contact_lookup, contact_merging, contact_terms
from infra.state.contact_lookup import HASHES, ContactLookup
from infra.state.contact_terms import Entry
from infra.state.sqlite import contact_rows as rows
from infra.state.sqlite import conversation_rows, transcript
from infra.state.sqlite.sealed_rows import load_key, put_key
from infra.state.sqlite.store import ALL_SHARDS, Store
from schemas.conversation import Contact
from schemas.messages import Address
from schemas.ports import ContactConversation, ContactPage, ContactUpdate
from schemas.privacy.contact_keys import ContactKey
from schemas.privacy.sealed_bodies import BodySealer

_LAST = "\U0010ffff"
"""Sorts after every letter."""
READ_TERMS = (
    "SELECT term, contact FROM state_contact_terms WHERE tenant = ? AND channel = ?"
    " AND term >= ? AND term < ? AND (term, contact) > (?, ?) ORDER BY term, contact LIMIT ?"
)
READ_CONVERSATIONS = "SELECT id, updated_at FROM state_conversations WHERE tenant = ? AND contact_id = ?"
READ_HASHES = (
    "SELECT contact FROM state_contact_terms WHERE tenant = ? AND channel = ? AND term = ?"
    " AND contact > ? AND contact >= ? AND contact < ? ORDER BY contact LIMIT ?"
)
READ_AT_ONCE = 500
WRITTEN_AT_ONCE = 50
"""Contacts that one transaction rewrites: about ten milliseconds."""
_COUNTED = {
    "state_conversations": ("id", "conversations"),
    "state_transcript": ("conversation", "messages"),
    "state_turns": ("conversation", "turns"),
    "state_deliveries": ("conversation", "deliveries"),
    "state_actions": ("conversation", "actions"),
    "state_outbox": ("conversation", "outbox"),
}
"""The tables whose rows are reported: the column of the conversation, and the kind."""
_OTHERS = (
    "state_handled",
    "state_claims",
    "state_holders",
    "state_approvals",
    "state_transcript_heads",
    "state_external_ids",
)


class SqliteContacts:
    def __init__(self, store: Store) -> None:
        self._store = store

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

        def look(connection: sqlite3.Connection) -> contact_merging.ContactResolution:
            contacts = rows.find_by_addresses(connection, tenant, known)
            return contact_merging.resolve_contact(contacts, tenant, channel, account, place, known, now, change)

        def resolve(connection: sqlite3.Connection) -> contact_merging.ContactResolution:
            resolution = look(connection)
            rows.save_contacts(
                connection, tenant, resolution.changed, resolution.merged_ids, into=resolution.contact.id
            )
            return resolution

        # Nearly every message comes from a known contact: that must not wait for the writer.
        resolution = await self._store.read(contact_merging.contacts_key(tenant), look)
        if resolution.changed or resolution.merged_ids:
            resolution = await self._store.write(contact_merging.contacts_key(tenant), resolve)
        return resolution.contact, resolution.conversation

    async def preview(
        self, tenant: str, channel: str, account: str, place: str, addresses: Sequence[Address], *, now: datetime
    ) -> tuple[Contact, str]:
        known = contact_merging.lookup_addresses(channel, place, addresses)
        contacts = await self._store.read(
            contact_merging.contacts_key(tenant), lambda connection: rows.find_by_addresses(connection, tenant, known)
        )
        resolution = contact_merging.resolve_contact(contacts, tenant, channel, account, place, known, now)
        return resolution.contact, resolution.conversation

    async def get(self, tenant: str, contact: str) -> Contact | None:
        return await self._store.read(
            contact_merging.contacts_key(tenant), lambda connection: rows.load_contact(connection, tenant, contact)
        )


class SqliteContactSearch:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def search(
        self, tenant: str, query: str, *, channel: str = "", after: str = "", limit: int = 50
    ) -> ContactPage:
        lookup = self._get_lookup(tenant)
        await self._complete_index(tenant, lookup)
        index = _TenantTerms(self._store, tenant)
        if lookup.sealing_keys is None:
            return await contact_terms.search(index, query, channel=channel, after=after, limit=limit)
        return await contact_lookup.search(index, lookup.sealing_keys, query, channel=channel, after=after, limit=limit)

    async def list_ids(self, tenant: str, contact: str) -> list[str]:
        return await self._store.read(
            contact_merging.contacts_key(tenant), lambda connection: rows.list_same(connection, tenant, contact)
        )

    async def list_conversations(
        self, tenant: str, contacts: Collection[str]
    ) -> Mapping[str, Sequence[ContactConversation]]:
        def work(connection: sqlite3.Connection) -> Mapping[str, Sequence[ContactConversation]]:
            found = defaultdict[str, list[tuple[int, str]]](list)
            for contact in contacts:
                for same in rows.list_same(connection, tenant, contact):
                    own = connection.execute(READ_CONVERSATIONS, (tenant, same))
                    found[contact] += [(updated, id_) for id_, updated in own]
            return contact_terms.sort_conversations(found)

        return await self._store.read(ALL_SHARDS, work)

    async def seal_contacts(self, tenant: str) -> None:
        """Do as ``State.seal_contacts``."""
        sealer, lookup = self._store.sealer, self._get_lookup(tenant)
        if sealer is None or not lookup.is_sealing:
            return
        key, mark = contact_merging.contacts_key(tenant), rows.locate_key_mark(lookup)
        if not await self._store.read(key, partial(rows.is_marked, tenant=tenant, mark=mark)):
            await self._rewrite(tenant, sealer)
            await self._seal_places(tenant, sealer)
            for each in (rows.locate_index_mark(lookup), mark):
                await self._store.write(key, partial(rows.add_mark, tenant=tenant, mark=each))

    async def _seal_places(self, tenant: str, sealer: BodySealer) -> None:
        place = ""
        while True:
            look = partial(conversation_rows.list_plain, tenant=tenant, after=place, count=WRITTEN_AT_ONCE)
            plain = await self._store.read(ALL_SHARDS, look)
            if not plain:
                return
            place = plain[-1][0]
            await asyncio.gather(*(sealer.keys.get_or_create(tenant, contact) for _, contact in plain if contact))
            await self._store.write(ALL_SHARDS, partial(conversation_rows.seal_places, ids=[id_ for id_, _ in plain]))

    async def _complete_index(self, tenant: str, lookup: ContactLookup) -> None:
        """Let contacts be found that an earlier release has stored."""
        key, mark = contact_merging.contacts_key(tenant), rows.locate_index_mark(lookup)
        if not await self._store.read(key, partial(rows.is_marked, tenant=tenant, mark=mark)):
            await self._rewrite(tenant)
            await self._store.write(key, partial(rows.add_mark, tenant=tenant, mark=mark))

    async def _rewrite(self, tenant: str, sealer: BodySealer | None = None) -> None:
        """Store contacts as they would be now: all with ``sealer``, which makes keys for those who have none; else
        those that would not be found."""
        key, place = contact_merging.contacts_key(tenant), ""
        while True:
            look = partial(
                rows.list_outdated, tenant=tenant, after=place, count=READ_AT_ONCE, only_unfound=sealer is None
            )
            outdated, place = await self._store.read(key, look)
            for start in range(0, len(outdated), WRITTEN_AT_ONCE):
                some = outdated[start : start + WRITTEN_AT_ONCE]
                if sealer is not None:
                    await asyncio.gather(*(sealer.keys.get_or_create(tenant, contact) for contact in some))
                await self._store.write(key, partial(rows.rewrite_contacts, tenant=tenant, contacts=some))
            if not place:
                return

    def _get_lookup(self, tenant: str) -> ContactLookup:
        return ContactLookup.of(self._store.sealer, tenant)


class _TenantTerms:
    def __init__(self, store: Store, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    async def read(self, channel: str, prefix: str, after: Entry | None, count: int) -> list[Entry]:
        start, last = after or (prefix, "")
        values = (self._tenant, channel, max(prefix, start), prefix + _LAST, start, last, count)
        key = contact_merging.contacts_key(self._tenant)
        return await self._store.read(key, lambda connection: connection.execute(READ_TERMS, values).fetchall())

    async def list_contacts(self, term: str, prefix: str, after: str, count: int) -> list[str]:
        values = (self._tenant, HASHES, term, after, prefix, prefix + _LAST, count)
        key = contact_merging.contacts_key(self._tenant)
        return await self._store.read(
            key, lambda connection: [id_ for (id_,) in connection.execute(READ_HASHES, values)]
        )

    async def load(self, contacts: Sequence[str]) -> list[Contact | None]:
        query = "SELECT body FROM state_contacts WHERE tenant = ? AND id = ?"

        def work(connection: sqlite3.Connection) -> list[Contact | None]:
            found = (connection.execute(query, (self._tenant, id_)).fetchone() for id_ in contacts)
            return [rows.open_contact(connection, row[0]) if row else None for row in found]

        return await self._store.read(contact_merging.contacts_key(self._tenant), work)


class SqliteContactKeys:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, tenant: str, contact: str) -> ContactKey | None:
        return await self._store.read(contact, lambda connection: load_key(connection, tenant, contact))

    async def get_each(self, owners: Sequence[tuple[str, str]]) -> Sequence[ContactKey | None]:
        return await self._store.read(ALL_SHARDS, lambda connection: [load_key(connection, *owner) for owner in owners])

    async def put(self, key: ContactKey) -> ContactKey:
        return await self._store.write(key.contact_id, lambda connection: put_key(connection, key), durable=True)

    async def remove(self, key: ContactKey) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            query = "DELETE FROM state_contact_keys WHERE tenant = ? AND contact = ? AND rank = ?"
            connection.execute(query, (key.tenant, key.contact_id, key.rank))
            return load_key(connection, key.tenant, key.contact_id) is None

        return await self._store.write(key.contact_id, work, durable=True)


class SqliteContactErasure:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def erase_conversation(self, conversation: str) -> Mapping[str, int]:
        return await self._store.write(
            conversation, lambda connection: _erase_conversation(connection, conversation), durable=True
        )

    async def redact(self, conversation: str, messages: Sequence[str], turns: Sequence[str]) -> Mapping[str, int]:
        return await self._store.write(
            conversation, lambda connection: _redact(connection, conversation, messages, turns), durable=True
        )

    async def erase_contact(self, tenant: str, contact: str) -> Mapping[str, int]:
        key = contact_merging.contacts_key(tenant)
        return await self._store.write(
            key, lambda connection: _erase_contact(connection, tenant, contact), durable=True
        )

    async def remove_copies(self) -> None:
        await self._store.truncate_log()


def _erase_conversation(connection: sqlite3.Connection, conversation: str) -> dict[str, int]:
    # Whoever holds a token of the conversation must not win again when it begins anew.
    connection.execute(
        "INSERT OR REPLACE INTO state_token_floor (id, floor) SELECT 1, MAX(token + 1,"
        " COALESCE((SELECT floor FROM state_token_floor), 0)) FROM state_conversations WHERE id = ?",
        (conversation,),
    )
    counts = {}
    for table, (column, kind) in _COUNTED.items():
        deleted = connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (conversation,))  # noqa: S608
        counts[kind] = deleted.rowcount
    for table in _OTHERS:
        connection.execute(f"DELETE FROM {table} WHERE conversation = ?", (conversation,))  # noqa: S608
    return counts


def _redact(
    connection: sqlite3.Connection, conversation: str, messages: Sequence[str], turns: Sequence[str]
) -> dict[str, int]:
    counts = {"redacted_messages": transcript.redact(connection, conversation, messages), "turns": 0}
    for turn in turns:
        deleted = connection.execute("DELETE FROM state_turns WHERE conversation = ? AND id = ?", (conversation, turn))
        counts["turns"] += deleted.rowcount
    return counts


def _erase_contact(connection: sqlite3.Connection, tenant: str, contact: str) -> dict[str, int]:
    merged = [id_ for (id_,) in connection.execute(rows.READ_MERGED, (contact, tenant))]
    ids = list(dict.fromkeys([contact, *merged]))
    counts = {"contacts": 0, "addresses": 0}
    rows.remove_terms(connection, tenant, ids)
    for id_ in ids:
        for table, column, kind in (
            ("state_contacts", "id", "contacts"),
            ("state_addresses", "contact", "addresses"),
        ):
            deleted = connection.execute(
                f"DELETE FROM {table} WHERE tenant = ? AND {column} = ?",  # noqa: S608
                (tenant, id_),
            )
            counts[kind] += deleted.rowcount
        connection.execute("DELETE FROM state_action_counts WHERE tenant = ? AND contact = ?", (tenant, id_))
    return counts
