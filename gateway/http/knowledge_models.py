"""The response models of the endpoints about documents and their sources."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from gateway.documents.source_state import SyncRun
from gateway.http.response_models import ResponseModel
from schemas.conversation import DocumentProposal


class PutDocumentResponse(ResponseModel):
    """``searchable`` tells whether searches find this version; it is present only if the caller waited for that."""

    document: str
    version: int
    passages: int
    searchable: bool | None = None


class DocumentItem(ResponseModel):
    """``hash`` is the SHA-256 of content and settings: an equal document need not be sent again. ``source`` is the
    place that it was read from, ``changed_by`` the person who wrote this version, as far as known. A document with a
    ``proposal`` is a draft, which nothing searches."""

    document: str
    title: str
    url: str
    language: str
    visibility: str
    version: int
    size: int
    source: str
    hash: str
    expires_at: datetime | None
    updated_at: datetime
    changed_by: str
    proposal: DocumentProposal | None


class DocumentResponse(DocumentItem):
    body: str


class DocumentListResponse(ResponseModel):
    items: list[DocumentItem]
    next: str


class DocumentVersionItem(ResponseModel):
    """A version of a document; ``changed_by`` is the person who wrote it, as far as known."""

    version: int
    title: str
    body: str
    url: str
    language: str
    visibility: str
    source: str
    expires_at: datetime | None
    updated_at: datetime
    changed_by: str


class DocumentVersionListResponse(ResponseModel):
    """The current version first, then the earlier ones that are still kept."""

    items: list[DocumentVersionItem]
    next: str


class TrialCitation(ResponseModel):
    n: int
    document: str
    quote: str


class TrialAnswerItem(ResponseModel):
    """An answer of the built-in model; ``offers`` are sections that are offered instead of an answer."""

    text: str
    citations: list[TrialCitation]
    offers: list[str]
    answered: bool
    confidence: float = Field(ge=0, le=1)


class TrialResponse(ResponseModel):
    """The answers at present, and as if the document were published."""

    before: TrialAnswerItem
    after: TrialAnswerItem


class FindingPlaceItem(ResponseModel):
    """A document of a finding, with the sentence that it is about."""

    document: str
    title: str
    heading: str
    quote: str


class HealthFindingItem(ResponseModel):
    """``detail`` says what is wrong, ``fix`` what to do."""

    code: Literal[
        "contradictory_figures",
        "duplicate_document",
        "duplicate_passage",
        "expired",
        "expires_soon",
        "broken_link",
        "never_cited",
    ]
    places: list[FindingPlaceItem]
    detail: str
    fix: str


class KnowledgeHealthResponse(ResponseModel):
    """The report of the last check. ``counts`` includes findings beyond the 200 of a code that are listed.
    ``links_checked`` is null if links were not checked. Citations were counted in the newest ``conversations``, back to
    ``cited_since``."""

    running: bool
    finished_at: datetime | None
    seconds: float
    documents: int
    findings: list[HealthFindingItem]
    counts: dict[str, int]
    links_checked: int | None
    links_unchecked: int
    conversations: int
    cited_since: datetime | None
    failed: bool


class SyncProgressResponse(ResponseModel):
    """``read``: documents that were read so far."""

    started: datetime
    read: int


class PendingRemovalResponse(ResponseModel):
    """Documents that are gone from a source, and are removed only if an operator approves. ``total``: how many the
    source had. ``hidden``: how many of them answer no questions in the meantime."""

    since: datetime
    total: int
    documents: list[str]
    hidden: int


class SourceItem(ResponseModel):
    """A source of documents. ``sync_minutes`` is 0 and ``next_run`` is null if it is synced only when asked.
    ``failures``: failed syncs in a row. ``kept``: documents that are gone from the source, and that an operator decided
    to keep. ``verification_token``: sent by the vendor's webhook, to be entered there; empty when that is done, and for
    whoever may not change documents."""

    source: str
    location: str
    sync_minutes: float
    running: SyncProgressResponse | None
    requested_at: datetime | None
    last: SyncRun | None
    succeeded_at: datetime | None
    next_run: datetime | None
    failures: int
    is_stale: bool
    held: PendingRemovalResponse | None
    kept: list[str]
    verification_token: str


class SourceListResponse(ResponseModel):
    items: list[SourceItem]
    next: str


class RemovalDecisionResponse(ResponseModel):
    """``documents``: those that were removed, or that are kept."""

    source: str
    decision: Literal["approve", "discard"]
    documents: list[str]


class PassageItem(ResponseModel):
    document: str
    title: str
    heading: str
    text: str
    url: str
    score: float = Field(ge=0, le=1)
    related: bool = True
    """False if it has nothing to do with the question, but nothing nearer was found. Present only with ``explain``."""


class SearchResponse(ResponseModel):
    passages: list[PassageItem]
    answerable: bool
    confidence: float = Field(ge=0, le=1)
    encoder: str = ""
    """The encoder of the vector search, empty for keyword search alone. Present only with ``explain``."""
    suggestable: bool = False
    """The passages are worth offering as suggestions where they are not sure to answer. Present only with
    ``explain``."""
    probable: bool = False
    """The first passage probably answers, though not surely. Present only with ``explain``."""
