"""Sitemaps, read as they come: however many pages they list, only as many as are wanted are held."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.parsers import expat

from yarl import URL

from agent_worker.sources.website.fetcher import Fetcher
from agent_worker.sources.website.links import joined
from agent_worker.sources.website.robots import Rules
from schemas.errors import Forbidden, Unprocessable

_GZIP = b"\x1f\x8b"
_AT_ONCE = 256 * 1024
_LONGEST = 2_000
_DEEPEST = 20


class Sitemap:
    """Feed it with what comes. ``pages`` and ``sitemaps`` are what it lists, of each at most ``most``; ``full`` once
    there was more. Raises Unprocessable for what is no sitemap."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self.pages: list[str] = []
        self.sitemaps: list[str] = []
        self.full = False
        self._path: list[str] = []
        self._text = ""
        self._unpack: zlib._Decompress | None = None
        self._begun = False
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._said
        self._parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, data: bytes) -> None:
        if not self._begun and data:
            self._begun = True
            self._unpack = zlib.decompressobj(31) if data.startswith(_GZIP) else None
        try:
            if self._unpack is None:
                self._parser.Parse(data, False)
                return
            while data and not self.full:
                self._parser.Parse(self._unpack.decompress(data, _AT_ONCE), False)
                data = self._unpack.unconsumed_tail
        except (expat.ExpatError, zlib.error) as error:
            raise self._refused(str(error)) from error

    def close(self) -> None:
        """Nothing more comes."""
        if self.full:
            return
        try:
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise self._refused(str(error)) from error
        finally:
            # The handlers are ours: without this the parser and we would hold each other.
            self._parser.StartElementHandler = self._parser.EndElementHandler = None

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._path.append(name.rpartition(" ")[2])
        self._text = ""
        if len(self._path) > _DEEPEST:
            raise self._refused("its elements are nested too deeply")
        if len(self._path) == 1 and self._path[0] not in ("urlset", "sitemapindex"):
            raise self._refused(f"its root is {self._path[0]!r}")

    def _said(self, text: str) -> None:
        if len(self._text) <= _LONGEST:
            self._text += text

    def _end(self, _name: str) -> None:
        if self._path[1:] in (["url", "loc"], ["sitemap", "loc"]):
            listed = self.pages if self._path[1] == "url" else self.sitemaps
            if len(listed) < self._most:
                listed.append(self._text.strip()[:_LONGEST])
            else:
                self.full = True
        self._path.pop()

    def _doctype(self, *_: object) -> None:
        raise self._refused("it declares a document type, as no sitemap does")

    def _refused(self, why: str) -> Unprocessable:
        return Unprocessable(f"{self._name}: not a sitemap ({why})", fix="check the address")


# A site's sitemaps and those that they name.
_MOST_BYTES = 50 * 1024 * 1024
_MOST_SITEMAPS = 50


@dataclass(slots=True)
class Listed:
    """``is_cut``: more was listed than is wanted."""

    pages: dict[URL, None] = field(default_factory=dict)
    is_cut: bool = False


def is_sitemap(url: URL) -> bool:
    return url.path.lower().endswith((".xml", ".xml.gz"))


async def listed(fetcher: Fetcher, rules: Rules, names: Sequence[str], most: int) -> Listed:
    """Pages on the hosts of their sitemaps. Raises what ``Fetcher.open`` raises, and Unprocessable."""
    found = Listed()
    waiting = [url for name in names if (url := _url(name)) is not None]
    seen = set(waiting)
    while waiting and not found.is_cut:
        url = waiting.pop(0)
        if not await rules.allow(url):
            raise Forbidden(f"{url}: robots.txt asks not to read it")
        sitemap = await _read(fetcher, url, most)
        for page in sitemap.pages:
            at = joined(url, page)
            if at is not None and at.host == url.host:
                found.pages[at] = None
        more = [at for each in sitemap.sitemaps if (at := joined(url, each)) is not None and at.host == url.host]
        waiting += [at for at in more if at not in seen]
        seen.update(more)
        found.is_cut = sitemap.full or len(found.pages) > most or len(seen) > _MOST_SITEMAPS
    found.pages = dict.fromkeys(list(found.pages)[:most])
    return found


async def _read(fetcher: Fetcher, url: URL, most: int) -> Sitemap:
    sitemap, size = Sitemap(str(url), most), 0
    async with fetcher.open(url, may_follow=lambda to: to.host == url.host) as answer:
        async for chunk in answer.chunks:
            sitemap.feed(chunk)
            size += len(chunk)
            if sitemap.full:
                return sitemap
            if size > _MOST_BYTES:
                raise Unprocessable(f"{url}: larger than {_MOST_BYTES // (1024 * 1024)} MB", fix="divide the sitemap")
    sitemap.close()
    return sitemap


def _url(name: str) -> URL | None:
    try:
        url = URL(name)
    except ValueError:
        return None
    return url if url.scheme in ("http", "https") and url.host else None
