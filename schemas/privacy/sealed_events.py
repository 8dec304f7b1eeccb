"""Sealing of events: the payload is encrypted under the key of the contact whom it is about, and the attributes stay
readable, so that records can still be routed, filtered and counted. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

import orjson
import structlog
from cryptography.exceptions import InvalidTag

from schemas import topics
from schemas.envelope import CONTENT_TYPE, Envelope
from schemas.ports import Record
from schemas.privacy.contact_keys import SEALED
from schemas.privacy.key_service import NONCE_BYTES, UnwrappedKey

log = structlog.get_logger("parley.keys")
Seal = tuple[str, str, int]
"""Tenant, contact and generation of the key that sealed a record."""
ERASED = "application/vnd.parley.erased"
"""The content type of a record, as it is read, whose key is erased. It has no value."""
_TYPE, _CONTACT, _GENERATION = "content-type", "ce_contact", "ce_keygeneration"
_VERSION = b"\x01"
_PLAIN_FAMILIES = frozenset({"knowledge", "audit", "keys"})
_PLAIN_TYPES = frozenset(
    {topics.TOKEN_SNAPSHOT, *(name for name, (_, family) in topics.EVENT_TYPES.items() if family in _PLAIN_FAMILIES)}
)
_NAMING_TYPES = frozenset(name for name, (model, _) in topics.EVENT_TYPES.items() if "contact_id" in model.model_fields)
"""The types of events whose payload names a contact."""
_FREQUENT_TYPES = frozenset({topics.MESSAGE_RECEIVED, topics.MESSAGE_SEND})
"""Those whose contact is read without decoding the rest, which costs more than to seal it. Nothing before it in these
payloads has a field of the same name, and inside of a text its quotation marks would be escaped."""
_FIELD = b'"contact_id":"'


def is_sealable(event: Envelope) -> bool:
    """Tell whether the event may hold what a contact said, or something about them."""
    return event.data is not None and event.type not in _PLAIN_TYPES


def find_contact(event: Envelope) -> str:
    """The contact that the event itself names; empty if only its conversation tells."""
    if event.type == topics.CONTACT_SNAPSHOT:
        return event.subject.partition(":")[2]
    if event.type not in _NAMING_TYPES:
        return ""
    if event.type in _FREQUENT_TYPES and (found := _read_contact(event.data or b"")):
        return found
    contact = _decode(event).get("contact_id", "")
    return contact if isinstance(contact, str) else ""


def find_sealed_contact(event: Envelope) -> str | None:
    """The contact under whose key the event was sealed before; None if it was not."""
    return None if event.sealed is None else event.sealed.extra[_CONTACT]


def find_said_at(event: Envelope) -> datetime | None:
    """The time at which a contact said this; None for everything else, which never outlives an erasure."""
    if event.type != topics.MESSAGE_RECEIVED:
        return None
    message = _decode(event)
    author = message.get("author")
    if isinstance(author, dict) and author.get("kind", "contact") != "contact":
        return None
    try:
        said_at = datetime.fromisoformat(str(message.get("sent_at")))
    except ValueError:
        return None
    return said_at if said_at.tzinfo is not None else None


def seal_event(event: Envelope, contact: str, key: UnwrappedKey) -> Envelope:
    """Seal the payload. Under an erased key nothing of it is kept."""
    sealed, generation = event.sealed, str(key.generation)
    if key.cipher is None:
        return event.with_payload(_VERSION, {_TYPE: SEALED, _CONTACT: contact, _GENERATION: generation})
    if sealed is None or sealed.extra[_CONTACT] != contact or sealed.extra[_GENERATION] != generation:
        nonce = os.urandom(NONCE_BYTES)
        place = _bind(event.tenant, contact, key.generation, event.id, event.type)
        data = _VERSION + nonce + key.cipher.encrypt(nonce, event.data or b"", place)
        sealed = event.with_payload(data, {_TYPE: SEALED, _CONTACT: contact, _GENERATION: generation})
        event.sealed = sealed
    return sealed


def find_seal(event: Envelope) -> Seal | None:
    """The seal of an event that was read with its payload as it is sealed; None if it is not sealed."""
    contact, generation = event.extra.get(_CONTACT), event.extra.get(_GENERATION, "")
    if contact is None or not generation.isdecimal() or not (event.data or b"").startswith(_VERSION):
        return None
    return event.tenant, contact, int(generation)


def open_event(event: Envelope, key: UnwrappedKey | None, seal: Seal) -> Envelope | None:
    """The event as it was sealed; None if its key is erased, or does not open it. ``seal``: as ``find_seal`` found
    it."""
    tenant, contact, generation = seal
    if key is None or key.cipher is None or key.generation != generation:
        return None
    data, start = event.data or b"", len(_VERSION) + NONCE_BYTES
    place = _bind(tenant, contact, generation, event.id, event.type)
    try:
        opened = key.cipher.decrypt(data[len(_VERSION) : start], data[start:], place)
    except (InvalidTag, ValueError):
        log.error("event_not_opened", tenant=tenant, contact=contact)
        return None
    extra = {name: value for name, value in event.extra.items() if name not in (_CONTACT, _GENERATION)}
    return replace(event, data=opened, extra=extra)


def read_seal(record: Record) -> Seal | None:
    """The seal of a record; None if it is not sealed."""
    headers = record.headers
    if headers.get(_TYPE) != SEALED or record.value is None:
        return None
    try:
        return headers["ce_tenant"], headers[_CONTACT], int(headers[_GENERATION])
    except (KeyError, ValueError):
        return None


def open_record(record: Record, key: UnwrappedKey | None, seal: Seal | None = None) -> Record:
    """The record as it was appended, or without its value if its key is erased. A record that the key does not open is
    returned as it is: no reader can decode it, so it is dead-lettered like any other that is damaged. ``seal``: as
    ``read_seal`` has read it."""
    seal = seal or read_seal(record)
    if seal is None or key is None:
        return record
    tenant, contact, generation = seal
    if key.generation > generation or key.cipher is None:
        return forget_record(record)
    value = record.value or b""
    place = _bind(tenant, contact, generation, record.headers.get("ce_id", ""), record.headers.get("ce_type", ""))
    start = len(_VERSION) + NONCE_BYTES
    try:
        return _rewrite(record, CONTENT_TYPE, key.cipher.decrypt(value[len(_VERSION) : start], value[start:], place))
    except (InvalidTag, ValueError):
        return record


def forget_record(record: Record) -> Record:
    """A record without its value, as it is read once its contact is erased."""
    return _rewrite(record, ERASED, None)


def is_erased(record: Record) -> bool:
    """Tell whether a record, as it was read, is about somebody who was erased."""
    return record.headers.get(_TYPE) == ERASED


def _rewrite(record: Record, content_type: str, value: bytes | None) -> Record:
    headers = dict(record.headers)
    for name in (_CONTACT, _GENERATION):  # a record that was parked has neither
        headers.pop(name, None)
    headers[_TYPE] = content_type
    return Record(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.timestamp_ms,
        headers,
        value,
        record.read_at,
    )


def _bind(tenant: str, contact: str, generation: int, id_: str, kind: str) -> bytes:
    """The associated data: a sealed payload cannot be moved to another contact or another event."""
    return f"{_start_bind(tenant, contact, generation, len(id_))}|{id_}|{kind}".encode()


@lru_cache(maxsize=4096)
def _start_bind(tenant: str, contact: str, generation: int, id_length: int) -> str:
    """What the associated data of a contact's events begins with, which a turn needs five times."""
    # Lengths before the parts, so that no two places look the same.
    lengths = f"{len(tenant)}|{len(contact)}|{id_length}|{generation}"
    return f"log|{lengths}|{tenant}|{contact}"


def _read_contact(data: bytes) -> str:
    """The contact in a payload as we write it; empty if it is written in another way."""
    start = data.find(_FIELD)
    if start < 0:
        return ""
    start += len(_FIELD)
    contact = data[start : data.find(b'"', start)]
    return "" if b"\\" in contact else contact.decode()


def _decode(event: Envelope) -> Mapping[str, object]:
    try:
        payload = orjson.loads(event.data or b"")
    except orjson.JSONDecodeError:
        return {}
    return payload if isinstance(payload, dict) else {}
