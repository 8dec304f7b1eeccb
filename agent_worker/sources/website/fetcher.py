"""One address fetched: guarded, followed by hand, and never more of it than is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType

import aiohttp
from yarl import URL

from agent_worker.knowledge.text.html import declared_charset
from agent_worker.sources.website.addresses import Guard, GuardedResolver, PrivateAddress, allow
from agent_worker.sources.website.links import joined
from schemas.errors import Forbidden, NotFound, TooLarge, Unavailable

_AGENT = "Parley/1.0 (knowledge crawler; robots.txt: parley)"
_REDIRECTS = 5
_PATIENCE = aiohttp.ClientTimeout(total=60, sock_connect=10, sock_read=20)
_PAUSES = (0.5, 2.0)
_LONGEST_PAUSE = 30.0
_AT_ONCE = 64 * 1024
_GONE = (404, 410)
_LATER = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class Answer:
    """``url`` is where redirects led. ``status`` is 200 or 304."""

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
    def told_type(self) -> str:
        """Empty where the server does not know it; then the name decides."""
        return "" if self.type in ("application/octet-stream", "binary/octet-stream") else self.type

    def decoded(self, data: bytes) -> str:
        """By what the header says, else the page itself."""
        try:
            return data.decode(self.charset or declared_charset(data) or "utf-8", "replace").lstrip("\ufeff")
        except LookupError:
            return data.decode("utf-8", "replace")

    async def body(self, most: int) -> bytes:
        """Raises TooLarge; reads no further than ``most``, whatever the length said and however it was packed."""
        data = bytearray()
        async for chunk in self.chunks:
            data += chunk
            if len(data) > most:
                raise TooLarge(f"{self.url}: larger than {most // 1024} KB")
        return bytes(data)


class Elsewhere(Forbidden):
    """Not to be read, and nothing is wrong with that: another host, what robots.txt excepts, what needs a password."""


class Fetcher:
    """``spent`` counts the bytes that were read, unpacked."""

    def __init__(self, guard: Guard, resolver: GuardedResolver | None = None) -> None:
        self._guard = guard
        self._resolver = resolver or GuardedResolver(guard)
        self._session: aiohttp.ClientSession | None = None
        self.spent = 0

    async def __aenter__(self) -> Fetcher:
        # No proxy of the environment: it would resolve names itself.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=self._resolver, limit=4),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": _AGENT},
            timeout=_PATIENCE,
            trust_env=False,
        )
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
    ) -> AsyncIterator[Answer]:
        """Raises Forbidden for a private address or a redirect that may not be followed, NotFound for what is gone,
        Unavailable for what cannot be had now."""
        try:
            async with self._followed(url, headers or {}, may_follow) as answer:
                yield answer
        except (aiohttp.ClientError, TimeoutError) as error:
            if isinstance(getattr(error, "os_error", error.__cause__), PrivateAddress):
                raise Forbidden(f"{url}: a private address", fix=allow(url.host or "")) from error
            raise Unavailable(f"{url}: cannot be read ({type(error).__name__})") from error

    @asynccontextmanager
    async def _followed(
        self, url: URL, headers: Mapping[str, str], may_follow: Callable[[URL], bool]
    ) -> AsyncIterator[Answer]:
        if self._session is None:
            raise Unavailable("the fetcher is closed")
        at, pauses = url, list(_PAUSES)
        for _ in range(_REDIRECTS + len(_PAUSES) + 1):
            self._guard.check(at)
            async with self._session.get(at, headers=headers, allow_redirects=False) as response:
                if response.status in (301, 302, 303, 307, 308):
                    at = _led(at, response, self._guard, may_follow)
                    continue
                if response.status in (429, 503) and pauses:
                    await asyncio.sleep(_pause(response, pauses.pop(0)))
                    continue
                if response.status in _GONE:
                    raise NotFound(f"{at}: is not there ({response.status})")
                if response.status not in (200, 304):
                    raise _refusal(at, response.status)
                yield self._answer(at, response)
                return
        raise Unavailable(f"{url}: leads on and on")

    def _answer(self, url: URL, response: aiohttp.ClientResponse) -> Answer:
        return Answer(
            url,
            response.status,
            response.content_type.lower(),
            response.charset or "",
            response.headers,
            self._counted(response),
        )

    async def _counted(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        async for chunk in response.content.iter_chunked(_AT_ONCE):
            self.spent += len(chunk)
            yield chunk


def _led(url: URL, response: aiohttp.ClientResponse, guard: Guard, may_follow: Callable[[URL], bool]) -> URL:
    target = joined(url, response.headers.get("Location", ""))
    if target is None:
        raise Unavailable(f"{url}: leads to nothing that is an address")
    try:
        guard.check(target)
    except Forbidden as error:
        raise Forbidden(f"{url}: leads to {error.message}", fix=error.fix) from error
    if not may_follow(target):
        raise Elsewhere(f"{url}: leads to {target}, which is another host")
    return target


def _refusal(url: URL, status: int) -> Forbidden | Unavailable:
    """What is not shown to strangers is not ours to read; all else may be there the next time."""
    said = f"{url}: answered {status}"
    return Elsewhere(said) if 400 <= status < 500 and status not in _LATER else Unavailable(said)


def _pause(response: aiohttp.ClientResponse, usual: float) -> float:
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), _LONGEST_PAUSE) if asked.isdigit() else usual
