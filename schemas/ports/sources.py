"""Where documents come from: places such as a folder or a website, and formats such as PDF. Both are plug-ins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol

from schemas.conversation import Visibility
from schemas.errors import ParleyError

SOURCES = "parley.sources"
FORMATS = "parley.formats"
"""The groups of entry points in which plug-ins are found; each names a class that is made without arguments."""


@dataclass(frozen=True, slots=True)
class DocumentDraft:
    """A document before it has a version. ``source`` is the place it was read from; empty: a person or program wrote
    it over the API."""

    id: str
    title: str
    body: str
    url: str = ""
    language: str = ""
    visibility: Visibility = "public"
    expires_at: datetime | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file or page says, ``body`` as markdown. What it does not say itself is empty, and is then decided where
    the place is configured. ``key`` tells several contents of one file apart, and stays theirs when it is edited."""

    title: str
    body: str
    key: str = ""
    url: str = ""
    language: str = ""
    visibility: Literal["", "public", "verified", "internal"] = ""
    expires_at: datetime | None = None


class Format(Protocol):
    """Files of one kind into text. ``endings`` as ``.pdf``; ``types`` are media types, for what comes over HTTP.
    ``isolated``: strangers' bytes drive much code here, so it runs in a process of its own, with limits."""

    endings: ClassVar[Sequence[str]]
    types: ClassVar[Sequence[str]]
    isolated: ClassVar[bool]

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        """``name`` is the file's. Raises Unprocessable and DocumentTooLarge, with what to do; MissingDependency."""


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """One document of a place. ``name`` is for people: a file's name, a page's address."""

    id: str
    name: str
    content: Content


@dataclass(frozen=True, slots=True)
class Kept:
    """A document that is as it was read the last time."""

    id: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What could not be read, and why. ``id``: the document that it would have been, which then stays as it is; empty
    when that is not known, and then no document of the place can be told to be gone."""

    name: str
    why: str
    id: str = ""

    @classmethod
    def of(cls, name: str, error: ParleyError, id: str = "") -> LeftOut:
        """``name`` is not said twice."""
        what = error.message.removeprefix(f"{name}: ").removeprefix(f"{name.rpartition('/')[2]}: ")
        return cls(name, f"{what} – {error.fix}" if error.fix else what, id)


@dataclass(frozen=True, slots=True)
class Incomplete:
    """There is more, which was not looked at: no document of the place can be told to be gone."""

    why: str


Convert = Callable[[str, bytes, str], Awaitable[Sequence[Content]]]
"""``(name, data, media type)`` → contents, by whichever format knows the type, else the name's ending. Raises what
``Format.read`` raises; Unprocessable when no format does."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One reading of a place. ``options`` is what the configuration says of it. ``memory`` is what the source noted the
    last time (JSON), to be changed in place; it may be lost at any time. ``unchanged``: documents that are still as
    this source read them then."""

    location: str
    options: Mapping[str, Any]
    convert: Convert
    memory: MutableMapping[str, Any]
    unchanged: Collection[str]


class Source(Protocol):
    def takes(self, location: str) -> bool:
        """Whether this is a place of its kind, such as ``https://…``."""

    def read(self, visit: Visit) -> AsyncIterator[ReadDocument | Kept | LeftOut | Incomplete]:
        """Every document there. What ends without a raise, LeftOut without an id or Incomplete was the whole place.
        Raises RequestError and SetupError (with a fix) when nothing there can be read."""
