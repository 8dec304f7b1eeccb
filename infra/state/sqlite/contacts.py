"""Contacts on SQLite: each transition is one transaction of the single writer. What they are found by is a table of
terms, which ``save_contacts`` keeps up to date."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

from infra.state import contact_merging, contact_terms
from infra.state.contact_terms import Entry
from infra.state.sqlite import transcript
from infra.state.sqlite.sealed_rows import load_key, put_key
from infra.state.sqlite.store import ALL_SHARDS, Store
from schemas.conversation import Contact
from schemas.messages import Address
from schemas.ports import ContactConversation, ContactPage, ContactUpdate
from schemas.privacy.contact_keys import ContactKey

_LAST = "\U0010ffff"
"""Sorts after every letter."""
READ_TERMS = (
    "SELECT term, contact FROM state_contact_terms WHERE tenant = ? AND channel = ?"
    " AND term >= ? AND term < ? AND (term, contact) > (?, ?) ORDER BY term, contact LIMIT ?"
)
READ_CONVERSATIONS = "SELECT id, updated_at FROM state_conversations WHERE tenant = ? AND contact_id = ?"
READ_MERGED = """
WITH RECURSIVE same (id) AS (
    VALUES (?1)
    UNION SELECT state_contacts.id FROM state_contacts JOIN same
    ON state_contacts.tenant = ?2 AND state_contacts.merged_into = same.id AND state_contacts.merged_into <> ''
)
SELECT id FROM same
"""
_INDEXED_AT_ONCE = 500
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
            contacts = find_by_addresses(connection, tenant, known)
            return contact_merging.resolve_contact(contacts, tenant, channel, account, place, known, now, change)

        def settle(connection: sqlite3.Connection) -> contact_merging.ContactResolution:
            resolution = look(connection)
            save_contacts(connection, tenant, resolution.changed, resolution.merged_ids, into=resolution.contact.id)
            return resolution

        # Nearly every message comes from a known contact: that must not wait for the writer.
        resolution = await self._store.read(contact_merging.contacts_key(tenant), look)
        if resolution.changed or resolution.merged_ids:
            resolution = await self._store.write(contact_merging.contacts_key(tenant), settle)
        return resolution.contact, resolution.conversation

    async def preview(
        self, tenant: str, channel: str, account: str, place: str, addresses: Sequence[Address], *, now: datetime
    ) -> tuple[Contact, str]:
        known = contact_merging.lookup_addresses(channel, place, addresses)
        contacts = await self._store.read(
            contact_merging.contacts_key(tenant), lambda connection: find_by_addresses(connection, tenant, known)
        )
        resolution = contact_merging.resolve_contact(contacts, tenant, channel, account, place, known, now)
        return resolution.contact, resolution.conversation

    async def get(self, tenant: str, contact: str) -> Contact | None:
        return await self._store.read(
            contact_merging.contacts_key(tenant), lambda connection: load_contact(connection, tenant, contact)
        )


def load_contact(connection: sqlite3.Connection, tenant: str, contact: str) -> Contact | None:
    """The contact, or the one it was merged into."""
    query = "SELECT body, merged_into FROM state_contacts WHERE tenant = ? AND id = ?"
    row = connection.execute(query, (tenant, contact)).fetchone()
    if row is None:
        return None
    body, merged_into = row
    return load_contact(connection, tenant, merged_into) if merged_into else Contact.model_validate_json(body)


def find_by_addresses(connection: sqlite3.Connection, tenant: str, addresses: Sequence[Address]) -> list[Contact]:
    """The different contacts that have any of these addresses, or had it last."""
    query = "SELECT contact FROM state_addresses WHERE tenant = ? AND channel = ? AND value = ?"
    found: dict[str, Contact] = {}
    for address in addresses:
        for (id_,) in connection.execute(query, (tenant, address.channel, address.value)).fetchall():
            contact = load_contact(connection, tenant, id_)
            if contact is not None:
                found[contact.id] = contact
    return list(found.values())


def save_contacts(
    connection: sqlite3.Connection, tenant: str, changed: Iterable[Contact], merged_ids: Collection[str], *, into: str
) -> None:
    """Write contacts, some of which may have been merged ``into`` one. An address leads to the contact who has it, else
    had it last."""
    for contact in changed:
        connection.execute(
            "INSERT OR REPLACE INTO state_contacts (tenant, id, body) VALUES (?, ?, ?)",
            (tenant, contact.id, contact.model_dump_json()),
        )
        for verb, addresses in (("REPLACE", contact.addresses), ("IGNORE", contact.left)):
            connection.executemany(
                f"INSERT OR {verb} INTO state_addresses (tenant, channel, value, contact) VALUES (?, ?, ?, ?)",  # noqa: S608
                [(tenant, address.channel, address.value, contact.id) for address in addresses],
            )
        save_terms(connection, contact)
    connection.executemany(
        "INSERT OR REPLACE INTO state_contacts (tenant, id, merged_into) VALUES (?, ?, ?)",
        [(tenant, id_, into) for id_ in merged_ids],
    )
    remove_terms(connection, tenant, merged_ids)


class SqliteContactSearch:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._complete: set[str] = set()
        """Tenants of whom this process knows that all contacts are in the index."""

    async def search(
        self, tenant: str, query: str, *, channel: str = "", after: str = "", limit: int = 50
    ) -> ContactPage:
        if tenant not in self._complete:
            await self._complete_index(tenant)
        index = _TenantTerms(self._store, tenant)
        return await contact_terms.search(index, query, channel=channel, after=after, limit=limit)

    async def list_ids(self, tenant: str, contact: str) -> list[str]:
        return await self._store.read(
            contact_merging.contacts_key(tenant), lambda connection: list_same(connection, tenant, contact)
        )

    async def list_conversations(
        self, tenant: str, contacts: Collection[str]
    ) -> Mapping[str, Sequence[ContactConversation]]:
        def work(connection: sqlite3.Connection) -> Mapping[str, Sequence[ContactConversation]]:
            found = defaultdict[str, list[tuple[int, str]]](list)
            for contact in contacts:
                for same in list_same(connection, tenant, contact):
                    rows = connection.execute(READ_CONVERSATIONS, (tenant, same))
                    found[contact] += [(updated, id_) for id_, updated in rows]
            return contact_terms.sort_conversations(found)

        return await self._store.read(ALL_SHARDS, work)

    async def _complete_index(self, tenant: str) -> None:
        """Add the contacts that an earlier release has stored without terms."""
        key, place = contact_merging.contacts_key(tenant), ""
        while not await self._store.read(key, lambda connection: _is_complete(connection, tenant)):
            place = await self._store.write(key, partial(_index_next, tenant=tenant, after=place))
        self._complete.add(tenant)


class _TenantTerms:
    def __init__(self, store: Store, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    async def read(self, channel: str, prefix: str, after: Entry | None, count: int) -> list[Entry]:
        start, last = after or (prefix, "")
        values = (self._tenant, channel, max(prefix, start), prefix + _LAST, start, last, count)
        key = contact_merging.contacts_key(self._tenant)
        return await self._store.read(key, lambda connection: connection.execute(READ_TERMS, values).fetchall())

    async def load(self, contacts: Sequence[str]) -> list[Contact | None]:
        query = "SELECT body FROM state_contacts WHERE tenant = ? AND id = ?"

        def work(connection: sqlite3.Connection) -> list[Contact | None]:
            rows = (connection.execute(query, (self._tenant, id_)).fetchone() for id_ in contacts)
            return [Contact.model_validate_json(row[0]) if row and row[0] else None for row in rows]

        return await self._store.read(contact_merging.contacts_key(self._tenant), work)


def save_terms(connection: sqlite3.Connection, contact: Contact) -> None:
    """Let the contact be found by what it is called and has now, and by nothing else."""
    query = "SELECT channel, term FROM state_contact_terms WHERE tenant = ? AND contact = ?"
    before = set(connection.execute(query, (contact.tenant, contact.id)))
    now = contact_terms.list_rows(contact)
    connection.executemany(
        "DELETE FROM state_contact_terms WHERE tenant = ? AND channel = ? AND term = ? AND contact = ?",
        [(contact.tenant, *row, contact.id) for row in before - now],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO state_contact_terms (tenant, channel, term, contact) VALUES (?, ?, ?, ?)",
        [(contact.tenant, *row, contact.id) for row in now - before],
    )


def remove_terms(connection: sqlite3.Connection, tenant: str, contacts: Iterable[str]) -> None:
    connection.executemany(
        "DELETE FROM state_contact_terms WHERE tenant = ? AND contact = ?", [(tenant, id_) for id_ in contacts]
    )


def _is_complete(connection: sqlite3.Connection, tenant: str) -> bool:
    query = "SELECT 1 FROM state_contact_terms WHERE tenant = ? AND channel = '' AND term = ? AND contact = ?"
    return connection.execute(query, (tenant, *contact_terms.COMPLETE)).fetchone() is not None


def _index_next(connection: sqlite3.Connection, tenant: str, after: str) -> str:
    """Add some contacts to the index, and after the last ones the row that says so. Returns the last contact."""
    query = "SELECT id, body FROM state_contacts WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?"
    rows = connection.execute(query, (tenant, after, _INDEXED_AT_ONCE)).fetchall()
    for _, body in rows:
        if body:
            save_terms(connection, Contact.model_validate_json(body))
    if rows:
        return str(rows[-1][0])
    connection.execute(
        "INSERT OR IGNORE INTO state_contact_terms (tenant, channel, term, contact) VALUES (?, '', ?, ?)",
        (tenant, *contact_terms.COMPLETE),
    )
    return after


def list_same(connection: sqlite3.Connection, tenant: str, contact: str) -> list[str]:
    return [id_ for (id_,) in connection.execute(READ_MERGED, (contact, tenant))]


class SqliteContactKeys:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, tenant: str, contact: str) -> ContactKey | None:
        return await self._store.read(contact, lambda connection: load_key(connection, tenant, contact))

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
    merged = [id_ for (id_,) in connection.execute(READ_MERGED, (contact, tenant))]
    ids = list(dict.fromkeys([contact, *merged]))
    counts = {"contacts": 0, "addresses": 0}
    remove_terms(connection, tenant, ids)
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
