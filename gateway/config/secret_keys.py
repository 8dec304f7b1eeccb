"""The installation's secrets: generated where the configuration has none, and the signing keys derived from them.

Generated secrets are kept in the data folder, in files that only their owner can read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from gateway.config.settings import Config
from schemas.errors import ConfigInvalid
from schemas.key_ring import KeyRing, is_any

SECRET_NAMES = ("secret_key", "admin_token")
MIN_SECRET_BYTES = 32
"""Minimum length of a secret in bytes. Whoever guesses one can sign tokens, or use the admin API."""
GENERATE_COMMAND = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"


def fill_in_secrets(config: Config) -> Config:
    """The configuration with both secrets set. Raises ConfigInvalid if the data folder cannot be written."""
    generated = {
        name: KeyRing(_read_or_create(config.data_path / name))
        for name in SECRET_NAMES
        if not getattr(config, name).get_secret_value()
    }
    return config.model_copy(update=generated)


def is_generated(config: Config, name: str) -> bool:
    """Whether a secret is the one in the data folder, and not from the configuration."""
    secret = getattr(config, name).get_secret_value()
    return bool(secret) and _read(config.data_path / name) == secret


def _read_or_create(file: Path) -> str:
    try:
        secret = _read(file) or _create(file)
    except OSError as error:
        raise ConfigInvalid(
            f"cannot keep {file.name} in {file.parent}: {error.strerror}",
            fix="make the folder writable, or set `data_dir` to a folder that is",
        ) from error
    if is_too_short(KeyRing(secret)):
        fix = f"remove the file, so that the next start generates a new secret, or generate one: {GENERATE_COMMAND}"
        raise ConfigInvalid(f"{file}: must be at least {MIN_SECRET_BYTES} bytes long", fix=fix)
    return secret


def is_too_short(ring: KeyRing) -> bool:
    """Whether one of the keys is too short."""
    return any(len(key.encode()) < MIN_SECRET_BYTES for key in ring.keys)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _create(file: Path) -> str:
    """Create the file and return the secret in it. If two processes start at once, the first link decides which secret
    both use."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(secrets.token_urlsafe(32) + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    try:
        os.link(draft, file)
    except FileExistsError:
        if not _read(file):
            os.replace(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    return _read(file)


def derive_key(secret_key: str, use: str) -> bytes:
    """A 32-byte key for one use of the secret key, so that a signature made for one use is not valid for another."""
    return hmac.new(secret_key.encode(), f"parley/{use}".encode(), hashlib.sha256).digest()


class SigningKeys:
    """The keys for one use, derived from those of a ring at the time of each call. The current one signs, and
    signatures of all are valid."""

    def __init__(self, ring: KeyRing, use: str) -> None:
        self._ring = ring
        self._use = use
        self._derived: tuple[tuple[str, ...], list[bytes]] = ((), [])

    @property
    def current_key(self) -> bytes:
        return self.valid_keys[0]

    @property
    def valid_keys(self) -> list[bytes]:
        keys = self._ring.keys or ("",)
        if self._derived[0] != keys:
            self._derived = keys, [derive_key(key, self._use) for key in keys]
        return self._derived[1]

    def sign(self, *parts: str) -> str:
        """A URL-safe signature (24 bytes) of the parts in this order."""
        return _sign(self.current_key, *parts)

    def verify(self, signature: str, *parts: str) -> bool:
        """Whether the signature is valid. Takes the same time for every signature."""
        return is_any(signature, (_sign(key, *parts) for key in self.valid_keys))


def _sign(key: bytes, *parts: str) -> str:
    text = "".join(f"{len(part)}:{part}" for part in parts)
    digest = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:24]).decode()
