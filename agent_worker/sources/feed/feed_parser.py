"""RSS 2.0, RSS 1.0 and Atom, parsed while they arrive. A document type is refused, so that no entity is ever expanded.

The standard library's parser does it: a feed needs ten elements, and libraries for feeds read whatever they are given,
without limits."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from schemas.errors import Unprocessable

MAX_ENTRIES = 5_000
_MAX_DEPTH = 100
_MAX_TITLE = 500
_ENTRIES = ("item", "entry")
_BODIES = ("encoded", "content", "description", "summary")
"""Elements with the text of an entry, the fullest one first: https://www.rssboard.org/rss-specification and
https://www.rfc-editor.org/rfc/rfc4287#section-4.1.3."""
_TEXTS = ("title", "link", "guid", "id", *_BODIES)
_TAG = re.compile(r"<[^<>]*>")


@dataclass(slots=True)
class FeedEntry:
    """``body`` is HTML. ``id`` is what the feed calls the entry, or else its link."""

    id: str = ""
    title: str = ""
    link: str = ""
    bodies: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> str:
        return next((text for name in _BODIES if (text := self.bodies.get(name, "")).strip()), "")


class FeedParser:
    """Feed it with data as it arrives. ``is_cut``: there are more than ``MAX_ENTRIES``. Raises Unprocessable for
    something that is not a feed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.entries: list[FeedEntry] = []
        self.language = ""
        self.is_cut = False
        self._path: list[str] = []
        self._entry: FeedEntry | None = None
        self._element = ""
        """The element of an entry whose text is read, and how deep it is."""
        self._depth = 0
        self._type = ""
        self._text: list[str] = []
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._add_text
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def feed(self, data: bytes, *, is_last: bool = False) -> None:
        try:
            self._parser.Parse(data, is_last)
        except expat.ExpatError as error:
            raise self._refusal(str(error)) from error
        finally:
            if is_last:  # the parser and its handlers refer to each other
                self._parser.StartElementHandler = self._parser.EndElementHandler = None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        self._path.append(local)
        if len(self._path) > _MAX_DEPTH:
            raise self._refusal("its elements are nested too deeply")
        if len(self._path) == 1:
            if local not in ("rss", "RDF", "feed"):
                raise self._refusal(f"its root is {local[:50]!r}")
            self.language = attributes.get("http://www.w3.org/XML/1998/namespace lang", "")
        elif self._element:
            if self._type == "xhtml":
                self._text.append(f"<{local}{_attributes(attributes)}>")
        elif self._entry is None and local in _ENTRIES:
            self._entry = FeedEntry()
        elif self._entry is not None:
            self._begin(local, namespace, attributes)
        elif local == "language":
            self._text, self._element, self._depth, self._type = [], local, len(self._path), ""

    def _begin(self, name: str, namespace: str, attributes: dict[str, str]) -> None:
        """An element of an entry. Media elements have titles and descriptions of their own."""
        if self._entry is None or self._path[-2] not in _ENTRIES or "search.yahoo.com/mrss" in namespace:
            return
        if name == "link" and (address := attributes.get("href", "")):
            if attributes.get("rel", "alternate") == "alternate":
                self._entry.link = self._entry.link or address
        elif name in _TEXTS:
            self._text, self._element, self._depth = [], name, len(self._path)
            # In RSS, texts are HTML; in Atom they say so.
            self._type = attributes.get("type", "text" if self._path[0] == "feed" else "html")

    def _add_text(self, text: str) -> None:
        if self._element:
            is_markup = self._type == "xhtml" and len(self._path) > self._depth
            self._text.append(html.escape(text, quote=False) if is_markup else text)

    def _end(self, name: str) -> None:
        depth, local = len(self._path), self._path.pop()
        if self._element and depth == self._depth:
            self._finish("".join(self._text))
            self._element = ""
        elif self._element:
            if self._type == "xhtml":
                self._text.append(f"</{local}>")
        elif self._entry is not None and local in _ENTRIES:
            entry, self._entry = self._entry, None
            entry.id = entry.id or entry.link
            if len(self.entries) < MAX_ENTRIES:
                self.entries.append(entry)
            else:
                self.is_cut = True

    def _finish(self, text: str) -> None:
        name, entry = self._element, self._entry
        if name == "language":
            self.language = self.language or text.strip()
        elif entry is None:
            return
        elif name == "title":
            entry.title = entry.title or _strip_markup(text, is_html=self._type in ("html", "xhtml"))
        elif name == "link":
            entry.link = entry.link or text.strip()
        elif name in ("guid", "id"):
            entry.id = text.strip()
        elif name not in entry.bodies:
            entry.bodies[name] = text if self._type in ("html", "xhtml", "text/html") else html.escape(text)

    def _refuse_doctype(self, *_: object) -> None:
        raise self._refusal("it declares a document type, as no feed needs")

    def _refusal(self, why: str) -> Unprocessable:
        return Unprocessable(f"{self._name}: not a feed ({why})", fix="check the address")


def _attributes(attributes: dict[str, str]) -> str:
    return "".join(f" {name.rpartition(' ')[2]}={quoteattr(value)}" for name, value in attributes.items())


def _strip_markup(text: str, *, is_html: bool) -> str:
    text = text[:_MAX_TITLE]
    return " ".join((html.unescape(_TAG.sub("", html.unescape(text))) if is_html else text).split())
