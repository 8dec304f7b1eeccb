"""Client for Graph requests. Each request is made once; retries are decided elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from connectors.http import (
    CONNECTION_ERRORS,
    KEEPALIVE_SECONDS,
    NOT_SENT_ERRORS,
    TIMEOUT,
    download,
    read_at_most,
    read_reply,
)
from schemas.errors import CredentialsRevoked, NotFound, RetryLater, SendUnknown
from schemas.key_ring import KeyRing
from schemas.messages import Attachment
from schemas.ports import VendorResponse

UPLOAD_TIMEOUT = aiohttp.ClientTimeout(total=9, connect=5)
"""An attempt has 15 seconds for the upload and the send after it. A failed upload has certainly shown nothing."""


class GraphClient:
    """Client for one account. ``base``: host and version. Opens nothing before the first request."""

    def __init__(self, base: str, token: KeyRing) -> None:
        self._base = base.rstrip("/")
        self._token = token
        self._http_session: aiohttp.ClientSession | None = None

    async def post(self, path: str, body: Mapping[str, Any]) -> VendorResponse:
        """Raises RetryLater (never sent), SendUnknown (no answer came)."""
        return await self._request("POST", path, json=body)

    async def get(self, path: str, **query: str) -> VendorResponse:
        """Raises RetryLater when no answer came: reading changes nothing."""
        try:
            return await self._request("GET", path, params=query)
        except SendUnknown as error:
            raise RetryLater(error.message) from error

    async def upload(self, path: str, fields: Mapping[str, str], file: Attachment, data: bytes) -> VendorResponse:
        """Raises RetryLater when no answer came: an upload alone shows nothing."""
        form = aiohttp.FormData(fields)
        form.add_field("file", data, filename=file.name or "file", content_type=file.type)
        try:
            return await self._request("POST", path, data=form, timeout=UPLOAD_TIMEOUT)
        except SendUnknown as error:
            raise RetryLater(error.message) from error

    async def download(self, url: str, most: int, *, with_token: bool) -> tuple[bytes, str]:
        """Return bytes and declared type. Raises TooLarge, NotFound, RetryLater, CredentialsRevoked."""
        headers = self._build_headers() if with_token else {}
        try:
            async with download(url, self._base, headers=headers) as response:
                _raise_for_status(response.status, with_token=with_token)
                return await read_at_most(response, most), response.content_type
        except CONNECTION_ERRORS as error:
            raise RetryLater("the file could not be fetched") from error

    def _build_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token.get_secret_value()}"}

    async def close(self) -> None:
        if self._http_session is not None:
            await self._http_session.close()

    async def _request(self, method: str, path: str, **more: Any) -> VendorResponse:
        url = f"{self._base}/{path}"
        try:
            async with self._session().request(
                method, url, headers=self._build_headers(), allow_redirects=False, **more
            ) as response:
                return await read_reply(response)
        except NOT_SENT_ERRORS as error:
            raise RetryLater("Meta cannot be reached") from error
        except CONNECTION_ERRORS as error:
            raise SendUnknown("no answer was received from Meta", slow=isinstance(error, TimeoutError)) from error

    def _session(self) -> aiohttp.ClientSession:
        if self._http_session is None or self._http_session.closed:
            connector = aiohttp.TCPConnector(limit=100, keepalive_timeout=KEEPALIVE_SECONDS)
            self._http_session = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT)
        return self._http_session


def _raise_for_status(status: int, *, with_token: bool) -> None:
    if status == 200:
        return
    if status == 401 and with_token:
        raise CredentialsRevoked("Meta refuses the token")
    if status == 429 or status >= 500:
        raise RetryLater("the file cannot be fetched now")
    raise NotFound("the file no longer exists")
