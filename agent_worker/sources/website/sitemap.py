"""Sitemaps, parsed while they arrive. Only as many pages as wanted are kept."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from xml.parsers import expat

from yarl import URL

from agent_worker.sources.website.fetcher import Fetcher
from agent_worker.sources.website.links import resolve_link
from agent_worker.sources.website.robots import RobotsRules
from schemas.errors import Forbidden, Unprocessable

_GZIP = b"\x1f\x8b"
_CHUNK_BYTES = 256 * 1024
_MAX_URL_LENGTH = 2_000
_MAX_DEPTH = 20
_FEED_FIX = "it is a feed: write feed+ before its address, and list it under `knowledge: {sources: [...]}`"


class Decompressor(Protocol):
    """What ``zlib.decompressobj`` returns; the library does not name its type."""

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class SitemapParser:
    """Feed it with data as it arrives. ``pages`` and ``sitemaps`` are the listed URLs, at most ``most`` of each;
    ``full`` once there are more. Raises Unprocessable for an invalid sitemap."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self.pages: list[str] = []
        self.sitemaps: list[str] = []
        self.full = False
        self._path: list[str] = []
        self._text = ""
        self._unpack: Decompressor | None = None
        self._has_begun = False
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._add_text
        self._parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, data: bytes) -> None:
        if not self._has_begun and data:
            self._has_begun = True
            self._unpack = zlib.decompressobj(31) if data.startswith(_GZIP) else None
        try:
            if self._unpack is None:
                self._parser.Parse(data, False)
                return
            while data and not self.full:
                self._parser.Parse(self._unpack.decompress(data, _CHUNK_BYTES), False)
                data = self._unpack.unconsumed_tail
        except (expat.ExpatError, zlib.error) as error:
            raise self._refusal(str(error)) from error

    def close(self) -> None:
        """The data is complete."""
        if self.full:
            return
        try:
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise self._refusal(str(error)) from error
        finally:
            # Break the reference cycle between the parser and its handlers.
            self._parser.StartElementHandler = self._parser.EndElementHandler = None

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._path.append(name.rpartition(" ")[2])
        self._text = ""
        if len(self._path) > _MAX_DEPTH:
            raise self._refusal("its elements are nested too deeply")
        if len(self._path) == 1 and self._path[0] not in ("urlset", "sitemapindex"):
            fix = _FEED_FIX if self._path[0] in ("rss", "feed", "RDF") else ""
            raise self._refusal(f"its root is {self._path[0]!r}", fix)

    def _add_text(self, text: str) -> None:
        if len(self._text) <= _MAX_URL_LENGTH:
            self._text += text

    def _end(self, _name: str) -> None:
        if self._path[1:] in (["url", "loc"], ["sitemap", "loc"]):
            listed = self.pages if self._path[1] == "url" else self.sitemaps
            if len(listed) < self._most:
                listed.append(self._text.strip()[:_MAX_URL_LENGTH])
            else:
                self.full = True
        self._path.pop()

    def _doctype(self, *_: object) -> None:
        raise self._refusal("it declares a document type, as no sitemap does")

    def _refusal(self, why: str, fix: str = "") -> Unprocessable:
        return Unprocessable(f"{self._name}: not a sitemap ({why})", fix=fix or "check the address")


_MAX_BYTES = 50 * 1024 * 1024
_MAX_SITEMAPS = 50


@dataclass(slots=True)
class SitemapPages:
    """``is_cut``: more pages are listed than wanted."""

    pages: dict[URL, None] = field(default_factory=dict)
    is_cut: bool = False


def is_sitemap(url: URL) -> bool:
    return url.path.lower().endswith((".xml", ".xml.gz"))


async def list_pages(fetcher: Fetcher, rules: RobotsRules, names: Sequence[str], limit: int) -> SitemapPages:
    """Pages on the hosts of their sitemaps, following sitemap indexes. Raises what ``Fetcher.open`` raises, and
    Unprocessable."""
    result = SitemapPages()
    queue = [url for name in names if (url := _url(name)) is not None]
    known = set(queue)
    while queue and not result.is_cut:
        url = queue.pop(0)
        if not await rules.allow(url):
            raise Forbidden(f"{url}: robots.txt disallows reading it")
        sitemap = await _read(fetcher, url, limit)
        for page in sitemap.pages:
            at = resolve_link(url, page)
            if at is not None and at.host == url.host:
                result.pages[at] = None
        more = [at for each in sitemap.sitemaps if (at := resolve_link(url, each)) is not None and at.host == url.host]
        queue += [at for at in more if at not in known]
        known.update(more)
        result.is_cut = sitemap.full or len(result.pages) > limit or len(known) > _MAX_SITEMAPS
    result.pages = dict.fromkeys(list(result.pages)[:limit])
    return result


async def _read(fetcher: Fetcher, url: URL, limit: int) -> SitemapParser:
    sitemap, size = SitemapParser(str(url), limit), 0
    async with fetcher.open(url, may_follow=lambda to: to.host == url.host) as answer:
        async for chunk in answer.chunks:
            sitemap.feed(chunk)
            size += len(chunk)
            if sitemap.full:
                return sitemap
            if size > _MAX_BYTES:
                raise Unprocessable(f"{url}: larger than {_MAX_BYTES // (1024 * 1024)} MB", fix="divide the sitemap")
    sitemap.close()
    return sitemap


def _url(name: str) -> URL | None:
    try:
        url = URL(name)
    except ValueError:
        return None
    return url if url.scheme in ("http", "https") and url.host else None
