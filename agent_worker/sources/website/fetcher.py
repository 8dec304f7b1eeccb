"""HTTP fetching for the crawler: addresses are checked, redirects are followed manually, and bodies are limited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType

import aiohttp
from yarl import URL

from agent_worker.knowledge.text.html import declared_charset
from agent_worker.sources.website.links import resolve_link
from schemas.errors import Forbidden, NotFound, TooLarge, Unavailable
from schemas.runtime.address_guard import AddressGuard, GuardResolver, open_session

_USER_AGENT = "Parley/1.0 (knowledge crawler; robots.txt: parley)"
_MAX_REDIRECTS = 5
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10, sock_read=20)
_RETRY_DELAYS = (0.5, 2.0)
_MAX_RETRY_DELAY = 30.0
_CHUNK_BYTES = 64 * 1024
_GONE_STATUSES = (404, 410)
_TEMPORARY_STATUSES = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class PageResponse:
    """``url`` is the address after redirects. ``status`` is 200 or 304."""

    url: URL
    status: int
    type: str
    charset: str
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]

    @property
    def is_page(self) -> bool:
        return self.type in ("text/html", "application/xhtml+xml")

    @property
    def media_type(self) -> str:
        """Empty if the server does not know it; the name decides then."""
        return "" if self.type in ("application/octet-stream", "binary/octet-stream") else self.type

    def decode(self, data: bytes) -> str:
        """Decode by the header's charset, or else the page's own."""
        try:
            return data.decode(self.charset or declared_charset(data) or "utf-8", "replace").lstrip("\ufeff")
        except LookupError:
            return data.decode("utf-8", "replace")

    async def body(self, most: int) -> bytes:
        """Reads at most ``most`` bytes, whatever Content-Length and compression say. Raises TooLarge."""
        data = bytearray()
        async for chunk in self.chunks:
            data += chunk
            if len(data) > most:
                raise TooLarge(f"{self.url}: larger than {most // 1024} KB")
        return bytes(data)


class CrawlForbidden(Forbidden):
    """Not to be read, which is no failure: another host, excluded by robots.txt, or password-protected."""


class Fetcher:
    """``spent`` counts the bytes read, after decompression."""

    def __init__(self, guard: AddressGuard, resolver: GuardResolver | None = None) -> None:
        self._guard = guard
        self._resolver = resolver or GuardResolver(guard)
        self._session: aiohttp.ClientSession | None = None
        self.spent = 0

    async def __aenter__(self) -> Fetcher:
        # No proxy from the environment, because it would resolve host names itself.
        headers = {"User-Agent": _USER_AGENT}
        self._session = open_session(self._guard, resolver=self._resolver, headers=headers, timeout=_TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        await self._resolver.close()

    @asynccontextmanager
    async def open(
        self,
        url: URL,
        headers: Mapping[str, str] | None = None,
        may_follow: Callable[[URL], bool] = lambda _url: True,
    ) -> AsyncIterator[PageResponse]:
        """Raises Forbidden for a private address or a redirect that may not be followed, NotFound for a missing page,
        Unavailable for anything that fails now."""
        try:
            async with self._follow_redirects(url, headers or {}, may_follow) as answer:
                yield answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"{url}: cannot be read ({type(error).__name__})") from error

    @asynccontextmanager
    async def _follow_redirects(
        self, url: URL, headers: Mapping[str, str], may_follow: Callable[[URL], bool]
    ) -> AsyncIterator[PageResponse]:
        if self._session is None:
            raise Unavailable("the fetcher is closed")
        current, delays = url, list(_RETRY_DELAYS)
        for _ in range(_MAX_REDIRECTS + len(_RETRY_DELAYS) + 1):
            self._guard.check(current)
            async with self._session.get(current, headers=headers, allow_redirects=False) as response:
                if response.status in (301, 302, 303, 307, 308):
                    current = _redirect_target(current, response, self._guard, may_follow)
                    continue
                if response.status in (429, 503) and delays:
                    await asyncio.sleep(_retry_delay(response, delays.pop(0)))
                    continue
                if response.status in _GONE_STATUSES:
                    raise NotFound(f"{current}: not found ({response.status})")
                if response.status not in (200, 304):
                    raise _status_error(current, response.status)
                yield self._response(current, response)
                return
        raise Unavailable(f"{url}: too many redirects")

    def _response(self, url: URL, response: aiohttp.ClientResponse) -> PageResponse:
        return PageResponse(
            url,
            response.status,
            response.content_type.lower(),
            response.charset or "",
            response.headers,
            self._count_bytes(response),
        )

    async def _count_bytes(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            self.spent += len(chunk)
            yield chunk


def _redirect_target(
    url: URL, response: aiohttp.ClientResponse, guard: AddressGuard, may_follow: Callable[[URL], bool]
) -> URL:
    target = resolve_link(url, response.headers.get("Location", ""))
    if target is None:
        raise Unavailable(f"{url}: redirects to something that is not an address")
    try:
        guard.check(target)
    except Forbidden as error:
        raise Forbidden(f"{url}: redirects to {error.message}", fix=error.fix) from error
    if not may_follow(target):
        raise CrawlForbidden(f"{url}: redirects to {target}, which is another host")
    return target


def _status_error(url: URL, status: int) -> Forbidden | Unavailable:
    """A page hidden from strangers is not ours to read; other errors may be temporary."""
    message = f"{url}: answered {status}"
    return (
        CrawlForbidden(message) if 400 <= status < 500 and status not in _TEMPORARY_STATUSES else Unavailable(message)
    )


def _retry_delay(response: aiohttp.ClientResponse, default: float) -> float:
    requested = response.headers.get("Retry-After", "")
    return min(float(requested), _MAX_RETRY_DELAY) if requested.isdigit() else default
