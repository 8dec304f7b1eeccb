"""Settings of the console: operators who sign in, the hashes of their passwords, sessions, and the OpenID provider."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

from connectors.settings import Settings, require_pattern
from gateway.config.field_types import WebAddress
from schemas.access import Role
from schemas.key_ring import KeyRing, Keys
from schemas.messages import Printable

ADMIN_NAME = "admin"
"""The name of whoever signs in with the admin token. No operator may have it."""
MIN_PASSWORD_LENGTH = 10
"""Minimum number of characters of a password."""
_COST, _BLOCK, _LANES = 16_384, 8, 5
"""Parameters of scrypt: 16 MiB and about 0.1 s for each password that is tried."""
_HASH_PATTERN = re.compile(r"scrypt:(\d{1,7}):(\d{1,2}):(\d{1,2}):([\w-]{16,88}):([\w-]{43})")
_TOTP_PATTERN = re.compile(r"[A-Z2-7]{26,128}")
"""At least 128 bits, in base 32."""
_MAX_MEMORY = 256 * 1024 * 1024


def hash_password(password: str) -> str:
    """The hash of a password as the configuration has it: ``scrypt:N:r:p:salt:key``."""
    salt = secrets.token_bytes(16)
    key = _derive_key(password, salt, _COST, _BLOCK, _LANES)
    return f"scrypt:{_COST}:{_BLOCK}:{_LANES}:{_encode(salt)}:{_encode(key)}"


def verify_password(password: str, hash: str) -> bool:
    """Whether a password has this hash. Takes about the same time for every password. Blocking: run it in a thread."""
    match = _HASH_PATTERN.fullmatch(hash)
    if match is None:
        return False
    cost, block, lanes = (int(part) for part in match.groups()[:3])
    key = _derive_key(password, base64.urlsafe_b64decode(match[4] + "=="), cost, block, lanes)
    return hmac.compare_digest(_encode(key), match[5])


DUMMY_HASH = f"scrypt:{_COST}:{_BLOCK}:{_LANES}:{'A' * 22}:{'A' * 43}"
"""Compared with the password of an unknown name, so that the response time does not tell which names exist."""


def _derive_key(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    data = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=cost, r=block, p=lanes, maxmem=_MAX_MEMORY, dklen=32)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _check_tenant(text: str) -> str:
    return require_pattern(text, r"[a-z0-9][a-z0-9_-]{0,62}", "must be the name of a tenant")


def _check_desk_id(text: str) -> str:
    return require_pattern(text, r"[a-z]+:[A-Za-z0-9._-]{1,64}", "must be an id at a desk, such as slack:U0123456789")


DeskId = Annotated[str, AfterValidator(_check_desk_id)]


def _check_hash(hash: SecretStr) -> SecretStr:
    match = _HASH_PATTERN.fullmatch(hash.get_secret_value())
    message = "must be what `parley operator hash` prints"
    if match is None:
        raise ValueError(message)
    cost, block, lanes = (int(part) for part in match.groups()[:3])
    if cost < 2 or cost & (cost - 1) or not block or not lanes or 128 * cost * block * 2 > _MAX_MEMORY:
        raise ValueError(message)
    return hash


def _check_totp_secret(secret: KeyRing) -> KeyRing:
    if any(not _TOTP_PATTERN.fullmatch(key) for key in secret.keys):
        raise ValueError("must be what `parley operator totp` prints")
    return secret


class OperatorSettings(Settings):
    """A person who signs in to the console, or works at a desk."""

    password_hash: Annotated[SecretStr, AfterValidator(_check_hash)] = SecretStr("")
    """The output of ``parley operator hash``. Empty: no sign-in with a password."""
    totp_secret: Annotated[Keys, AfterValidator(_check_totp_secret)] = Field(default_factory=KeyRing)
    """The output of ``parley operator totp``, from which an authenticator app makes the codes that this person needs
    besides the password. Empty: the password suffices."""
    identity: Annotated[str, Field(max_length=300)] = ""
    """Who this person is at the OpenID provider of ``console.openid``, such as an e-mail address. Empty: no sign-in
    there."""
    role: Role = "agent"
    """What this person may do: ``viewer`` (read), ``agent`` (also answer contacts), ``admin`` (also change documents
    and operate), or ``owner`` (also give access to others)."""
    desk_ids: list[DeskId] = []
    """Who this person is at the desks, such as ``slack:U0123456789``, so that their role counts there, too."""
    name: Annotated[Printable, Field(max_length=60)] = ""
    """The name that contacts see beside this person's answers. By default the key under ``operators``, capitalized."""
    tenants: list[Annotated[str, AfterValidator(_check_tenant)]] = []
    """The tenants that this person may work for. Empty: all."""

    @model_validator(mode="after")
    def _check_use(self) -> OperatorSettings:
        if not (self.password_hash.get_secret_value() or self.desk_ids or self.identity):
            raise ValueError("password_hash, identity or desk_ids is needed: without, nobody can act as this person")
        if self.totp_secret.keys and not self.password_hash.get_secret_value():
            raise ValueError("totp_secret needs a password_hash")
        return self


@dataclass(frozen=True, slots=True)
class OperatorEntry:
    """An operator with the key under ``operators`` and the name that contacts see."""

    key: str
    name: str
    settings: OperatorSettings


def list_operators(operators: Mapping[str, OperatorSettings], tenant: str) -> list[OperatorEntry]:
    """The operators who may work for a tenant."""
    return [
        OperatorEntry(key, each.name or key.capitalize(), each)
        for key, each in operators.items()
        if not each.tenants or tenant in each.tenants
    ]


def _check_issuer(text: str) -> str:
    # Whoever can change what the provider answers can sign in as anybody.
    return require_pattern(
        text,
        r"https://[^\s/?#]+[^\s?#]*|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?[^\s?#]*",
        "must begin with https:// (or be on this machine)",
    )


class OpenIdSettings(Settings):
    """An OpenID provider, such as Google, Microsoft Entra, Okta or Keycloak."""

    issuer: Annotated[str, AfterValidator(_check_issuer)]
    """The provider's address, exactly as it calls itself (``issuer`` in ``/.well-known/openid-configuration``)."""
    client_id: str = Field(min_length=1)
    """The id that the provider gave to Parley."""
    client_secret: Keys = Field(default_factory=KeyRing)
    """The secret that the provider gave to Parley. Empty: a public client, which PKCE alone protects."""
    scopes: list[str] = ["openid", "email"]
    """The scopes that are asked for."""
    claim: str = Field(default="email", min_length=1)
    """The claim of the provider's token that names a person: an operator's ``identity`` is its value."""
    title: str = Field(default="Single sign-on", min_length=1, max_length=60)
    """The provider's name on the button."""


class ConsoleSettings(Settings):
    """Sessions of the console, and how people sign in to it."""

    idle_minutes: int = Field(default=60, ge=5, le=720)
    """A session that nobody uses for so many minutes ends. Every session ends after twelve hours."""
    url: WebAddress = ""
    """The address at which people open the console, if it is another one than ``public_url``. The OpenID provider leads
    them back there."""
    require_codes: bool = False
    """Whether everybody needs a second factor: each password a ``totp_secret``, and the admin token no longer opens the
    console (it stays that of the admin API). A sign-in at the OpenID provider counts, which decides what it asks for.
    """
    openid: OpenIdSettings | None = None
    """The OpenID provider with which operators sign in. Passwords and the admin token go on working."""
