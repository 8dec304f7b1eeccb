"""Contacts on SQLite: one row a contact, one row an address, and where merged contacts went."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from infra.state import contact_merging
from infra.state.sqlite.store import Store
from schemas.conversation import Contact
from schemas.messages import Address
from schemas.ports import Change


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
        change: Change | None = None,
    ) -> tuple[Contact, str]:
        known = contact_merging.known_as(channel, place, addresses)

        def look(connection: sqlite3.Connection) -> contact_merging.Resolution:
            found = behind(connection, tenant, known)
            return contact_merging.resolved(found, tenant, channel, account, place, known, now, change)

        def settle(connection: sqlite3.Connection) -> contact_merging.Resolution:
            seen = look(connection)
            keep(connection, tenant, seen.changed, seen.swallowed, into=seen.contact.id)
            return seen

        # Nearly every message comes from a contact known already: that must not wait for the writer.
        seen = await self._store.read(contact_merging.home(tenant), look)
        if seen.changed or seen.swallowed:
            seen = await self._store.write(contact_merging.home(tenant), settle)
        return seen.contact, seen.conversation

    async def preview(
        self, tenant: str, channel: str, account: str, place: str, addresses: Sequence[Address], *, now: datetime
    ) -> tuple[Contact, str]:
        known = contact_merging.known_as(channel, place, addresses)
        found = await self._store.read(
            contact_merging.home(tenant), lambda connection: behind(connection, tenant, known)
        )
        seen = contact_merging.resolved(found, tenant, channel, account, place, known, now)
        return seen.contact, seen.conversation

    async def get(self, tenant: str, contact: str) -> Contact | None:
        return await self._store.read(
            contact_merging.home(tenant), lambda connection: load(connection, tenant, contact)
        )


def load(connection: sqlite3.Connection, tenant: str, contact: str) -> Contact | None:
    """The contact, or the one it was merged into."""
    query = "SELECT body, merged_into FROM state_contacts WHERE tenant = ? AND id = ?"
    row = connection.execute(query, (tenant, contact)).fetchone()
    if row is None:
        return None
    body, merged_into = row
    return load(connection, tenant, merged_into) if merged_into else Contact.model_validate_json(body)


def behind(connection: sqlite3.Connection, tenant: str, addresses: Sequence[Address]) -> list[Contact]:
    """The different contacts that have any of these addresses, or had it last."""
    query = "SELECT contact FROM state_addresses WHERE tenant = ? AND channel = ? AND value = ?"
    found: dict[str, Contact] = {}
    for address in addresses:
        for (id_,) in connection.execute(query, (tenant, address.channel, address.value)).fetchall():
            contact = load(connection, tenant, id_)
            if contact is not None:
                found[contact.id] = contact
    return list(found.values())


def keep(
    connection: sqlite3.Connection, tenant: str, changed: Iterable[Contact], swallowed: Iterable[str], *, into: str
) -> None:
    """Write contacts, of which ``into`` may have swallowed some. An address leads to who has it, else had it last."""
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
    connection.executemany(
        "INSERT OR REPLACE INTO state_contacts (tenant, id, merged_into) VALUES (?, ?, ?)",
        [(tenant, id_, into) for id_ in swallowed],
    )
