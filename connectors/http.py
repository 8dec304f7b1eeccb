"""A connection for vendors that take a message as one JSON request over HTTP, and the meaning of plain HTTP answers.

A vendor with an SDK, uploads or lookups has a connection of its own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.request import getproxies

import aiohttp
from yarl import URL

from connectors.retry_after import GATEWAY_TIMEOUTS, parse_retry_after
from schemas.errors import (
    CredentialsRevoked,
    DeliveryError,
    Forbidden,
    NotFound,
    RetryLater,
    SendRefused,
    SendUnknown,
    TooLarge,
)
from schemas.ports import VendorCall, VendorResponse
from schemas.runtime.address_guard import AddressGuard, open_session

MAX_REPLY_BYTES = 1024 * 1024
TIMEOUT = aiohttp.ClientTimeout(total=14, connect=4)
"""Seconds. An attempt has 8 seconds, or 15 with files, and ends first. Connecting has its own limit, because a request
that was never sent certainly showed nothing."""
KEEPALIVE_SECONDS = 15.0
"""Seconds for which an idle connection is kept. One that the vendor has closed meanwhile would leave a send in
doubt."""
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
NOT_SENT_ERRORS = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
CONNECTION_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)


def needs_proxies() -> bool:
    """Return whether the environment names a proxy. ``trust_env`` costs a thread and a search for ``.netrc`` for each
    request, so only a session that needs proxies gets it."""
    return bool(getproxies())


class HttpConnection:
    """See ``schemas.ports.Connection``. A call is ``POST base/operation`` with its arguments as JSON, and our marker as
    ``marker_field`` where the vendor has such a field. Opens nothing before the first request."""

    def __init__(self, base: str, *, headers: Mapping[str, str] | None = None, marker_field: str = "") -> None:
        self._base = base.rstrip("/")
        self._headers = dict(headers or {})
        self._marker_field = marker_field
        self._http_session: aiohttp.ClientSession | None = None

    async def perform(self, call: VendorCall, marker: str) -> VendorResponse:
        marked = {self._marker_field: marker} if self._marker_field else {}
        url = f"{self._base}/{call.operation}"
        try:
            async with self._session().post(url, json={**call.arguments, **marked}, allow_redirects=False) as answer:
                return await read_reply(answer)
        except NOT_SENT_ERRORS as error:
            raise RetryLater("the vendor cannot be reached") from error
        except CONNECTION_ERRORS as error:
            raise SendUnknown("no answer was received", slow=isinstance(error, TimeoutError)) from error

    async def close(self) -> None:
        if self._http_session is not None:
            await self._http_session.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._http_session is None:
            connector = aiohttp.TCPConnector(limit=100, keepalive_timeout=KEEPALIVE_SECONDS)
            self._http_session = aiohttp.ClientSession(
                connector=connector, timeout=TIMEOUT, headers=self._headers, trust_env=needs_proxies()
            )
        return self._http_session


def build_delivery_error(
    reply: VendorResponse, *, retry_after: object = None, of_account: bool = False
) -> DeliveryError:
    """Return what an answer other than a success means. ``retry_after``: seconds, where the vendor does not use the
    header; ``of_account``: its limit applies to the whole account."""
    if reply.status == 429:
        seconds = reply.headers.get("retry-after") if retry_after is None else retry_after
        return RetryLater("the vendor asks to wait", retry_after_ms=parse_retry_after(seconds), of_account=of_account)
    if reply.status == 401:
        return CredentialsRevoked("the vendor refuses the token")
    if 300 <= reply.status < 500 and reply.status != 408:
        return SendRefused(f"http_{reply.status}")
    # Also a 200 that makes no sense: the message may have been shown.
    return SendUnknown(f"the vendor answered {reply.status}", slow=reply.status in GATEWAY_TIMEOUTS)


async def read_reply(response: aiohttp.ClientResponse) -> VendorResponse:
    """Raises SendUnknown for an answer that is absurdly long."""
    try:
        data = await read_at_most(response, MAX_REPLY_BYTES)
    except TooLarge as error:
        raise SendUnknown("the answer is too long") from error
    headers = {name.lower(): value for name, value in response.headers.items()}
    return VendorResponse(response.status, decode_json(data.decode("utf-8", "replace")), headers)


@asynccontextmanager
async def download(
    url: str | URL, base: str, *, headers: Mapping[str, str] | None = None, timeout: aiohttp.ClientTimeout = TIMEOUT
) -> AsyncIterator[aiohttp.ClientResponse]:
    """GET a file that a vendor names: at a public address, or on the host of ``base``, which the configuration names.
    Only the first host gets the headers. Raises NotFound for any other address."""
    url, guard = URL(url), AddressGuard([URL(base).host or ""])
    try:
        async with open_session(guard, timeout=timeout, proxies=needs_proxies()) as session:
            for _ in range(MAX_REDIRECTS + 1):
                guard.check(url)
                async with session.get(url, headers=headers, allow_redirects=False) as response:
                    if response.status not in REDIRECTS:
                        yield response
                        return
                    target = url.join(URL(response.headers.get("Location", "")))
                    url, headers = target, headers if target.origin() == url.origin() else None
    except Forbidden as error:
        raise NotFound("the file is not at a public address") from error
    raise RetryLater("there are too many redirects to the file")


async def read_at_most(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Read the body. Raises TooLarge as soon as it exceeds the limit."""
    if (response.content_length or 0) > most:
        raise TooLarge(f"it has more than {most} bytes")
    data = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        data += chunk
        if len(data) > most:
            raise TooLarge(f"it has more than {most} bytes")
    return bytes(data)


def decode_json(text: str) -> Any:
    """Decode JSON whatever its declared type; else return the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
