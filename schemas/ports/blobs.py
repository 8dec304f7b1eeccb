"""Attachments: files by random id, with a size and type check, bound to a conversation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.messages import Attachment


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A stored file, the conversation in which it may be referenced, and the contact who uploaded it (empty: a
    colleague). Files of releases that did not bind them have neither."""

    attachment: Attachment
    conversation: str = ""
    uploader: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file whose message is not in the transcript yet. ``claimed``: a message that references it was
    appended to the log, or was about to be."""

    tenant: str
    id: str
    at: datetime
    conversation: str = ""
    claimed: bool = False


class Blobs(Protocol):
    """Files that came with messages. An id is random and reveals nothing; it belongs to one name and type."""

    async def put(
        self,
        tenant: str,
        name: str,
        declared_type: str,
        data: bytes,
        *,
        conversation: str = "",
        uploader: str = "",
        claimed: bool = True,
    ) -> Attachment:
        """Store a file under a new id, bound to its conversation and uploader. ``claimed`` False: it is an upload, and
        is deleted a day later unless a message claims it. A file without a conversation is kept, and no client can
        reference it.

        Raises TooLarge, UnsupportedMediaType (judged by content, not by name); where quotas apply also StorageFull and
        RateLimited."""

    async def get(self, tenant: str, attachment: str) -> tuple[Attachment, bytes]:
        """Raises NotFound."""

    async def describe(self, tenant: str, attachment: str) -> StoredFile:
        """Raises NotFound."""

    async def claim(self, tenant: str, attachment: str) -> None:
        """Keep an upload, because a message that references it is about to be appended. May be repeated. Raises
        NotFound, also for an upload that is old enough to be deleted."""

    async def confirm(self, tenant: str, attachment: str) -> None:
        """The message is in the transcript: the file is no longer an upload."""

    def uploads(self, *, before: datetime) -> AsyncIterator[Upload]:
        """The uploads of all tenants from before that time."""

    async def delete(self, tenant: str, attachment: str) -> int:
        """Delete file and description; returns the size of the file in bytes. May be repeated."""

    async def total(self, tenant: str) -> int:
        """Bytes of all files of a tenant, by listing them."""
