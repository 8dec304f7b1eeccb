"""Document sources, such as a folder or a website, and file formats, such as PDF. Both are plug-ins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, get_args, runtime_checkable

from schemas.conversation import Document, DocumentProposal, Visibility
from schemas.errors import ParleyError

SOURCES = "parley.sources"
FORMATS = "parley.formats"
"""Groups of entry points in which plug-ins are found. Each entry names a class that is created without arguments."""


@dataclass(frozen=True, slots=True)
class DocumentDraft:
    """A document before it has a version. ``source`` is the location it was read from; empty: a person or program wrote
    it over the API or in the console. ``changed_by``: the person's name, as far as known. With a ``proposal`` it is
    stored as a draft, which nothing searches."""

    id: str
    title: str
    body: str
    url: str = ""
    language: str = ""
    visibility: Visibility = "public"
    expires_at: datetime | None = None
    source: str = ""
    changed_by: str = ""
    proposal: DocumentProposal | None = None

    def build_document(self, version: int, now: datetime) -> Document:
        return Document(
            id=self.id,
            title=self.title,
            body=self.body,
            url=self.url,
            language=self.language,
            visibility=self.visibility,
            expires_at=self.expires_at,
            source=self.source,
            version=version,
            updated_at=now,
            changed_by=self.changed_by,
            proposal=self.proposal,
        )


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file or page, ``body`` as markdown. Empty fields are not stated there, and come from the
    configuration of the source. ``key`` tells several contents of one file apart and stays the same when one is
    edited."""

    title: str
    body: str
    key: str = ""
    url: str = ""
    language: str = ""
    visibility: Literal["", "public", "verified", "internal"] = ""
    expires_at: datetime | None = None


class Format(Protocol):
    """Converts files of one kind to text. ``endings`` such as ``.pdf``; ``types`` are media types, for HTTP.
    ``isolated``: the format runs in a process of its own, with limits, because untrusted bytes drive a lot of code."""

    endings: ClassVar[Sequence[str]]
    types: ClassVar[Sequence[str]]
    isolated: ClassVar[bool]

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        """``name`` is the file's name. Raises Unprocessable and DocumentTooLarge, with a fix; MissingDependency."""


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document that was read. ``name`` is for people: a file's name, a page's address."""

    id: str
    name: str
    content: Content


@dataclass(frozen=True, slots=True)
class UnchangedDocument:
    """A document that has not changed since it was last read."""

    id: str


@dataclass(frozen=True, slots=True)
class SkippedDocument:
    """A document that could not be read. ``id``: the document, which then stays as it is, unless it ``is_gone``: its
    text is no longer at the source, or no longer open to us, such as a video's that has lost its captions. ``id`` is
    empty when it is not known, and then no document of the source counts as deleted; with ``is_gone`` it is the
    location itself that is deleted or no longer shared, and with it all of its documents. ``why`` ends with ``fix``, if
    there is one. ``code`` is that of the error."""

    name: str
    why: str
    id: str = ""
    is_gone: bool = False
    code: str = "unprocessable"
    fix: str = ""

    @classmethod
    def of(cls, name: str, error: ParleyError, id: str = "", *, is_gone: bool = False) -> SkippedDocument:
        """``name`` is not repeated in the reason."""
        message = error.message.removeprefix(f"{name}: ").removeprefix(f"{name.rpartition('/')[2]}: ")
        why = f"{message} – {error.fix}" if error.fix else message
        return cls(name, why, id, is_gone, error.code, error.fix)


@dataclass(frozen=True, slots=True)
class IncompleteListing:
    """The source has more documents that were not listed, so no document counts as deleted."""

    why: str


Convert = Callable[[str, bytes, str], Awaitable[Sequence[Content]]]
"""``(name, data, media type)`` → contents, by the format that knows the type, else the name's ending. Raises what
``Format.read`` raises; Unprocessable when no format does."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """One reading of a source. ``options`` are its options from the configuration. ``memory`` is JSON that the source
    stored the last time, to be changed in place; it may be lost at any time. ``unchanged``: ids of documents that are
    still stored as this source read them then. ``visibility`` is that of documents that state none."""

    location: str
    options: Mapping[str, Any]
    convert: Convert
    memory: MutableMapping[str, Any]
    unchanged: Collection[str]
    visibility: Visibility = "public"

    def restrict(self, visibility: Visibility) -> Visibility:
        """The stricter one of a document's visibility at the source and that of the configuration."""
        return max(self.visibility, visibility, key=get_args(Visibility).index)


@dataclass(frozen=True, slots=True)
class SourceNotification:
    """A vendor's webhook about a source. ``verification_token`` is what an operator has to enter at the vendor before
    it sends notifications; empty: something changed there."""

    verification_token: str = ""


@runtime_checkable
class WebhookSource(Protocol):
    """A source whose vendor can say by a webhook that something changed. It is synced then, without waiting."""

    def read_notification(
        self, headers: Mapping[str, str], body: bytes, options: Mapping[str, Any]
    ) -> SourceNotification:
        """``headers`` have lower-case names. Raises Unauthorized for a wrong signature, InvalidRequest for a body that
        is no notification."""


class Source(Protocol):
    """A class may also state ``sync_minutes``, how often its locations are read (60; 0: only when asked), and
    ``controls_access``: whether content there can be taken back from us (True). While an operator has not yet decided
    whether so many documents are to be removed, they answer no questions then."""

    def takes(self, location: str) -> bool:
        """Return whether this source reads such a location, for example ``https://…``."""

    def read(
        self, visit: SyncRequest
    ) -> AsyncIterator[ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing]:
        """Every document there. The listing was complete if it ends without an exception, a SkippedDocument without an
        id that is not gone, or an IncompleteListing; then what it does not name is removed. Raises RequestError,
        TemporaryRefusal and SetupError (with a fix) when nothing can be read."""
