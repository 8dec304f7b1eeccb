"""Sealing of files: name and content are encrypted under the key of the contact to whom a file belongs. Its id, type
and size stay readable, and so does whom it belongs to."""

from __future__ import annotations

import base64
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidTag

from schemas.errors import NotFound, Unavailable
from schemas.ports import Clock
from schemas.privacy.key_service import NONCE_BYTES, ContactKeyService, UnwrappedKey

TAG_BYTES = 16
_VERSION = b"\x01"


@dataclass(frozen=True, slots=True)
class FileKey:
    """The key of one file. ``contact`` is whose key it is."""

    tenant: str
    contact: str
    file: str
    key: UnwrappedKey

    @property
    def generation(self) -> int:
        return self.key.generation

    def seal_data(self, data: bytes) -> tuple[bytes, str]:
        """The sealed content, which is as long as the content, and the seal that opens it. Under an erased key nothing
        of it is kept."""
        nonce, sealed = self._seal("data", data)
        return sealed[:-TAG_BYTES], base64.b64encode(_VERSION + nonce + sealed[-TAG_BYTES:]).decode()

    def seal_name(self, name: str) -> str:
        return base64.b64encode(_VERSION + b"".join(self._seal("name", name.encode()))).decode()

    def open_data(self, sealed: bytes, seal: str) -> bytes:
        """Raises NotFound under an erased key, and Unavailable for what this key did not seal."""
        return self._open("data", seal, sealed)

    def open_name(self, sealed: str) -> str:
        """Raises what ``open_data`` does."""
        return self._open("name", sealed).decode()

    def _seal(self, part: str, plain: bytes) -> tuple[bytes, bytes]:
        """The nonce, and the sealed text with its tag."""
        if self.key.cipher is None:
            return b"", b""
        nonce = os.urandom(NONCE_BYTES)
        return nonce, self.key.cipher.encrypt(nonce, plain, self._bind(part))

    def _open(self, part: str, seal: str, data: bytes = b"") -> bytes:
        """``seal``: the version, the nonce and what follows ``data``."""
        if self.key.cipher is None:
            raise NotFound("there is no such attachment")
        start = len(_VERSION) + NONCE_BYTES
        try:
            read = base64.b64decode(seal)
            return self.key.cipher.decrypt(read[len(_VERSION) : start], data + read[start:], self._bind(part))
        except (InvalidTag, ValueError) as error:
            raise _open_error() from error

    def _bind(self, part: str) -> bytes:
        """The associated data: what is sealed cannot be moved to another contact, another file or the name."""
        lengths = f"{len(self.tenant)}|{len(self.contact)}|{len(self.file)}|{self.generation}"
        return f"file|{lengths}|{self.tenant}|{self.contact}|{self.file}|{part}".encode()


class FileSealer:
    """Finds the key of each file. ``find_contact`` returns the contact who began a conversation, or "". Where not
    ``is_sealing``, new files stay plain, and only what was sealed before is opened."""

    def __init__(
        self,
        keys: ContactKeyService,
        find_contact: Callable[[str], Awaitable[str]],
        clock: Clock,
        *,
        is_sealing: bool = True,
    ) -> None:
        self._keys = keys
        self._find_contact = find_contact
        self._clock = clock
        self._is_sealing = is_sealing

    async def create_key(
        self, tenant: str, file: str, *, conversation: str, uploader: str, is_upload: bool
    ) -> FileKey | None:
        """The key for a new file of ``uploader``, or else of whoever began the conversation; None if the file belongs
        to no contact. An upload is something that a contact says now, so it begins another generation after an
        erasure; a file that is fetched for an older message does not. Raises what
        ``ContactKeyService.get_or_create`` does."""
        if not self._is_sealing:
            return None
        contact = uploader or (await self._find_contact(conversation) if conversation else "")
        if not contact:
            return None
        said_at = self._clock() if uploader and is_upload else None
        return FileKey(tenant, contact, file, await self._keys.get_or_create(tenant, contact, said_at=said_at))

    async def load_key(self, tenant: str, file: str, contact: str, generation: int, *, stored_at: datetime) -> FileKey:
        """The key of a stored file. Raises NotFound once it is erased or removed, and what ``ContactKeyService.get``
        does."""
        key = await self._keys.get(tenant, contact, least=generation)
        if key is None and self._keys.may_be_removed(stored_at):
            raise NotFound("there is no such attachment")
        if key is None or key.generation < generation:
            raise _open_error()
        if key.is_erased or key.generation > generation:
            raise NotFound("there is no such attachment")
        return FileKey(tenant, contact, file, key)


def _open_error() -> Unavailable:
    return Unavailable(
        "an attachment cannot be decrypted",
        fix="check that the file, the keys of contacts and secret_key belong together",
    )
