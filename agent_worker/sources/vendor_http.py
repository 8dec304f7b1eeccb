"""Requests to the server of a vendor: retries, a limit of size, and errors with a fix."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any

import aiohttp
import orjson
from yarl import URL

from agent_worker.sources.retries import Retries, Sleep, TemporaryFailure, read_retry_after
from schemas.errors import Forbidden, InvalidRequest, NotFound, RequestError, TooLarge, Unauthorized, Unavailable
from schemas.runtime.address_guard import AddressGuard, allow_hint, open_session

MAX_BYTES = 64 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=10, sock_read=30)
_CHUNK_BYTES = 64 * 1024
_TEMPORARY_STATUSES = (408, 425, 429)
_REFUSALS: Mapping[int, type[RequestError]] = {401: Unauthorized, 403: Forbidden, 404: NotFound, 410: NotFound}


def check_address(text: str, private_hosts: Collection[str]) -> URL:
    """The address of a vendor: with https, or with http at a host of ``private_hosts``. Raises Forbidden."""
    guard = AddressGuard(private_hosts)
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    guard.check(url)
    if url.scheme != "https" and not guard.allows(url.host or "", url.port):
        raise Forbidden(f"{url}: is not encrypted", fix=f"use https://, or, {allow_hint(f'{url.host}:{url.port}')}")
    return url


class VendorHttp:
    """Requests below one address, one after another. Redirects are not followed, so that credentials in ``headers`` and
    requests stay at this host. ``fix`` is for credentials that are refused."""

    def __init__(
        self,
        vendor: str,
        address: URL,
        *,
        private_hosts: Collection[str],
        headers: Mapping[str, str] | None = None,
        fix: str = "",
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._vendor = vendor
        self._address = address
        self._guard = AddressGuard(private_hosts)
        self._headers = dict(headers or {})
        self._fix = fix
        self._retries = Retries(vendor, sleep=sleep)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> VendorHttp:
        self._session = open_session(self._guard, timeout=_TIMEOUT, headers=self._headers, proxies=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get_json(self, path: str = "", params: Mapping[str, str] | None = None) -> Any:
        """Raises Unauthorized, Forbidden, NotFound, InvalidRequest and TooLarge; RateLimited and Unavailable."""
        return await self._retries.run(lambda: self._read_json(path, params or {}))

    async def get(self, path: str = "", params: Mapping[str, str] | None = None) -> bytes:
        """Raises what ``get_json`` raises."""
        return await self._retries.run(lambda: self._read(path, params or {}))

    async def _read_json(self, path: str, params: Mapping[str, str]) -> Any:
        try:
            return orjson.loads(await self._read(path, params))
        except orjson.JSONDecodeError:
            raise TemporaryFailure("an answer that is not JSON") from None

    async def _read(self, path: str, params: Mapping[str, str]) -> bytes:
        if self._session is None:
            raise Unavailable(f"the connection to {self._vendor} is closed")
        url = self._address / path if path else self._address
        async with self._session.get(url, params=params or None, allow_redirects=False) as response:
            if response.status == 200:
                return await self._read_body(response)
            self._raise_failure(response)
            raise InvalidRequest(f"{self._vendor} answered {response.status}")

    async def _read_body(self, response: aiohttp.ClientResponse) -> bytes:
        data = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            data += chunk
            if len(data) > MAX_BYTES:
                raise TooLarge(f"{self._vendor}: an answer is larger than {MAX_BYTES // (1024 * 1024)} MB")
        return bytes(data)

    def _raise_failure(self, response: aiohttp.ClientResponse) -> None:
        """Without the vendor's own message, which may repeat what was sent."""
        status = response.status
        if status in _TEMPORARY_STATUSES or status >= 500:
            raise TemporaryFailure(f"status {status}", retry_after=read_retry_after(response.headers))
        if refusal := _REFUSALS.get(status):
            fix = self._fix if status in (401, 403) else ""
            raise refusal(f"{self._vendor} answered {status}", fix=fix)
        if 300 <= status < 400:
            raise InvalidRequest(f"{self._vendor} answered {status}, a redirect, which is not followed")
