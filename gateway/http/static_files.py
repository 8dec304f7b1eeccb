"""Static files: content that is read once, with compression and caching."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass

from aiohttp import hdrs, web

REVALIDATE = "public, max-age=300, must-revalidate"
IMMUTABLE = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file in memory, with its compressed form and its entity tag."""

    body: bytes
    gzipped: bytes
    media_type: str
    etag: str

    @classmethod
    def from_bytes(cls, body: bytes, media_type: str) -> StaticFile:
        return cls(body, gzip.compress(body, 9, mtime=0), media_type, hashlib.sha256(body).hexdigest()[:16])

    def respond(self, request: web.Request, **headers: str) -> web.Response:
        """Serve the file, or 304 if the caller has it. A URL with ``?v=<etag>`` always has the same content, so it may
        be cached for ever."""
        cache_control = IMMUTABLE if request.query.get("v") == self.etag else REVALIDATE
        out = {"ETag": f'"{self.etag}"', "Cache-Control": cache_control, "Vary": "Accept-Encoding"} | headers
        if self.etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=304, headers=out)
        is_gzip = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "") and len(self.gzipped) < len(self.body)
        if is_gzip:
            out["Content-Encoding"] = "gzip"
        charset = "utf-8" if self.media_type.startswith("text/") else None
        body = self.gzipped if is_gzip else self.body
        return web.Response(body=body, content_type=self.media_type, charset=charset, headers=out)
