"""Search of contacts, on SQLite: a table of terms, which ``contacts.save_contacts`` keeps up to date."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

from infra.state import contact_merging, contact_terms
from infra.state.contact_terms import Entry
from infra.state.sqlite.store import ALL_SHARDS, Store
from schemas.conversation import Contact
from schemas.ports import ContactConversation, ContactPage

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
