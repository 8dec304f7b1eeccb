"""Refusing at the least cost: what surely is a message is answered from its first bytes, before anything is made of it.

Through parser, request, task, middlewares and response a refusal costs three to five times as much as this, and under a
steady overload there are several for every message that is accepted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from gateway.http.overload import Crowding
from gateway.http.responses import wire
from gateway.http.webhooks import PREFIX
from gateway.webchat.origins import Origins

KEPT = 500
"""Answers, for as many callers: what browsers are told depends on where they come from."""
_CHAT = re.compile(rb"/v1/chat/([\w.-]{1,100})/(?:messages|sessions|attachments)", re.ASCII)
_WEBHOOK = re.compile(re.escape(PREFIX.encode()) + rb"[\w.-]+/[\w.-]+/[\w.-]+", re.ASCII)


class Refusals:
    """``counted`` is told of each answer."""

    def __init__(self, crowding: Crowding, origins: Origins, counted: Callable[[web.StreamResponse], None]) -> None:
        self.crowding = crowding
        self._origins = origins
        self._counted = counted
        self._made: dict[tuple[bytes, bytes], tuple[web.Response, bytes] | None] = {}
        self._made_in = 0

    def answer(self, head: Head) -> bytes | None:
        """The whole answer to one message more, as it goes on the wire; None for what is answered otherwise."""
        now = int(time.time())
        if now != self._made_in or len(self._made) >= KEPT:  # the date is in them
            self._made, self._made_in = {}, now
        asked = (head.path, head.origin)
        made = self._made[asked] if asked in self._made else self._made.setdefault(asked, self._make(*asked))
        if made is None:
            return None
        self.crowding.count()
        self._counted(made[0])
        return made[1]

    def _make(self, path: bytes, origin: bytes) -> tuple[web.Response, bytes] | None:
        chat = _CHAT.fullmatch(path)
        tenant = chat[1].decode() if chat else ""
        if not self._origins.knows(tenant) and not _WEBHOOK.fullmatch(path):
            return None
        response = self.crowding.response()
        if chat:
            response.headers.update(self._origins.headers(origin.decode("ascii", "replace"), tenant))
        return response, wire(response)


# A minimal parser of a request's head, for refusals alone.
#
# It accepts only heads that can be read in one way. Any other goes to the full parser, which reports what is wrong.
LONGEST = 8 * 1024
"""Bytes of a head."""
_BEGINS, _ENDS = b"POST /", b" HTTP/1.1"
_STRANGE = re.compile(rb"\r\n(?:transfer-encoding|expect|upgrade|[ \t])")
"""What makes a body longer than it says, has to be answered before the body comes, or goes on from the line before."""
_LENGTH, _CONNECTION = b"content-length", b"connection"
_DIGITS = 7
"""Of a length in bytes: whoever is refused may send so much more in vain before the next request."""


@dataclass(slots=True)
class Head:
    """Of a POST with a body of a given length, on a connection that stays open. ``size`` is in bytes with the body."""

    path: bytes
    origin: bytes
    size: int


def head_of(data: bytes) -> Head | None:
    """The head that ``data`` begins with; None for what is not surely one."""
    end = data.find(b"\r\n\r\n", 0, LONGEST) + 2
    if end < 2 or not data.startswith(_BEGINS):
        return None
    lines = data[:end].lower()
    first = lines.find(b"\r\n")
    path = data[len(_BEGINS) - 1 : first - len(_ENDS)]
    if not data.endswith(_ENDS, 0, first) or b" " in path or lines.count(b"\n") != lines.count(b"\r\n"):
        return None
    length = _only(lines, _LENGTH)
    if length is None or not length.isdigit() or len(length) > _DIGITS or b"\0" in lines or _STRANGE.search(lines):
        return None
    if _only(lines, _CONNECTION) not in (b"", b"keep-alive"):
        return None
    at = lines.find(b"\r\norigin:")
    origin = b"" if at < 0 else data[at + 9 : data.find(b"\r\n", at + 2)].strip()
    return Head(path, origin, end + 2 + int(length))


def _only(lines: bytes, name: bytes) -> bytes | None:
    """What the header says, "" where there is none; None where its name is there more than once, also in a value."""
    at = lines.find(name)
    if at < 0:
        return b""
    after = at + len(name)
    if lines.find(name, after) >= 0 or lines[at - 2 : at] != b"\r\n" or lines[after : after + 1] != b":":
        return None
    return lines[after + 1 : lines.find(b"\r\n", after)].strip(b" \t")
