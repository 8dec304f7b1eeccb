"""Sealing and opening of rows inside of a transaction, and the keys of contacts there. The connection knows which are
unwrapped, see ``Store``."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from infra.database.file import Connection
from schemas.envelope import Envelope
from schemas.errors import StateUnavailable
from schemas.privacy.contact_keys import ContactKey
from schemas.privacy.key_service import ContactKeyService, UnwrappedKey
from schemas.privacy.sealed_bodies import BodyOwner, BodySealer, parse_sealed, seal_body


class MissingKey(Exception):
    """Raised by work that needs the key of a contact who has none, or whose key is being removed. It is undone, and
    done again with the key."""

    def __init__(self, owner: BodyOwner) -> None:
        super().__init__(owner)
        self.owner = owner


def seal(
    connection: sqlite3.Connection, conversation: str, body: str, readable: Iterable[tuple[str, object]] = ()
) -> str:
    """The body as it is to be stored, sealed under the key of whoever began the conversation; plain if that is not
    known. Raises MissingKey."""
    owner = _find_owner(connection, conversation)
    return body if owner is None else seal_for(connection, owner, body, readable)


def seal_for(
    connection: sqlite3.Connection,
    owner: BodyOwner,
    body: str,
    readable: Iterable[tuple[str, object]] = (),
    *,
    needs_key: bool = True,
) -> str:
    """Do as ``seal`` for a row of which the contact is known. Unless it ``needs_key``, that of a contact without one
    stays plain."""
    try:
        key = _find_key(connection, owner)
    except MissingKey:
        if needs_key:
            raise
        return body
    return body if key is None else seal_body(body.encode(), owner, key, readable).decode()


def seal_data(connection: sqlite3.Connection, conversation: str, data: bytes | None) -> bytes | None:
    """Do as ``seal`` for a column of bytes."""
    owner = _find_owner(connection, conversation) if data else None
    key = _find_key(connection, owner) if owner is not None else None
    return data if key is None or owner is None else seal_body(data or b"", owner, key)


def open_data(connection: sqlite3.Connection, stored: bytes) -> bytes | None:
    """Do as ``open_body`` for a column of bytes."""
    body = open_body(connection, stored)
    return body.encode() if isinstance(body, str) else body


def open_body(connection: sqlite3.Connection, stored: str | bytes) -> str | bytes | None:
    """The body of a row; None if its contact was erased. Raises StateUnavailable without a
    secret key."""
    sealed = parse_sealed(stored)
    if sealed is None:
        return stored
    sealer = find_sealer(connection)
    if sealer is None:
        raise StateUnavailable("a row is encrypted", fix="set secret_key to the one with which it was written")
    key = sealer.keys.get_cached(*sealed.owner)
    if key is None or key.generation < sealed.generation:
        key = _load_key(connection, sealer.keys, sealed.owner)
    return sealed.open(key)


def open_place(connection: sqlite3.Connection, stored: str) -> str:
    """Do as ``open_body`` for the place of a conversation, which is empty if its contact was erased."""
    sealer, sealed = find_sealer(connection), None
    if sealer is not None and (known := sealer.recall(stored)) is not None:
        return known.decode()
    body = open_body(connection, stored)
    if body is None or isinstance(body, str):
        return body or ""
    if sealer is not None and (sealed := parse_sealed(stored)) is not None:
        sealer.remember(stored, sealed.owner, sealed.generation, body)
    return body.decode()


def _find_owner(connection: sqlite3.Connection, conversation: str) -> BodyOwner | None:
    query = "SELECT tenant, contact_id FROM state_conversations WHERE id = ?"
    row = connection.execute(query, (conversation,)).fetchone() if find_sealer(connection) else None
    return BodyOwner(*row) if row is not None else None


def _find_key(connection: sqlite3.Connection, owner: BodyOwner) -> UnwrappedKey | None:
    """The key with which to seal; None where nothing is sealed. Raises MissingKey."""
    sealer = find_sealer(connection)
    if sealer is None or not sealer.is_sealing or not owner.contact:
        return None
    key = sealer.keys.get_cached(*owner)
    if key is None:
        stored = load_key(connection, *owner)
        if stored is None or stored.stage == "made" or stored.retired_at is not None:
            raise MissingKey(owner)
        key = _unwrap(connection, sealer.keys, stored)
    return key


def find_sealer(connection: sqlite3.Connection) -> BodySealer | None:
    sealer = connection.row_sealer if isinstance(connection, Connection) else None
    return sealer if isinstance(sealer, BodySealer) else None


def _load_key(connection: sqlite3.Connection, keys: ContactKeyService, owner: BodyOwner) -> UnwrappedKey | None:
    stored = load_key(connection, *owner)
    return None if stored is None or stored.stage == "made" else _unwrap(connection, keys, stored)


def _unwrap(connection: sqlite3.Connection, keys: ContactKeyService, key: ContactKey) -> UnwrappedKey:
    # A transaction that writes may still be undone, with a key that was made in it. One that is being removed is not
    # remembered either, so that nothing is sealed with it.
    is_committed = isinstance(connection, Connection) and connection.read_only
    return keys.remember(key) if is_committed and key.retired_at is None else keys.unwrap(key)


def load_key(connection: sqlite3.Connection, tenant: str, contact: str) -> ContactKey | None:
    query = "SELECT body FROM state_contact_keys WHERE tenant = ? AND contact = ?"
    row = connection.execute(query, (tenant, contact)).fetchone()
    return ContactKey.model_validate_json(row[0]) if row else None


def use_key(
    connection: sqlite3.Connection, owner: BodyOwner, keys: ContactKeyService
) -> tuple[ContactKey, list[Envelope]]:
    """The key of a contact, which may be erased, made if there is none; and what has to be appended to the log in the
    same transaction, before anything that it seals."""
    stored = load_key(connection, *owner)
    if stored is None or stored.stage == "made":
        made = stored or keys.make_key(*owner)
        stored = put_key(connection, made.model_copy(update={"stage": "kept"}))
        return stored, [keys.wrap_record(stored)]
    return (stored if stored.retired_at is None else put_key(connection, stored.retire(None))), []


def put_key(connection: sqlite3.Connection, key: ContactKey) -> ContactKey:
    """Do as ``ContactKeys.put``, inside a transaction."""
    written = connection.execute(
        "INSERT INTO state_contact_keys (tenant, contact, rank, body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (tenant, contact) DO UPDATE SET rank = excluded.rank, body = excluded.body"
        " WHERE excluded.rank > rank",
        (key.tenant, key.contact_id, key.rank, key.model_dump_json()),
    )
    if written.rowcount:
        return key
    stored = load_key(connection, key.tenant, key.contact_id)
    assert stored is not None  # noqa: S101 (it was in the way of the statement before)
    return stored
