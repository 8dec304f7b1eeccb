"""The short way of a webhook: from the parsed head to the channel, and one write back.

Around a handler aiohttp makes a request, a task, a match of the route, middlewares and a response, which takes as long
as all that is done for a webhook. Only what surely is one goes this way: what is not, or not quite (a strange type or
length, a query, another account), goes the long way and gets its answer there. Refusals come from the same functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http import HttpVersion11
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from gateway.http.overload import Crowding
from gateway.http.responses import failed, rest_of, wire
from gateway.http.webhooks import KINDS, MAX_BODY, PREFIX, ROUTE, Webhooks, by_name, plain
from schemas.ports import Account, Channel, RawRequest

_SEGMENTS = ROUTE.count("/") + 1


@dataclass(slots=True)
class Taken:
    """A webhook that goes the short way. ``headers`` by lower-case name."""

    channel: Channel
    account: Account
    message: RawRequestMessage
    headers: dict[str, str]


class Shortcut:
    """``refused`` counts the answers that say "not now"."""

    def __init__(self, webhooks: Webhooks, crowding: Crowding, refused: Callable[[web.StreamResponse], None]) -> None:
        self._webhooks = webhooks
        self._crowding = crowding
        self._refused = refused
        self._called: dict[str, tuple[Channel, Account]] = {}
        """By path: those that are configured and have been called."""
        self._accepted = b""
        self._accepted_in = 0

    def takes(self, message: RawRequestMessage) -> Taken | None:
        """None for what has to go the long way."""
        if message.method != "POST":
            return None
        called = self._called.get(message.path) or self._find(message.path)
        if called is None:
            return None
        headers = by_name(message.headers)
        return Taken(*called, message, headers) if _is_simple(message, headers) else None

    def _find(self, path: str) -> tuple[Channel, Account] | None:
        segments = path.split("/")
        if not path.startswith(PREFIX) or len(segments) != _SEGMENTS or "%" in path or "?" in path:
            return None
        found = self._webhooks.known(*segments[3:])
        if found is not None:
            self._called[path] = found
        return found

    async def answer(self, taken: Taken, content: StreamReader, scheme: str) -> bytes:
        """The whole answer, as it goes on the wire. Raises ConnectionError when the client went away."""
        try:
            # What is whole is taken as it lies there: reading it would first ask the connection for more.
            body = b"".join(content._buffer) if content.is_eof() else await rest_of(content, MAX_BODY)
            response = self._crowding.refusal()
            if response is None:
                text = await self._webhooks.take(taken.channel, taken.account, self._raw(taken, body, scheme))
                if text is None:
                    return self._ok()
                response = plain(text)
        except ConnectionError:
            raise
        except Exception as error:
            response = failed(error, ROUTE)
        self._refused(response)
        return wire(response)

    def _raw(self, taken: Taken, body: bytes, scheme: str) -> RawRequest:
        message, headers = taken.message, taken.headers
        url = self._webhooks.base(scheme, headers.get("host", "")) + message.path
        return RawRequest(message.method, url, headers, {}, body)

    def _ok(self) -> bytes:
        """The same bytes for a second, for the date is in them."""
        now = int(time.time())
        if now != self._accepted_in:
            self._accepted, self._accepted_in = wire(web.Response()), now
        return self._accepted


def _is_simple(message: RawRequestMessage, headers: dict[str, str]) -> bool:
    length = headers.get("content-length", "")
    return (
        not (message.should_close or message.upgrade or message.chunked or message.compression)
        and message.version == HttpVersion11
        and headers.get("content-type", "").partition(";")[0] in KINDS
        and length.isdecimal()
        and 0 < int(length[:20]) <= MAX_BODY
        and "content-encoding" not in headers
        and "expect" not in headers
    )
