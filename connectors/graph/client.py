"""Requests to Graph, each made once. Whether to try again is not decided here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from connectors.http import BROKEN, IDLE, NEVER_LEFT, TIMES, read_at_most, reply_of
from schemas.errors import CredentialsRevoked, NotFound, SendDelayed, SendUnknown
from schemas.messages import Attachment
from schemas.ports import Reply

UPLOAD_TIMES = aiohttp.ClientTimeout(total=9, connect=5)
"""A try has 15 seconds for an upload and the send after it. What ends in the upload is known to have shown nothing."""


class GraphClient:
    """For one account. ``base``: host and version. Opens nothing before the first request."""

    def __init__(self, base: str, token: str) -> None:
        self._base = base.rstrip("/")
        self._bearer = {"Authorization": f"Bearer {token}"}
        self._opened: aiohttp.ClientSession | None = None

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Raises SendDelayed (it never left), SendUnknown (no answer came)."""
        return await self._ask("POST", path, json=body)

    async def get(self, path: str, **query: str) -> Reply:
        """Raises SendDelayed when no answer came: asking changes nothing."""
        try:
            return await self._ask("GET", path, params=query)
        except SendUnknown as error:
            raise SendDelayed(error.message) from error

    async def upload(self, path: str, fields: Mapping[str, str], file: Attachment, data: bytes) -> Reply:
        """Raises SendDelayed when no answer came: what was uploaded shows nothing yet."""
        form = aiohttp.FormData(fields)
        form.add_field("file", data, filename=file.name or "file", content_type=file.type)
        try:
            return await self._ask("POST", path, data=form, timeout=UPLOAD_TIMES)
        except SendUnknown as error:
            raise SendDelayed(error.message) from error

    async def download(self, url: str, most: int, *, with_token: bool) -> tuple[bytes, str]:
        """Bytes and declared type. Raises TooLarge, NotFound, SendDelayed, CredentialsRevoked."""
        headers = self._bearer if with_token else {}
        try:
            async with self._session().get(url, headers=headers) as response:
                _check(response.status, with_token=with_token)
                return await read_at_most(response, most), response.content_type
        except BROKEN as error:
            raise SendDelayed("the file could not be fetched") from error

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    async def _ask(self, method: str, path: str, **more: Any) -> Reply:
        url = f"{self._base}/{path}"
        try:
            async with self._session().request(
                method, url, headers=self._bearer, allow_redirects=False, **more
            ) as response:
                return await reply_of(response)
        except NEVER_LEFT as error:
            raise SendDelayed("Meta cannot be reached") from error
        except BROKEN as error:
            raise SendUnknown("Meta's answer did not come", slow=isinstance(error, TimeoutError)) from error

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None or self._opened.closed:
            connector = aiohttp.TCPConnector(limit=100, keepalive_timeout=IDLE)
            self._opened = aiohttp.ClientSession(connector=connector, timeout=TIMES)
        return self._opened


def _check(status: int, *, with_token: bool) -> None:
    if status == 200:
        return
    if status == 401 and with_token:
        raise CredentialsRevoked("Meta refuses the token")
    if status == 429 or status >= 500:
        raise SendDelayed("the file cannot be fetched now")
    raise NotFound("the file is not there any more")
