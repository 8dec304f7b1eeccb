"""Files and the addresses they are fetched from: signed, and good for a day.

An address carries ``ex`` (when it ends) and ``is`` (when it was made), both hexadecimal seconds, and ``hm``, the proof.
"""

from __future__ import annotations

import hashlib
import hmac
import mimetypes
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from tests.simulators.discord.ids import Ids
from tests.simulators.vendor import File

LIFE_SECONDS = 86_400
GONE = "This content is no longer available."


class Files:
    """``base`` is the address of the content servers, without a slash at the end."""

    def __init__(self, now: Callable[[], float], ids: Ids) -> None:
        self.base = "http://127.0.0.1"
        self._now = now
        self._ids = ids
        self._key = ids.token().encode()
        self._kept: dict[str, File] = {}

    def keep(self, channel: str, file: File, *, description: str | None = None) -> dict[str, Any]:
        """Store a file; the attachment object, without the links that ``sign`` adds."""
        name = re.sub(r"[^\w.-]+", "_", file.name) or "unknown"
        id = self._ids.snowflake()
        path = f"/attachments/{channel}/{id}/{quote(name)}"
        self._kept[path] = File(name, file.type, file.data)
        attachment = {"id": id, "filename": name, "size": len(file.data), "path": path}
        kind = file.type or mimetypes.guess_type(name)[0]
        if kind:
            attachment["content_type"] = kind
        if description is not None:
            attachment["description"] = description
        return attachment

    def sign(self, attachment: dict[str, Any]) -> dict[str, Any]:
        """The attachment as it is answered now, with a fresh address."""
        shown = {key: value for key, value in attachment.items() if key != "path"}
        address = self.address(attachment["path"])
        return {**shown, "url": address, "proxy_url": address}

    def address(self, path: str) -> str:
        made = int(self._now())
        ends = made + LIFE_SECONDS
        return f"{self.base}{path}?ex={ends:x}&is={made:x}&hm={self._proof(path, f'{ends:x}', f'{made:x}')}&"

    def file(self, path: str) -> File:
        return self._kept[path]

    def forget(self, path: str) -> None:
        self._kept.pop(path, None)

    async def serve(self, request: web.Request) -> web.Response:
        """No authorization is asked for: the address is the proof."""
        path = request.rel_url.raw_path
        ends, made, proof = (request.query.get(name, "") for name in ("ex", "is", "hm"))
        right = hmac.compare_digest(self._proof(path, ends, made), proof)
        if path not in self._kept or not right or int(ends, 16) < self._now():
            return web.Response(status=404, text=GONE, headers={"Content-Type": "text/plain;charset=UTF-8"})
        file = self._kept[path]
        kind = file.type or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return web.Response(body=file.data, headers={"Content-Type": kind})

    def _proof(self, path: str, ends: str, made: str) -> str:
        return hmac.new(self._key, f"{path}|{ends}|{made}".encode(), hashlib.sha256).hexdigest()
