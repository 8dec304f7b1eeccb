"""Vendors that take a message as one JSON request over HTTP: the request, and what a plain HTTP answer means.

A vendor with an SDK, uploads or look-ups has a connection of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from connectors.retry_after import GAVE_UP_WAITING, asked_to_wait
from schemas.errors import CredentialsRevoked, DeliveryError, SendDelayed, SendRefused, SendUnknown, TooLarge
from schemas.ports import Call, Reply

LARGEST_ANSWER = 1024 * 1024
TIMES = aiohttp.ClientTimeout(total=14, connect=4)
"""An attempt has 8 seconds, or 15 with files, and ends before this does. Connecting ends earlier by itself, because
what never left is known to have shown nothing."""
IDLE = 15.0
"""Seconds a connection is kept: one that the other side has closed meanwhile would leave a send in doubt."""
NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
BROKEN = (aiohttp.ClientError, TimeoutError, OSError)


class HttpConnection:
    """See ``schemas.ports.Connection``. A call is ``POST base/operation`` with its arguments as JSON; our marker goes
    along as ``marker_field``, where the vendor has one. Opens nothing before the first request."""

    def __init__(self, base: str, *, headers: Mapping[str, str] | None = None, marker_field: str = "") -> None:
        self._base = base.rstrip("/")
        self._headers = dict(headers or {})
        self._marker_field = marker_field
        self._opened: aiohttp.ClientSession | None = None

    async def perform(self, call: Call, marker: str) -> Reply:
        marked = {self._marker_field: marker} if self._marker_field else {}
        url = f"{self._base}/{call.operation}"
        try:
            async with self._session().post(url, json={**call.arguments, **marked}, allow_redirects=False) as answer:
                return await reply_of(answer)
        except NEVER_LEFT as error:
            raise SendDelayed("the vendor cannot be reached") from error
        except BROKEN as error:
            raise SendUnknown("no answer came", slow=isinstance(error, TimeoutError)) from error

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            connector = aiohttp.TCPConnector(limit=100, keepalive_timeout=IDLE)
            self._opened = aiohttp.ClientSession(
                connector=connector, timeout=TIMES, headers=self._headers, trust_env=True
            )
        return self._opened


def failure(reply: Reply, *, retry_after: object = None, of_account: bool = False) -> DeliveryError:
    """What an answer other than the good one means. ``retry_after``: seconds, where the vendor says so elsewhere than
    in the header; ``of_account``: its limit is the whole account's."""
    if reply.status == 429:
        asked = reply.headers.get("retry-after") if retry_after is None else retry_after
        return SendDelayed("the vendor asks to wait", retry_after_ms=asked_to_wait(asked), of_account=of_account)
    if reply.status == 401:
        return CredentialsRevoked("the vendor refuses the token")
    if 300 <= reply.status < 500 and reply.status != 408:
        return SendRefused(f"http_{reply.status}")
    # Also a 200 that makes no sense: it may have been shown.
    return SendUnknown(f"the vendor answered {reply.status}", slow=reply.status in GAVE_UP_WAITING)


async def reply_of(answer: aiohttp.ClientResponse) -> Reply:
    """Raises SendUnknown when there is more than anybody would say."""
    try:
        data = await read_at_most(answer, LARGEST_ANSWER)
    except TooLarge as error:
        raise SendUnknown("the answer is too long") from error
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Reply(answer.status, _decoded(data.decode("utf-8", "replace")), headers)


async def read_at_most(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """Raises TooLarge as soon as that is known."""
    if (answer.content_length or 0) > most:
        raise TooLarge(f"it has more than {most} bytes")
    data = bytearray()
    async for chunk in answer.content.iter_chunked(64 * 1024):
        data += chunk
        if len(data) > most:
            raise TooLarge(f"it has more than {most} bytes")
    return bytes(data)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
