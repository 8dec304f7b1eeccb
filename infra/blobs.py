"""Attachments on disk or in S3. Each file has a random id of its own, and a description that names its owner.

::

    <tenant>/<id>                    the bytes
    <tenant>/<id>.json               the description of a file that a message references, or that needs none
    _waiting/<tenant>/<id>.json      the description of an upload whose message was not yet seen in the transcript

An id begins with the time of the upload, so a listing tells how old an upload is. Releases before the one that wrote
these ids stored files under the hash of their content; those stay readable under it.

Files of contacts are sealed: the bytes, and the name in the description.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from infra.content_types import TEXTS, content_type
from schemas.errors import ConfigInvalid, NotFound, TooLarge, Unavailable
from schemas.messages import Attachment
from schemas.ports import Clock, StoredFile, Upload
from schemas.privacy.cards import OwnNumbers, mask_cards
from schemas.privacy.records import mask_file
from schemas.privacy.sealed_files import FileKey, FileSealer

if TYPE_CHECKING:
    from obstore.store import ObjectStore

LIMIT = 10 * 1024 * 1024
# A caller waits; the library's own retry limit is three minutes.
_TIMEOUTS: Any = {
    # Plain http only where the operator's own endpoint says so, as MinIO and the like often do.
    "client_options": {"allow_http": True, "timeout": timedelta(seconds=15), "connect_timeout": timedelta(seconds=3)},
    "retry_config": {"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
}
_NAME_LENGTH = 200
_ID = re.compile(r"[0-9a-f]{64}|a[0-9a-f]{42}")
"""A content hash of an earlier release; or ``a``, the second of the upload (10 digits) and 128 random bits."""
_TENANT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WAITING = "_waiting"
UNCLAIMED_FOR = timedelta(hours=24)
"""After this time an upload that no message references may be deleted."""
UNCONFIRMED_FOR = timedelta(days=30)
"""After this time an upload may be deleted whose message never reached the transcript: the log has dropped it by
now."""
_MARGIN = timedelta(hours=1)
"""An upload can no longer be claimed this long before its deletion, so that a message and the deletion never meet,
whichever processes they run in, while the clocks of these differ by less than half of it."""


def open_blobs(
    url: str,
    data_dir: Path,
    clock: Clock = lambda: datetime.now(UTC),
    own_numbers: Mapping[str, OwnNumbers | None] = MappingProxyType({}),
    sealer: FileSealer | None = None,
) -> StoredBlobs:
    """Open the blob store. ``file`` keeps files in ``data_dir/blobs``; ``s3://bucket/prefix`` takes credentials, region
    and endpoint from the usual ``AWS_…`` variables. ``own_numbers``: by tenant, the pattern of numbers that are no
    cards. Without a ``sealer`` files are stored as they are. Raises ConfigInvalid."""
    if url == "file":
        folder = data_dir / "blobs"
        store = LocalStore(folder, mkdir=True)
        flush = lambda key: _flush(folder / key)  # noqa: E731
        return StoredBlobs(store, clock, flush=flush, own_numbers=own_numbers, sealer=sealer)
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        raise ConfigInvalid(f"blobs: {url} is neither file nor s3://bucket/prefix", fix="change `blobs`")
    try:
        bucket = S3Store(parts.netloc, prefix=parts.path.strip("/") or None, **_TIMEOUTS)
        return StoredBlobs(bucket, clock, own_numbers=own_numbers, sealer=sealer)
    except BaseError as error:
        raise ConfigInvalid(
            f"blobs: {url} cannot be used", fix="check AWS_REGION, AWS_ENDPOINT and the keys"
        ) from error


class _Description(Attachment):
    """The description that is stored beside a file. Descriptions of earlier releases lack the last fields. ``contact``
    and ``generation`` name the key that seals the file and its ``name``; "" if they are plain. ``seal`` opens the file.
    """

    conversation: str = ""
    uploader: str = ""
    contact: str = ""
    generation: int = 0
    seal: str = ""

    def to_stored_file(self) -> StoredFile:
        attachment = Attachment(id=self.id, name=self.name, type=self.type, size=self.size)
        return StoredFile(attachment, self.conversation, self.uploader)


class StoredBlobs:
    """``schemas.ports.Blobs`` over one object store. Card numbers in text files are masked."""

    def __init__(
        self,
        store: ObjectStore,
        clock: Clock,
        *,
        flush: Callable[[str], None] | None = None,
        own_numbers: Mapping[str, OwnNumbers | None] = MappingProxyType({}),
        sealer: FileSealer | None = None,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._flush = flush
        self._own_numbers = own_numbers

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
        """Raises TooLarge, UnsupportedMediaType, Unavailable."""
        if len(data) > LIMIT:
            raise TooLarge(f"an attachment may have at most {LIMIT // 1024 // 1024} MiB")
        clean_name = _clean(name)
        kind, data = await asyncio.to_thread(_inspect, data, clean_name, declared_type, self._own_numbers.get(tenant))
        id_ = f"a{int(self._clock().timestamp()):010x}{secrets.token_hex(16)}"
        description = _Description(
            id=id_, name=clean_name, type=kind, size=len(data), conversation=conversation, uploader=uploader
        )
        attachment = description.to_stored_file().attachment
        description, data = await self._seal(tenant, description, data, is_upload=not claimed)
        encoded = description.model_dump_json().encode()
        # The upload marker first, so that no file is left behind unnoticed; the description last: whoever finds it
        # finds the file.
        if conversation:
            await self._write(_waiting_key(tenant, id_), encoded)
        await self._write(_key(tenant, id_), data)
        if claimed or not conversation:
            await self._write(_description_key(tenant, id_), encoded)
        return attachment

    async def get(self, tenant: str, attachment: str) -> tuple[Attachment, bytes]:
        description = await self._read_description(tenant, attachment)
        key = await self._load_key(tenant, description)
        data = await self._read(_key(tenant, attachment))
        if key is not None:
            description = description.model_copy(update={"name": key.open_name(description.name)})
            data = await asyncio.to_thread(key.open_data, data, description.seal)
        return description.to_stored_file().attachment, data

    async def describe(self, tenant: str, attachment: str) -> StoredFile:
        description = await self._read_description(tenant, attachment)
        key = await self._load_key(tenant, description)
        if key is not None:
            description = description.model_copy(update={"name": key.open_name(description.name)})
        return description.to_stored_file()

    async def _seal(
        self, tenant: str, description: _Description, data: bytes, *, is_upload: bool
    ) -> tuple[_Description, bytes]:
        if self._sealer is None:
            return description, data
        conversation, uploader = description.conversation, description.uploader
        key = await self._sealer.create_key(
            tenant, description.id, conversation=conversation, uploader=uploader, is_upload=is_upload
        )
        if key is None:
            return description, data
        sealed, seal = await asyncio.to_thread(key.seal_data, data)
        changes = {"contact": key.contact, "generation": key.generation, "seal": seal}
        return description.model_copy(update=changes | {"name": key.seal_name(description.name)}), sealed

    async def _load_key(self, tenant: str, description: _Description) -> FileKey | None:
        """None for a plain file. Raises NotFound once the key is erased."""
        if not description.contact:
            return None
        if self._sealer is None:
            raise Unavailable(
                "an attachment cannot be decrypted", fix="set secret_key to the one that it was stored with"
            )
        return await self._sealer.load_key(
            tenant,
            description.id,
            description.contact,
            description.generation,
            stored_at=_time_of(description.id),
        )

    async def claim(self, tenant: str, attachment: str) -> None:
        if not await self._exists(_waiting_key(tenant, attachment)):
            await self.describe(tenant, attachment)  # settled; or not there
            return
        is_claimed = await self._exists(_description_key(tenant, attachment))
        ends = _time_of(attachment) + ((UNCONFIRMED_FOR if is_claimed else UNCLAIMED_FOR) - _MARGIN)
        if self._clock() >= ends:
            raise NotFound("there is no such attachment")
        if not is_claimed:
            written = await self._read(_waiting_key(tenant, attachment))
            await self._write(_description_key(tenant, attachment), written)
        # Checked again once it is written: a process that was held up meanwhile must not claim a file that is being
        # deleted.
        if self._clock() >= ends + _MARGIN / 2:
            raise NotFound("there is no such attachment")

    async def confirm(self, tenant: str, attachment: str) -> None:
        await self._delete(_waiting_key(tenant, attachment))

    async def uploads(self, *, before: datetime) -> AsyncIterator[Upload]:
        try:
            async for page in obstore.list(self._store, _WAITING):
                for found in page:
                    upload = _upload_of(found["path"])
                    if upload is not None and upload.at < before and (whole := await self._load_upload(upload)):
                        yield whole
        except (BaseError, OSError) as error:
            raise _read_error() from error

    async def _load_upload(self, upload: Upload) -> Upload | None:
        """None when it was confirmed or deleted since it was listed."""
        claimed = await self._exists(_description_key(upload.tenant, upload.id))
        try:
            description = await self._parse_description(_waiting_key(upload.tenant, upload.id))
        except NotFound:
            return None
        return Upload(upload.tenant, upload.id, upload.at, description.conversation, claimed)

    async def delete(self, tenant: str, attachment: str) -> int:
        try:
            size = (await self._read_description(tenant, attachment)).size
        except NotFound:
            size = 0
        # The upload marker last: an interrupted deletion is found again.
        for key in (_description_key(tenant, attachment), _key(tenant, attachment), _waiting_key(tenant, attachment)):
            await self._delete(key)
        return size

    async def total(self, tenant: str) -> int:
        size = 0
        try:
            async for page in obstore.list(self._store, _folder(tenant)):
                size += sum(entry["size"] for entry in page if not entry["path"].endswith(".json"))
        except (BaseError, OSError) as error:
            raise _read_error() from error
        return size

    async def read_objects(self) -> AsyncIterator[tuple[str, bytes]]:
        """Everything that is stored, for a backup: the path and the bytes of each object. Raises Unavailable."""
        try:
            async for page in obstore.list(self._store):
                for found in page:
                    with suppress(NotFound):  # it was deleted since it was listed
                        yield found["path"], await self._read(found["path"])
        except (BaseError, OSError) as error:
            raise _read_error() from error

    async def write_object(self, path: str, data: bytes) -> None:
        """Store an object that ``read_objects`` has returned. Raises Unavailable."""
        await self._write(path, data)

    def find_upload_time(self, attachment: str) -> datetime | None:
        """When a file was uploaded, as its id says; None for the ids of earlier releases."""
        return _time_of(attachment) if attachment.startswith("a") and _ID.fullmatch(attachment) else None

    async def _read_description(self, tenant: str, attachment: str) -> _Description:
        """The description as it is stored. Raises NotFound."""
        try:
            return await self._parse_description(_description_key(tenant, attachment))
        except NotFound:
            return await self._parse_description(_waiting_key(tenant, attachment))

    async def _parse_description(self, key: str) -> _Description:
        return _Description.model_validate_json(await self._read(key))

    async def _exists(self, key: str) -> bool:
        try:
            await obstore.head_async(self._store, key)
        except (NotFoundError, FileNotFoundError):
            return False
        except (BaseError, OSError) as error:
            raise _read_error() from error
        return True

    async def _write(self, key: str, data: bytes) -> None:
        try:
            await obstore.put_async(self._store, key, data, use_multipart=False)
            if self._flush:
                await asyncio.to_thread(self._flush, key)
        except (BaseError, OSError) as error:
            raise Unavailable("attachments cannot be stored now", fix="check `blobs` and its disk or bucket") from error

    async def _read(self, key: str) -> bytes:
        try:
            response: Any = await obstore.get_async(self._store, key)
            return bytes(await response.bytes_async())
        except (NotFoundError, FileNotFoundError) as error:
            raise NotFound("there is no such attachment") from error
        except (BaseError, OSError) as error:
            raise _read_error() from error

    async def _delete(self, key: str) -> None:
        try:
            await obstore.delete_async(self._store, key)
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            raise Unavailable(
                "attachments cannot be deleted now", fix="check `blobs` and its disk or bucket"
            ) from error


def _read_error() -> Unavailable:
    return Unavailable("attachments cannot be read now", fix="check `blobs` and its disk or bucket")


def _folder(tenant: str) -> str:
    if not _TENANT.fullmatch(tenant) or tenant == _WAITING:
        raise NotFound("there is no such attachment")
    return tenant


def _inspect(data: bytes, name: str, declared: str, own: OwnNumbers | None) -> tuple[str, bytes]:
    """The content type, and the bytes to store."""
    kind = content_type(data, name, declared)
    if kind in TEXTS and (masked := mask_file(data, own)) != data:
        # A masked number without quotes is no valid JSON any more.
        data, kind = masked, content_type(masked, name, declared)
    return kind, data


def _key(tenant: str, attachment: str) -> str:
    """Only exactly a tenant and an id can name a file."""
    if not _ID.fullmatch(attachment):
        raise NotFound("there is no such attachment")
    return f"{_folder(tenant)}/{attachment}"


def _description_key(tenant: str, attachment: str) -> str:
    return f"{_key(tenant, attachment)}.json"


def _waiting_key(tenant: str, attachment: str) -> str:
    return f"{_WAITING}/{_key(tenant, attachment)}.json"


def _upload_of(path: str) -> Upload | None:
    """None for anything that is no upload."""
    _, tenant, name = path.split("/") if path.count("/") == 2 else ("", "", "")
    id_ = name.removesuffix(".json")
    if not id_.startswith("a") or not _ID.fullmatch(id_) or not _TENANT.fullmatch(tenant):
        return None
    return Upload(tenant, id_, _time_of(id_))


def _time_of(attachment: str) -> datetime:
    return datetime.fromtimestamp(int(attachment[1:11], 16), UTC)


def _clean(name: str) -> str:
    """The last part of a path, printable, of bounded length, without card numbers; its ending is kept."""
    last = name.replace("\\", "/").rpartition("/")[2]
    clean = "".join(letter for letter in last if letter.isprintable() and letter not in '<>"').strip(" .")
    stem, dot, ending = clean.rpartition(".")
    if len(clean) > _NAME_LENGTH and dot and len(ending) <= 10:
        clean = stem[: _NAME_LENGTH - len(ending) - 1] + dot + ending
    return mask_cards(clean[:_NAME_LENGTH]) or "file"


def _flush(path: Path) -> None:
    """Flush file and folder to the disk, so that an acknowledged upload survives a power cut."""
    for target in (path, path.parent):
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
