"""Fast refusals under overload: requests that are certainly messages are answered from their first bytes.

A refusal that takes the normal path through parser, request, task, middlewares and response costs three to five times
as much, and under steady overload there are several refusals for every accepted message.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from gateway.http.overload import OverloadGuard
from gateway.http.responses import serialize_response
from gateway.http.webhooks import PREFIX
from gateway.webchat.origins import OriginPolicy

MAX_CACHED = 500
"""Cached responses, by path and origin: the CORS headers depend on where the browser calls from."""
_CHAT = re.compile(rb"/v1/chat/([\w.-]{1,100})/(?:messages|sessions|attachments)", re.ASCII)
_WEBHOOK = re.compile(re.escape(PREFIX.encode()) + rb"[\w.-]+/[\w.-]+/[\w.-]+", re.ASCII)

MAX_HEAD_SIZE = 8 * 1024
"""Bytes."""
_HEAD_PREFIX, _REQUEST_LINE_SUFFIX = b"POST /", b" HTTP/1.1"
_LENGTH_HEADER, _CONNECTION_HEADER = b"content-length", b"connection"
_UNSUPPORTED_HEADER = re.compile(rb"\r\n(?:transfer-encoding|expect|upgrade|[ \t])")
"""Headers that make the body longer than it says or need an answer before the body, and continuation lines."""
_MAX_LENGTH_DIGITS = 7
"""Digits of a content length. The rest of a refused body is received in vain before the next request."""


class FastRefusals:
    """Refuses messages while the server is overloaded. ``count_response`` is called with each response."""

    def __init__(
        self, overload: OverloadGuard, origins: OriginPolicy, count_response: Callable[[web.StreamResponse], None]
    ) -> None:
        self.overload = overload
        self._origins = origins
        self._count_response = count_response
        self._cache: dict[tuple[bytes, bytes], tuple[web.Response, bytes] | None] = {}
        self._cached_at = 0

    def respond(self, head: RequestHead) -> bytes | None:
        """Return the serialized refusal of a message; None if the request has to take the normal path."""
        now = int(time.time())
        if now != self._cached_at or len(self._cache) >= MAX_CACHED:  # responses hold the date
            self._cache, self._cached_at = {}, now
        key = (head.path, head.origin)
        if key not in self._cache:
            self._cache[key] = self._build(head.path, head.origin)
        cached = self._cache[key]
        if cached is None:
            return None
        response, data = cached
        self.overload.record_refusal()
        self._count_response(response)
        return data

    def _build(self, path: bytes, origin: bytes) -> tuple[web.Response, bytes] | None:
        chat = _CHAT.fullmatch(path)
        tenant = chat[1].decode() if chat else ""
        if not self._origins.has_web_account(tenant) and not _WEBHOOK.fullmatch(path):
            return None
        response = self.overload.build_response()
        if chat:
            response.headers.update(self._origins.build_headers(origin.decode("ascii", "replace"), tenant))
        return response, serialize_response(response)


@dataclass(slots=True)
class RequestHead:
    """The head of a POST request with a known length on a persistent connection. ``size`` is in bytes and includes the
    body."""

    path: bytes
    origin: bytes
    size: int


def parse_head(data: bytes) -> RequestHead | None:
    """Parse the request head that ``data`` begins with, if there is only one way to read it; otherwise return None, and
    the normal parser has to report what is wrong."""
    end = data.find(b"\r\n\r\n", 0, MAX_HEAD_SIZE) + 2
    if end < 2 or not data.startswith(_HEAD_PREFIX):
        return None
    lines = data[:end].lower()
    line_end = lines.find(b"\r\n")
    path = data[len(_HEAD_PREFIX) - 1 : line_end - len(_REQUEST_LINE_SUFFIX)]
    if not data.endswith(_REQUEST_LINE_SUFFIX, 0, line_end) or b" " in path:
        return None
    if lines.count(b"\n") != lines.count(b"\r\n") or b"\0" in lines or _UNSUPPORTED_HEADER.search(lines):
        return None
    length = _find_header(lines, _LENGTH_HEADER)
    if length is None or not length.isdigit() or len(length) > _MAX_LENGTH_DIGITS:
        return None
    if _find_header(lines, _CONNECTION_HEADER) not in (b"", b"keep-alive"):
        return None
    at = lines.find(b"\r\norigin:")
    origin = b"" if at < 0 else data[at + 9 : data.find(b"\r\n", at + 2)].strip()
    return RequestHead(path, origin, end + 2 + int(length))


def _find_header(lines: bytes, name: bytes) -> bytes | None:
    """Return the header's value, empty if it is absent; None if the name occurs more than once, even in a value."""
    at = lines.find(name)
    if at < 0:
        return b""
    after = at + len(name)
    if lines.find(name, after) >= 0 or lines[at - 2 : at] != b"\r\n" or lines[after : after + 1] != b":":
        return None
    return lines[after + 1 : lines.find(b"\r\n", after)].strip(b" \t")
