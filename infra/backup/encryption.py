"""Encrypted files that are written and read as a stream, in constant memory.

A file begins with a header in plain text: a magic number, a length, and JSON. Chunks of equal size follow, each
encrypted with AES-256-GCM. The nonce of a chunk is its number and whether it is the last, and every chunk is bound to
the header, so that a file that was cut off, extended, reordered or changed anywhere is recognized. The key is derived
from a key file, or by scrypt from a passphrase, with a salt of each file's own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.errors import SetupError

MAGIC = b"PARLEYB1"
CHUNK = 256 * 1024
"""Bytes of plain text in a chunk."""
TAG_BYTES = 16
SALT_BYTES = 32
MIN_PASSPHRASE = 16
"""Characters. Whoever has a backup may try passphrases for as long as they like."""
MIN_KEY_BYTES = 32
MAX_HEADER = 4096
SCRYPT_COST = 1 << 17
"""Takes half a second and 128 MiB."""
Kind = Literal["data", "keys"]


class BackupHeader(BaseModel):
    """The part of a backup file that can be read without its key. ``protection``: what the key is derived from."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    created_at: datetime
    engine: str
    protection: Literal["passphrase", "key_file"]
    salt: str
    chunk: int = CHUNK


@dataclass(frozen=True, slots=True)
class BackupSecret:
    """What protects backups: a passphrase or the content of a key file."""

    protection: Literal["passphrase", "key_file"]
    value: bytes

    @classmethod
    def from_passphrase(cls, text: str) -> BackupSecret:
        """Raises SetupError if it is too short."""
        if len(text) < MIN_PASSPHRASE:
            fix = f"use at least {MIN_PASSPHRASE} characters, such as five random words, or a key file"
            raise SetupError("the passphrase of the backup is too short", fix=fix)
        return cls("passphrase", text.encode())

    @classmethod
    def from_file(cls, path: Path) -> BackupSecret:
        """Raises SetupError if the file cannot be read or is too short."""
        try:
            value = path.read_bytes().strip()
        except OSError as error:
            raise SetupError(f"the key file {path} cannot be read: {error.strerror}", fix="check --key-file") from error
        if len(value) < MIN_KEY_BYTES:
            fix = f"create one: openssl rand -base64 32 > {path}"
            raise SetupError(f"the key file {path} has fewer than {MIN_KEY_BYTES} bytes", fix=fix)
        return cls("key_file", value)

    def derive_key(self, header: BackupHeader) -> bytes:
        """The key of one file."""
        salt, value = bytes.fromhex(header.salt), self.value
        if self.protection == "passphrase":
            value = Scrypt(salt=salt, length=32, n=SCRYPT_COST, r=8, p=1).derive(value)
        info = f"parley backup {header.kind}".encode()
        return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(value)


class EncryptedWriter:
    """Encrypts what is written to ``sink``. The file is complete once ``finish`` has returned."""

    def __init__(self, sink: BinaryIO, secret: BackupSecret, *, kind: Kind, created_at: datetime, engine: str) -> None:
        self.header = BackupHeader(
            kind=kind,
            created_at=created_at,
            engine=engine,
            protection=secret.protection,
            salt=os.urandom(SALT_BYTES).hex(),
        )
        text = self.header.model_dump_json().encode()
        begin = MAGIC + len(text).to_bytes(4) + text
        self._cipher = AESGCM(secret.derive_key(self.header))
        self._bound = hashlib.sha256(begin).digest()
        self._sink = sink
        self._waiting = bytearray()
        self._number = 0
        sink.write(begin)

    def write(self, data: bytes) -> int:
        self._waiting += data
        # The last chunk is marked, so at least a byte is held back until it is known whether more comes.
        while len(self._waiting) > CHUNK:
            self._write_chunk(bytes(self._waiting[:CHUNK]), is_last=False)
            del self._waiting[:CHUNK]
        return len(data)

    def finish(self) -> None:
        self._write_chunk(bytes(self._waiting), is_last=True)
        self._waiting.clear()

    def _write_chunk(self, data: bytes, *, is_last: bool) -> None:
        self._sink.write(self._cipher.encrypt(_build_nonce(self._number, is_last), data, self._bound))
        self._number += 1


class EncryptedReader:
    """Decrypts what an EncryptedWriter has written; every chunk is verified before any of it is returned. Raises
    SetupError for a file that is no backup, is damaged, or does not open with this secret."""

    def __init__(self, source: BinaryIO, secret: BackupSecret, name: str) -> None:
        self._source = source
        self._name = name
        begin, self.header = read_header(source, name)
        if self.header.protection != secret.protection:
            wanted = self.header.protection.replace("_", " ")
            raise SetupError(f"{name} is protected by a {wanted}", fix=f"give the {wanted} it was made with")
        self._cipher = AESGCM(secret.derive_key(self.header))
        self._bound = hashlib.sha256(begin).digest()
        self._chunk = b""
        self._at = self._number = 0
        self._next = source.read(self.header.chunk + TAG_BYTES)
        self._ended = False

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; none at the end, which is verified by then."""
        parts = []
        while size > 0 and (self._at < len(self._chunk) or self._read_chunk()):
            part = self._chunk[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def read_to_end(self) -> None:
        """Verify everything that was not read yet."""
        while self.read(CHUNK):
            pass

    def _read_chunk(self) -> bool:
        if self._ended:
            return False
        sealed, self._next = self._next, self._source.read(self.header.chunk + TAG_BYTES)
        is_last = not self._next
        try:
            self._chunk = self._cipher.decrypt(_build_nonce(self._number, is_last), sealed, self._bound)
        except InvalidTag:
            raise self._describe_failure() from None
        self._at, self._ended = 0, is_last
        self._number += 1
        return bool(self._chunk)

    def _describe_failure(self) -> SetupError:
        if self._number == 0:
            return SetupError(
                f"{self._name} does not open: the passphrase or key file is another one, or the file is damaged",
                fix="check --key-file or the passphrase; if it is right, use another backup",
            )
        return SetupError(
            f"{self._name} is damaged at byte {self._number * self.header.chunk}: it was cut off or changed",
            fix="use another copy of this backup, or an older backup",
        )


def read_header(source: BinaryIO, name: str) -> tuple[bytes, BackupHeader]:
    """The beginning of a backup file, as bytes and as what it says. Raises SetupError if it is none."""
    begin = source.read(len(MAGIC) + 4)
    length = int.from_bytes(begin[len(MAGIC) :])
    try:
        if begin[: len(MAGIC)] != MAGIC or length > MAX_HEADER:
            raise ValueError
        text = source.read(length)
        header = BackupHeader.model_validate_json(text)
        if not 0 < header.chunk <= CHUNK or len(bytes.fromhex(header.salt)) != SALT_BYTES:
            raise ValueError
    except (ValueError, ValidationError):
        raise SetupError(f"{name} is no backup of this program", fix="name a file that was made with it") from None
    return begin + text, header


@contextmanager
def open_backup(path: Path, secret: BackupSecret) -> Iterator[EncryptedReader]:
    """Raises what EncryptedReader does, and SetupError if the file cannot be read."""
    try:
        with path.open("rb") as source:
            yield EncryptedReader(source, secret, str(path))
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror or error}", fix="check the path") from error


def _build_nonce(number: int, is_last: bool) -> bytes:
    """Used once, because every file has a key of its own."""
    return number.to_bytes(11) + bytes([is_last])
