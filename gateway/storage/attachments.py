"""Attachments: uploads, which are checked for size and type, and downloads from signed URLs that expire."""

from __future__ import annotations

import asyncio
import mimetypes
import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote, unquote

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError

from gateway.config.secret_keys import SigningKeys
from gateway.storage.quotas import QuotaBlobs
from schemas.errors import Forbidden, InvalidRequest, NotFound, TooLarge, UnsupportedMediaType
from schemas.key_ring import KeyRing
from schemas.messages import Attachment
from schemas.ports import Clock

MAX_SIZE = 10 * 1024 * 1024
"""Bytes of one file."""
FORM_OVERHEAD = 64 * 1024
UPLOAD_TIMEOUT = 120.0
"""Seconds that a client may take to send a file."""
URL_LIFETIME = 3600
"""Minimum, in seconds. URLs change once in this time, so that browsers can cache files."""
_CONTENT_HASH = re.compile(r"[0-9a-f]{64}")
INLINE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


class AttachmentService:
    """Stores uploads and signs their URLs, which are relative if ``public_url`` is empty."""

    def __init__(self, blobs: QuotaBlobs, *, secret_key: KeyRing, public_url: str, clock: Clock) -> None:
        self._blobs = blobs
        self._keys = SigningKeys(secret_key, "attachment")
        self._public_url = public_url.rstrip("/")
        self._clock = clock

    async def store_upload(
        self, tenant: str, request: web.Request, *, conversation: str, uploader: str = "", address: str = ""
    ) -> Attachment:
        """Store the first file of a form for a message in this conversation. ``uploader`` is the contact, or empty for
        a colleague; ``address`` is set if only it tells who sends. Raises UnsupportedMediaType, TooLarge, RateLimited,
        InvalidRequest."""
        if request.content_type != "multipart/form-data":
            raise UnsupportedMediaType("the content type must be multipart/form-data")
        if (request.content_length or 0) > MAX_SIZE + FORM_OVERHEAD:
            raise TooLarge(f"a file may have at most {MAX_SIZE} bytes")
        try:
            async with asyncio.timeout(UPLOAD_TIMEOUT):
                name, declared, data = await _read_first_file(request)
        except TimeoutError:
            raise InvalidRequest("the file did not arrive in time") from None
        except (ValueError, AssertionError, RuntimeError, LookupError, HttpProcessingError, web.HTTPException):
            # The exceptions of the form reader for malformed forms are not documented; the sender causes all of them.
            raise InvalidRequest("the form is malformed") from None
        if not data:
            raise InvalidRequest("the file is empty")
        return await self._blobs.put(
            tenant, name, declared, data, conversation=conversation, uploader=uploader, claimed=False, address=address
        )

    async def find_uploads(
        self, tenant: str, conversation: str, attachments: Iterable[str], *, uploader: str | None = None
    ) -> list[Attachment]:
        """Return the files with these ids that were uploaded for this conversation, and by ``uploader`` if it is given.
        Raises InvalidRequest, which does not tell an unknown id from a file of another conversation."""
        files = []
        for attachment in attachments:
            try:
                stored = await self._blobs.describe(tenant, attachment)
            except NotFound:
                raise _unknown_attachment() from None
            # Files of earlier releases belong to no conversation, so no new message can reference them.
            if stored.conversation != conversation or uploader not in (None, stored.uploader):
                raise _unknown_attachment()
            files.append(stored.attachment)
        return files

    async def claim(self, tenant: str, attachments: Iterable[Attachment]) -> None:
        """Keep these files, whose message is about to be appended. Raises InvalidRequest if one is too old."""
        for attachment in attachments:
            try:
                await self._blobs.claim(tenant, attachment.id)
            except NotFound:
                raise _unknown_attachment() from None

    def sign_url(self, tenant: str, attachment: str) -> str:
        """Return a signed URL, valid for one to two hours."""
        now = int(self._clock().timestamp())
        expires = str((now // URL_LIFETIME + 2) * URL_LIFETIME)
        signature = self._keys.sign(tenant, attachment, expires)
        path = f"/v1/chat/{quote(tenant, safe='')}/attachments/{attachment}"
        return f"{self._public_url}{path}?exp={expires}&sig={signature}"

    async def serve(self, request: web.Request) -> web.Response:
        """Serve ``GET …/attachments/{id}?exp&sig``. Raises Forbidden (bad signature, expired), NotFound."""
        tenant, attachment = request.match_info["tenant"], request.match_info["id"]
        expires = request.query.get("exp", "")
        if not self._keys.verify(request.query.get("sig", ""), tenant, attachment, expires):
            raise Forbidden("the signature of the address is not valid")
        if not expires.isdigit() or datetime.fromtimestamp(int(expires), self._clock().tzinfo) <= self._clock():
            raise Forbidden("the address has expired; read the message again for a new one")
        stored, data = await self._blobs.get(tenant, attachment)
        disposition = "inline" if stored.type in INLINE_TYPES else "attachment"
        return web.Response(
            body=data,
            headers={
                "Content-Type": stored.type,
                "Content-Disposition": f"{disposition}; filename*=UTF-8''{quote(_get_download_name(stored), safe='')}",
                "Content-Security-Policy": "default-src 'none'; sandbox",
                "Cross-Origin-Resource-Policy": "cross-origin",
                "Cache-Control": f"private, max-age={URL_LIFETIME}, immutable",
            },
        )


def _get_download_name(stored: Attachment) -> str:
    """Files of earlier releases get a generic name: the stored one may be from another visitor who sent the same
    bytes."""
    if _CONTENT_HASH.fullmatch(stored.id):
        return "file" + (mimetypes.guess_extension(stored.type) or "")
    return stored.name


def _unknown_attachment() -> InvalidRequest:
    return InvalidRequest("attachments: there is no such attachment")


async def _read_first_file(request: web.Request) -> tuple[str, str, bytes]:
    form = await request.multipart()
    while (part := await form.next()) is not None:
        if isinstance(part, BodyPartReader) and part.filename is not None:
            data = bytearray()
            while chunk := await part.read_chunk(64 * 1024):
                data += chunk
                if len(data) > MAX_SIZE:
                    raise TooLarge(f"a file may have at most {MAX_SIZE} bytes")
            # Raises unless a boundary follows: a file that was cut off must not pass for the whole.
            await form.next()
            return clean_file_name(part.filename), part.headers.get("Content-Type", ""), bytes(data)
        if isinstance(part, BodyPartReader):
            await part.release()
    raise InvalidRequest("the form contains no file")


def clean_file_name(name: str) -> str:
    """Return the last path component without control characters. It serves for display only."""
    # Some clients percent-encode the name in a form, browsers do not.
    last = unquote(name).replace("\\", "/").rpartition("/")[2].encode("utf-8", "ignore").decode()
    cleaned = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C").strip()
    return cleaned[:150] or "file"
