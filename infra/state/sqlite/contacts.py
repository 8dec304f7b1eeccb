"""Contacts on SQLite: each transition is one transaction of the single writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from infra.state import contact_merging
from infra.state.sqlite import contact_search
from infra.state.sqlite.store import Store
from schemas.conversation import Contact
from schemas.messages import Address
from schemas.ports import ContactUpdate


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
        contact_search.save_terms(connection, contact)
    connection.executemany(
        "INSERT OR REPLACE INTO state_contacts (tenant, id, merged_into) VALUES (?, ?, ?)",
        [(tenant, id_, into) for id_ in merged_ids],
    )
    contact_search.remove_terms(connection, tenant, merged_ids)
