"""Who may use the console: people with a name and a password, and whoever has the admin token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from connectors.settings import Settings, require_pattern
from schemas.messages import Printable

ADMIN = "admin"
"""Stands for the admin token; no operator may be called so."""
SHORTEST = 10
"""Characters of a password."""
_COST, _BLOCK, _LANES = 16_384, 8, 5
"""16 MiB and about a tenth of a second for each guess."""
_SHAPE = re.compile(r"scrypt:(\d{1,7}):(\d{1,2}):(\d{1,2}):([\w-]{16,88}):([\w-]{43})")
_MOST_MEMORY = 256 * 1024 * 1024


def hashed(password: str) -> str:
    """What the configuration keeps instead of the password: ``scrypt:N:r:p:salt:key``."""
    salt = secrets.token_bytes(16)
    key = _key(password, salt, _COST, _BLOCK, _LANES)
    return f"scrypt:{_COST}:{_BLOCK}:{_LANES}:{_text(salt)}:{_text(key)}"


def fits(password: str, kept: str) -> bool:
    """Takes about as long whatever was given. Blocks: to be run in a thread."""
    found = _SHAPE.fullmatch(kept)
    if found is None:
        return False
    cost, block, lanes = (int(part) for part in found.groups()[:3])
    key = _key(password, base64.urlsafe_b64decode(found[4] + "=="), cost, block, lanes)
    return hmac.compare_digest(_text(key), found[5])


NOBODY = f"scrypt:{_COST}:{_BLOCK}:{_LANES}:{'A' * 22}:{'A' * 43}"
"""Compared with for names that nobody has, so that they cannot be told from others by the time it takes."""


def _key(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    given = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(given, salt=salt, n=cost, r=block, p=lanes, maxmem=_MOST_MEMORY, dklen=32)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _hash(given: SecretStr) -> SecretStr:
    found = _SHAPE.fullmatch(given.get_secret_value())
    wrong = "must be what `parley operator hash` prints"
    if found is None:
        raise ValueError(wrong)
    cost, block, lanes = (int(part) for part in found.groups()[:3])
    if cost < 2 or cost & (cost - 1) or not block or not lanes or 128 * cost * block * 2 > _MOST_MEMORY:
        raise ValueError(wrong)
    return given


class OperatorSettings(Settings):
    """A person at the console. ``name`` is what contacts read beside their answers; the key under ``operators``, with a
    capital, when it is not given. ``tenants`` are those whose conversations they see; none named: all."""

    password_hash: Annotated[SecretStr, AfterValidator(_hash)]
    name: Annotated[Printable, Field(max_length=60)] = ""
    tenants: list[
        Annotated[str, AfterValidator(lambda text: require_pattern(text, r"[a-z0-9][a-z0-9_-]{0,62}", _TENANT))]
    ] = []


_TENANT = "must be the name of a tenant"
