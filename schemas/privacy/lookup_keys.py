"""Keyed hashes under which rows about contacts are found, so that neither addresses nor names need be readable. The
keys follow from the secrets of the installation, a separate one for each tenant."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

HASHED = "\t"
"""How the hash of an address begins. No address of a channel contains control characters."""
_KEY_BYTES = 32
_ADDRESS_BYTES = 16
_TERM_BYTES = 9
"""Contacts that a hash of a term leads to are compared with the term, so two terms with one hash do no harm."""


@dataclass(frozen=True, slots=True)
class TenantLookup:
    """The keys of one tenant, and their names: the current one, under which rows are written, first."""

    keys: tuple[bytes, ...]
    names: tuple[str, ...]

    def list_addresses(self, channel: str, value: str) -> list[str]:
        """The hashes under which the row of an address may be, that of the current key first."""
        text = f"address|{len(channel)}|{channel}|{value}".encode()
        return [HASHED + _encode(hmac.digest(key, text, "sha256")[:_ADDRESS_BYTES]) for key in self.keys]

    def list_terms(self, term: str) -> list[str]:
        """The hashes under which the rows of a term may be, that of the current key first."""
        return [_hash_term(key, term) for key in self.keys]

    def hash_term(self, term: str) -> str:
        """The hash of a term under the current key."""
        return _hash_term(self.keys[0], term)


class LookupKeys:
    """``derive_secrets`` returns what the keys are derived from, the current secret first."""

    def __init__(self, derive_secrets: Callable[[], Sequence[bytes]]) -> None:
        self._derive_secrets = derive_secrets
        self._secrets: tuple[bytes, ...] = ()
        self._lookups: dict[str, TenantLookup] = {}

    def get(self, tenant: str) -> TenantLookup:
        secrets = tuple(self._derive_secrets())
        if secrets != self._secrets:
            self._secrets, self._lookups = secrets, {}
        found = self._lookups.get(tenant)
        if found is None:
            keys = tuple(_derive_key(secret, tenant) for secret in secrets)
            names = tuple(_encode(hmac.digest(key, b"name", "sha256")[:_TERM_BYTES]) for key in keys)
            found = self._lookups[tenant] = TenantLookup(keys, names)
        return found


def _derive_key(secret: bytes, tenant: str) -> bytes:
    info = f"parley/lookup|{tenant}".encode()
    return HKDFExpand(algorithm=SHA256(), length=_KEY_BYTES, info=info).derive(secret)


def _hash_term(key: bytes, term: str) -> str:
    return _encode(hmac.digest(key, f"term|{term}".encode(), "sha256")[:_TERM_BYTES])


def _encode(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
