"""Sealing of what state stores keep: the body of a row is encrypted under the key of a contact, and what rows are found
by stays readable. A sealed body is a JSON object, like the body in it. Pure, but for the keys."""

from __future__ import annotations

import os
from binascii import b2a_base64
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
import structlog
from cryptography.exceptions import InvalidTag
from pydantic import ConfigDict, TypeAdapter

from schemas.privacy.key_service import NONCE_BYTES, ContactKeyService, UnwrappedKey
from schemas.privacy.lookup_keys import TenantLookup

log = structlog.get_logger("parley.keys")
START = b'{"sealed":["'
"""How a sealed body begins. No model that is stored has a first field of this name."""
_START_TEXT = START.decode()
MAX_OPENED = 5_000
"""Bodies that a process keeps opened: about 5 MB."""
_VERSION = b"\x01"
_START = len(_VERSION) + NONCE_BYTES
_DATA = TypeAdapter(bytes, config=ConfigDict(val_json_bytes="base64")).validator
"""Decodes base64 in a quarter of the time that ``binascii`` takes."""
_NEXT_TEXT = b',"'
_DATA_END = b'"]'
_END = b'"]}'
_NOTHING_KEPT = b'"%b%b' % (b2a_base64(_VERSION, newline=False), _END)
"""How a body ends that was sealed under an erased key."""


class BodyOwner(NamedTuple):
    """The contact to whom a row belongs."""

    tenant: str
    contact: str


@dataclass(frozen=True, slots=True)
class BodySealer:
    """The keys for the bodies of one process. Where not ``is_sealing``, bodies stay plain, and only what was sealed
    before is opened. ``note_contact`` is told who began a conversation, when the state store learns it. ``opened`` are
    bodies that never change and are read several times in each turn, with what they were sealed as."""

    keys: ContactKeyService
    is_sealing: bool = True
    note_contact: Callable[[str, str], None] | None = None
    opened: OrderedDict[str | bytes, tuple[BodyOwner, int, bytes]] = field(default_factory=OrderedDict, repr=False)

    def recall(self, stored: str | bytes) -> bytes | None:
        """What was sealed as ``stored``, if this process has opened it and still has the key."""
        known = self.opened.get(stored)
        if known is None:
            return None
        owner, generation, body = known
        key = self.keys.get_cached(*owner)
        return body if key is not None and not key.is_erased and key.generation == generation else None

    def remember(self, stored: str | bytes, owner: BodyOwner, generation: int, body: bytes) -> None:
        """Keep what was opened for ``recall``."""
        self.opened[stored] = owner, generation, body
        if len(self.opened) > MAX_OPENED:
            self.opened.popitem(last=False)

    def get_lookup(self, tenant: str) -> TenantLookup:
        """The keys under which contacts of a tenant are found."""
        return self.keys.lookups.get(tenant)


@dataclass(slots=True)
class SealedBody:
    """A sealed body as it was read. ``rest`` is what follows the sealed data, as it is stored.

    Treat it as immutable. It is not declared frozen because that makes creating one slower, and a turn reads twenty."""

    owner: BodyOwner
    generation: int
    data: bytes
    rest: bytes

    @property
    def readable_fields(self) -> Mapping[str, Any]:
        """The fields that were left readable."""
        # Decoded on demand: most are read by queries inside of the store.
        fields: Mapping[str, Any] = orjson.loads(b"{%b" % self.rest[1:]) if self.rest != b"}" else {}
        return fields

    def open(self, key: UnwrappedKey | None) -> bytes | None:
        """The body; None if its key is erased, or is not the one that sealed it."""
        if key is None or key.cipher is None or key.generation != self.generation:
            return None
        place = _bind(self.owner, self.generation)
        try:
            return key.cipher.decrypt(self.data[len(_VERSION) : _START], self.data[_START:], place)
        except (InvalidTag, ValueError):
            log.error("body_not_opened", tenant=self.owner.tenant, contact=self.owner.contact)
            return None


def seal_body(body: bytes, owner: BodyOwner, key: UnwrappedKey, readable: Iterable[tuple[str, object]] = ()) -> bytes:
    """Seal a body. Under an erased key nothing of it is kept."""
    data = _VERSION
    if key.cipher is not None:
        nonce = os.urandom(NONCE_BYTES)
        data += nonce + key.cipher.encrypt(nonce, body, _bind(owner, key.generation))
    written = b'%b,"%b"]' % (_write_owner(owner, key.generation), b2a_base64(data, newline=False))
    fields = dict(readable)
    return b"%b,%b" % (written, orjson.dumps(fields)[1:]) if fields else written + b"}"


def keeps_body(sealed: bytes) -> bool:
    """Tell whether a value that ``seal_body`` returned without ``readable`` holds the body, or the key was erased."""
    return not sealed.endswith(_NOTHING_KEPT)


def parse_sealed(body: bytes | str) -> SealedBody | None:
    """None for a plain body. Raises ValueError for one that is cut off."""
    if not (body.startswith(START) if isinstance(body, bytes) else body.startswith(_START_TEXT)):
        return None
    body = body if isinstance(body, bytes) else body.encode()
    # Decoding it as JSON takes three times as long: the beginning is the same in all bodies of a contact, and the rest
    # is base64. In a JSON string a quotation mark follows a comma only at its end, and no id ends with a comma.
    contact_start = body.find(_NEXT_TEXT, len(START))
    data_start = body.find(_NEXT_TEXT, contact_start + 1)
    data_end = body.find(b'"', data_start + len(_NEXT_TEXT))
    owner, generation = _read_owner(body[:data_start])
    data = _DATA.validate_json(body[data_start + 1 : data_end + 1])
    if not body.startswith(_DATA_END, data_end) or not body.endswith(b"}"):
        raise ValueError("a sealed body is cut off")
    return SealedBody(owner, generation, data, body[data_end + len(_DATA_END) :])


@lru_cache(maxsize=4096)
def _read_owner(start: bytes) -> tuple[BodyOwner, int]:
    """The owner and the generation in a sealed body up to its data."""
    tenant, contact, generation = orjson.loads(b"%b]}" % start)["sealed"]
    return BodyOwner(tenant, contact), generation


@lru_cache(maxsize=4096)
def _write_owner(owner: BodyOwner, generation: int) -> bytes:
    """The beginning of a sealed body, which a turn writes five times."""
    return b'{"sealed":%b' % orjson.dumps([owner.tenant, owner.contact, generation])[:-1]


@lru_cache(maxsize=4096)
def _bind(owner: BodyOwner, generation: int) -> bytes:
    """The associated data: a sealed body cannot be moved to another contact."""
    return f"state|{len(owner.tenant)}|{len(owner.contact)}|{owner.tenant}|{owner.contact}|{generation}".encode()
