"""Sitemaps, read as they come: however many pages they list, only as many as are wanted are held."""

from __future__ import annotations

import zlib
from xml.parsers import expat

from schemas.errors import Unprocessable

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
