"""Attachments on disk or in S3, under their content hash: ``<tenant>/<sha256>``, each described beside it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from infra.content_types import content_type
from schemas.errors import ConfigInvalid, NotFound, TooLarge, Unavailable
from schemas.messages import Attachment
from schemas.protection.cards import masked

if TYPE_CHECKING:
    from obstore.store import ObjectStore

LIMIT = 10 * 1024 * 1024
# A caller waits: the library's own patience is three minutes.
_PATIENCE: Any = {
    # Plain http only where the operator's own endpoint says so; MinIO and the like often do.
    "client_options": {"allow_http": True, "timeout": timedelta(seconds=15), "connect_timeout": timedelta(seconds=3)},
    "retry_config": {"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
}
_NAME_LENGTH = 200
_ID = re.compile(r"[0-9a-f]{64}")
_TENANT = re.compile(r"[A-Za-z0-9_-]{1,64}")


def open_blobs(url: str, data_dir: Path) -> StoredBlobs:
    """``file`` keeps them in ``data_dir/blobs``; ``s3://bucket/prefix`` takes credentials, region and endpoint from the
    usual ``AWS_…`` variables. Raises ConfigInvalid."""
    if url == "file":
        folder = data_dir / "blobs"
        store = LocalStore(folder, mkdir=True)
        return StoredBlobs(store, flush=lambda key: _flush(folder / key))
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        raise ConfigInvalid(f"blobs: {url} is neither file nor s3://bucket/prefix", fix="change `blobs`")
    try:
        return StoredBlobs(S3Store(parts.netloc, prefix=parts.path.strip("/") or None, **_PATIENCE))
    except BaseError as error:
        raise ConfigInvalid(
            f"blobs: {url} cannot be used", fix="check AWS_REGION, AWS_ENDPOINT and the keys"
        ) from error


class StoredBlobs:
    """``schemas.ports.Blobs`` over one object store."""

    def __init__(self, store: ObjectStore, *, flush: Callable[[str], None] | None = None) -> None:
        self._store = store
        self._flush = flush

    async def put(self, tenant: str, name: str, declared_type: str, data: bytes) -> Attachment:
        """Idempotent: the same bytes have the same id. Raises TooLarge, UnsupportedMediaType, Unavailable."""
        if len(data) > LIMIT:
            raise TooLarge(f"an attachment may have at most {LIMIT // 1024 // 1024} MiB")
        shown = _clean(name)
        kind, digest = await asyncio.to_thread(_inspect, data, shown, declared_type)
        attachment = Attachment(id=digest, name=shown, type=kind, size=len(data))
        key = _key(tenant, digest)
        # The bytes first: whoever finds the description finds the file.
        await self._write(key, data)
        await self._write(key + ".json", attachment.model_dump_json().encode())
        return attachment

    async def get(self, tenant: str, attachment: str) -> tuple[Attachment, bytes]:
        key = _key(tenant, attachment)
        about = Attachment.model_validate_json(await self._read(key + ".json"))
        return about, await self._read(key)

    async def _write(self, key: str, data: bytes) -> None:
        try:
            await obstore.put_async(self._store, key, data, use_multipart=False)
            if self._flush:
                await asyncio.to_thread(self._flush, key)
        except (BaseError, OSError) as error:
            raise Unavailable("attachments cannot be stored now", fix="check `blobs` and its disk or bucket") from error

    async def _read(self, key: str) -> bytes:
        try:
            found: Any = await obstore.get_async(self._store, key)
            return bytes(await found.bytes_async())
        except (NotFoundError, FileNotFoundError) as error:
            raise NotFound("there is no such attachment") from error
        except (BaseError, OSError) as error:
            raise Unavailable("attachments cannot be read now", fix="check `blobs` and its disk or bucket") from error


def _inspect(data: bytes, name: str, declared: str) -> tuple[str, str]:
    return content_type(data, name, declared), hashlib.sha256(data).hexdigest()


def _key(tenant: str, attachment: str) -> str:
    """Anything that is not exactly a tenant and a hash cannot name a file."""
    if not _ID.fullmatch(attachment) or not _TENANT.fullmatch(tenant):
        raise NotFound("there is no such attachment")
    return f"{tenant}/{attachment}"


def _clean(name: str) -> str:
    """The last part of a path, printable, of bounded length, without numbers of cards; its ending survives."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(letter for letter in last if letter.isprintable() and letter not in '<>"').strip(" .")
    stem, dot, ending = shown.rpartition(".")
    if len(shown) > _NAME_LENGTH and dot and len(ending) <= 10:
        shown = stem[: _NAME_LENGTH - len(ending) - 1] + dot + ending
    return masked(shown[:_NAME_LENGTH]) or "file"


def _flush(path: Path) -> None:
    """To the disk itself, file and folder: an upload that was answered survives a power cut."""
    for target in (path, path.parent):
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
