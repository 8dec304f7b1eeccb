"""Rows of contacts inside of a transaction: the contacts, sealed under their keys, and the addresses and terms by which
they are found."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence

from infra.state import contact_terms
from infra.state.contact_lookup import HASHES, KEY_FIELD, ContactLookup
from infra.state.contact_terms import Entry
from infra.state.sqlite.sealed_rows import find_sealer, open_body, seal_for
from schemas.conversation import Contact
from schemas.messages import Address
from schemas.privacy.sealed_bodies import BodyOwner, parse_sealed

READ_MERGED = """
WITH RECURSIVE same (id) AS (
    VALUES (?1)
    UNION SELECT state_contacts.id FROM state_contacts JOIN same
    ON state_contacts.tenant = ?2 AND state_contacts.merged_into = same.id AND state_contacts.merged_into <> ''
)
SELECT id FROM same
"""
_BY_ADDRESS = "SELECT contact FROM state_addresses WHERE tenant = ? AND channel = ? AND value = ?"
_REMOVE_ADDRESS = "DELETE FROM state_addresses WHERE tenant = ? AND channel = ? AND value = ?"
_ADD_ADDRESS = "INSERT OR REPLACE INTO state_addresses (tenant, channel, value, contact) VALUES (?, ?, ?, ?)"
_MARK = "!"
_READ_ALL = "SELECT id, body FROM state_contacts WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?"


def find_lookup(connection: sqlite3.Connection, tenant: str) -> ContactLookup:
    """How the contacts of a tenant are found in this transaction."""
    return ContactLookup.of(find_sealer(connection), tenant)


def open_contact(connection: sqlite3.Connection, body: str | None) -> Contact | None:
    """A contact as it is stored; None if it was merged into another, or erased."""
    opened = open_body(connection, body) if body else None
    return None if opened is None else Contact.model_validate_json(opened)


def load_contact(connection: sqlite3.Connection, tenant: str, contact: str) -> Contact | None:
    """The contact, or the one it was merged into."""
    query = "SELECT body, merged_into FROM state_contacts WHERE tenant = ? AND id = ?"
    row = connection.execute(query, (tenant, contact)).fetchone()
    if row is None:
        return None
    body, merged_into = row
    return load_contact(connection, tenant, merged_into) if merged_into else open_contact(connection, body)


def find_by_addresses(connection: sqlite3.Connection, tenant: str, addresses: Sequence[Address]) -> list[Contact]:
    """The different contacts that have any of these addresses, or had it last."""
    lookup = find_lookup(connection, tenant)
    found: dict[str, Contact] = {}
    for address in addresses:
        for value in lookup.list_values(address):
            row = connection.execute(_BY_ADDRESS, (tenant, address.channel, value)).fetchone()
            if row is not None:
                contact = load_contact(connection, tenant, row[0])
                if contact is not None:
                    found[contact.id] = contact
                break
    return list(found.values())


def save_contacts(
    connection: sqlite3.Connection, tenant: str, changed: Iterable[Contact], merged_ids: Collection[str], *, into: str
) -> None:
    """Write contacts, some of which may have been merged ``into`` one. An address leads to the contact who has it, else
    had it last."""
    lookup = find_lookup(connection, tenant)
    for contact in changed:
        _save_contact(connection, contact, lookup)
    connection.executemany(
        "INSERT OR REPLACE INTO state_contacts (tenant, id, merged_into) VALUES (?, ?, ?)",
        [(tenant, id_, into) for id_ in merged_ids],
    )
    remove_terms(connection, tenant, merged_ids)
    _remove_other_marks(connection, tenant, lookup)


def _save_contact(
    connection: sqlite3.Connection, contact: Contact, lookup: ContactLookup, *, needs_key: bool = True
) -> None:
    owner, readable = BodyOwner(contact.tenant, contact.id), [(KEY_FIELD, lookup.name)]
    body = seal_for(connection, owner, contact.model_dump_json(), readable, needs_key=needs_key)
    connection.execute(
        "INSERT OR REPLACE INTO state_contacts (tenant, id, body) VALUES (?, ?, ?)", (contact.tenant, contact.id, body)
    )
    for address in contact.addresses:
        now, *others = _locate_address(contact.tenant, address, lookup)
        connection.executemany(_REMOVE_ADDRESS, others)
        connection.execute(_ADD_ADDRESS, (*now, contact.id))
    for address in contact.left:
        _keep_address(connection, contact, address, lookup)
    _save_terms(connection, contact, lookup)


def _locate_address(tenant: str, address: Address, lookup: ContactLookup) -> list[tuple[str, str, str]]:
    return [(tenant, address.channel, value) for value in lookup.list_values(address)]


def _keep_address(connection: sqlite3.Connection, contact: Contact, address: Address, lookup: ContactLookup) -> None:
    """Let an address that the contact has left lead to them, unless it leads to somebody already."""
    places = _locate_address(contact.tenant, address, lookup)
    for place in places:
        row = connection.execute(_BY_ADDRESS, place).fetchone()
        if row is not None:
            if place != places[0]:
                connection.execute(_REMOVE_ADDRESS, place)
                connection.execute(_ADD_ADDRESS, (*places[0], row[0]))
            return
    connection.execute(_ADD_ADDRESS, (*places[0], contact.id))


def remove_addresses(
    connection: sqlite3.Connection, tenant: str, addresses: Iterable[Address], contacts: Collection[str]
) -> None:
    """Let none of these addresses lead to one of these contacts."""
    lookup = find_lookup(connection, tenant)
    connection.executemany(
        f"{_REMOVE_ADDRESS} AND contact = ?",
        [(*place, id_) for each in addresses for place in _locate_address(tenant, each, lookup) for id_ in contacts],
    )


def _save_terms(connection: sqlite3.Connection, contact: Contact, lookup: ContactLookup) -> None:
    """Let the contact be found by what it is called and has now, and by nothing else."""
    query = "SELECT channel, term FROM state_contact_terms WHERE tenant = ? AND contact = ?"
    before = set(connection.execute(query, (contact.tenant, contact.id)))
    now = lookup.list_rows(contact)
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


def list_same(connection: sqlite3.Connection, tenant: str, contact: str) -> list[str]:
    return [id_ for (id_,) in connection.execute(READ_MERGED, (contact, tenant))]


# The stepwise rewriting of what an earlier release has stored, or an earlier secret key has sealed. A row without a
# contact marks a tenant for whom that is done, until something is written in another form.
def locate_index_mark(lookup: ContactLookup) -> Entry:
    """The mark that all contacts of a tenant have rows by which they are found now."""
    return (HASHES, _MARK) if lookup.is_sealing else contact_terms.COMPLETE


def locate_key_mark(lookup: ContactLookup) -> Entry:
    """The mark that all of them are sealed, and that their rows are under the current key."""
    return HASHES, f"{_MARK}{lookup.name}"


def is_marked(connection: sqlite3.Connection, tenant: str, mark: Entry) -> bool:
    query = "SELECT 1 FROM state_contact_terms WHERE tenant = ? AND channel = ? AND term = ? AND contact = ''"
    return connection.execute(query, (tenant, *mark)).fetchone() is not None


def add_mark(connection: sqlite3.Connection, tenant: str, mark: Entry) -> None:
    query = "INSERT OR IGNORE INTO state_contact_terms (tenant, channel, term, contact) VALUES (?, ?, ?, '')"
    connection.execute(query, (tenant, *mark))


def _remove_other_marks(connection: sqlite3.Connection, tenant: str, lookup: ContactLookup) -> None:
    query = "DELETE FROM state_contact_terms WHERE tenant = ? AND contact = '' AND term NOT IN (?, ?)"
    terms = (_MARK, locate_key_mark(lookup)[1]) if lookup.is_sealing else contact_terms.COMPLETE
    connection.execute(query, (tenant, *terms))


def list_outdated(
    connection: sqlite3.Connection, tenant: str, after: str, count: int, *, only_unfound: bool
) -> tuple[list[str], str]:
    """Of the next contacts those that are not stored as they would be now, or only those that would not be found; and
    the last one that was looked at."""
    lookup = find_lookup(connection, tenant)
    is_done = lookup.is_found if only_unfound else lookup.is_current
    rows = connection.execute(_READ_ALL, (tenant, after, count)).fetchall()
    outdated = [id_ for id_, body in rows if body and not is_done(parse_sealed(body))]
    return outdated, str(rows[-1][0]) if rows else ""


def rewrite_contacts(connection: sqlite3.Connection, tenant: str, contacts: Iterable[str]) -> None:
    """Store contacts as they would be now. What belongs to a contact without a key stays plain."""
    lookup = find_lookup(connection, tenant)
    query = "SELECT body FROM state_contacts WHERE tenant = ? AND id = ?"
    for id_ in contacts:
        row = connection.execute(query, (tenant, id_)).fetchone()
        contact = open_contact(connection, row[0]) if row is not None else None
        if contact is not None:
            _save_contact(connection, contact, lookup, needs_key=False)
