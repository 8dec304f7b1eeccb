"""Files in the web chat: taken in by size and content, given out by signed addresses that expire."""

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

from gateway.config.secret_keys import derive_key, sign, verify_signature
from schemas.errors import Forbidden, InvalidRequest, NotFound, TooLarge, UnsupportedMediaType
from schemas.messages import Attachment
from schemas.ports import Blobs, Clock

MAX_SIZE = 10 * 1024 * 1024
"""Bytes of one file."""
FORM_OVERHEAD = 64 * 1024
UPLOAD_WAIT = 120.0
"""Seconds a client may take to send a file."""
VALID_FOR = 3600
"""Seconds, at least; addresses change once in this time, so that browsers can keep what they fetched."""
_CONTENT_HASH = re.compile(r"[0-9a-f]{64}")
SHOWN_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


class AttachmentDesk:
    """Stores uploads and signs addresses. ``public_url`` makes them absolute; empty keeps them relative."""

    def __init__(self, blobs: Blobs, *, secret_key: str, public_url: str, clock: Clock) -> None:
        self._blobs = blobs
        self._key = derive_key(secret_key, "attachment")
        self._public_url = public_url.rstrip("/")
        self._clock = clock

    async def store(self, tenant: str, request: web.Request, *, conversation: str, uploader: str = "") -> Attachment:
        """The first file of a form, for a message in this conversation; ``uploader``: the contact, empty for a
        colleague. Raises UnsupportedMediaType, TooLarge, RateLimited, InvalidRequest."""
        if request.content_type != "multipart/form-data":
            raise UnsupportedMediaType("the content type must be multipart/form-data")
        if (request.content_length or 0) > MAX_SIZE + FORM_OVERHEAD:
            raise TooLarge(f"a file may have {MAX_SIZE} bytes")
        try:
            async with asyncio.timeout(UPLOAD_WAIT):
                name, declared, data = await _first_file(request)
        except TimeoutError:
            raise InvalidRequest("the file did not arrive in time") from None
        except (ValueError, AssertionError, RuntimeError, LookupError, HttpProcessingError, web.HTTPException):
            # What the form reader raises for a broken form is not documented; all of it is the sender's doing.
            raise InvalidRequest("the form is malformed") from None
        if not data:
            raise InvalidRequest("the file is empty")
        return await self._blobs.put(
            tenant, name, declared, data, conversation=conversation, uploader=uploader, claimed=False
        )

    async def uploaded(
        self, tenant: str, conversation: str, attachments: Iterable[str], *, uploader: str | None = None
    ) -> list[Attachment]:
        """What these ids stand for, which were uploaded for this conversation; by ``uploader``, if it is given. Raises
        InvalidRequest, the same whether an id is unknown or another's."""
        found = []
        for attachment in attachments:
            try:
                stored = await self._blobs.describe(tenant, attachment)
            except NotFound:
                raise _unknown() from None
            # Files of earlier releases are bound to no conversation, so nobody can reference them anew.
            if stored.conversation != conversation or uploader not in (None, stored.uploader):
                raise _unknown()
            found.append(stored.attachment)
        return found

    async def claim(self, tenant: str, attachments: Iterable[Attachment]) -> None:
        """Keep these: their message is about to be put on the log. Raises InvalidRequest when one is too old."""
        for attachment in attachments:
            try:
                await self._blobs.claim(tenant, attachment.id)
            except NotFound:
                raise _unknown() from None

    def url(self, tenant: str, attachment: str) -> str:
        """A signed address, valid for one to two hours."""
        now = int(self._clock().timestamp())
        expires = str((now // VALID_FOR + 2) * VALID_FOR)
        signature = sign(self._key, tenant, attachment, expires)
        path = f"/v1/chat/{quote(tenant, safe='')}/attachments/{attachment}"
        return f"{self._public_url}{path}?exp={expires}&sig={signature}"

    async def fetch(self, request: web.Request) -> web.Response:
        """``GET …/attachments/{id}?exp&sig``. Raises Forbidden (signature, age), NotFound."""
        tenant, attachment = request.match_info["tenant"], request.match_info["id"]
        expires = request.query.get("exp", "")
        if not verify_signature(request.query.get("sig", ""), self._key, tenant, attachment, expires):
            raise Forbidden("the address is not signed")
        if not expires.isdigit() or datetime.fromtimestamp(int(expires), self._clock().tzinfo) <= self._clock():
            raise Forbidden("the address is expired; read the message again for a new one")
        stored, data = await self._blobs.get(tenant, attachment)
        shown = "inline" if stored.type in SHOWN_INLINE else "attachment"
        return web.Response(
            body=data,
            headers={
                "Content-Type": stored.type,
                "Content-Disposition": f"{shown}; filename*=UTF-8''{quote(_file_name(stored), safe='')}",
                "Content-Security-Policy": "default-src 'none'; sandbox",
                "Cross-Origin-Resource-Policy": "cross-origin",
                "Cache-Control": f"private, max-age={VALID_FOR}, immutable",
            },
        )


def _file_name(stored: Attachment) -> str:
    """The name of an earlier release's file may be that of another visitor, who sent the same bytes."""
    if _CONTENT_HASH.fullmatch(stored.id):
        return "file" + (mimetypes.guess_extension(stored.type) or "")
    return stored.name


def _unknown() -> InvalidRequest:
    return InvalidRequest("attachments: there is no such attachment")


async def _first_file(request: web.Request) -> tuple[str, str, bytes]:
    form = await request.multipart()
    while (part := await form.next()) is not None:
        if isinstance(part, BodyPartReader) and part.filename is not None:
            data = bytearray()
            while chunk := await part.read_chunk(64 * 1024):
                data += chunk
                if len(data) > MAX_SIZE:
                    raise TooLarge(f"a file may have {MAX_SIZE} bytes")
            return safe_name(part.filename), part.headers.get("Content-Type", ""), bytes(data)
        if isinstance(part, BodyPartReader):
            await part.release()
    raise InvalidRequest("the form holds no file")


def safe_name(name: str) -> str:
    """The last piece of the name without control characters; what is left of it is only ever shown."""
    # Some clients percent-encode the name in a form, browsers do not.
    last = unquote(name).replace("\\", "/").rpartition("/")[2].encode("utf-8", "ignore").decode()
    shown = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C").strip()
    return shown[:150] or "file"
