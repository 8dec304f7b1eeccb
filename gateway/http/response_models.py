"""The response models of the HTTP API, from which the OpenAPI document is built."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.documents.source_state import SyncRun
from schemas.conversation import DocumentProposal, Owner, Turn
from schemas.messages import (
    AuthorKind,
    MessageState,
    Quote,
    SharedContact,
    SharedLocation,
    TranscriptReferral,
    UnsupportedContent,
)


class ResponseModel(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorDetail(BaseModel):
    """``retry_after_ms`` is present if waiting helps."""

    code: str
    message: str
    retryable: bool
    retry_after_ms: int | None = None


class ErrorResponse(BaseModel):
    """The body of every error."""

    error: ErrorDetail


class StaleEpochResponse(ErrorResponse):
    """The body of ``stale_epoch``, with the current owner and epoch."""

    owner: Owner
    epoch: int


class SessionResponse(ResponseModel):
    visitor_token: str
    conversation_id: str
    expires_at: datetime
    seq: int = Field(ge=0)


class ThemeResponse(ResponseModel):
    name: str
    color: str
    logo: str
    greeting: str
    position: Literal["left", "right"]
    locale: str
    words: dict[str, str]
    max_file_size: int


class VisitorMessageResponse(ResponseModel):
    message_id: str
    seq: int = Field(ge=0)


class AttachmentResponse(ResponseModel):
    attachment_id: str
    name: str
    type: str
    size: int


class ChatAuthor(ResponseModel):
    kind: AuthorKind
    name: str


class ChatCitation(ResponseModel):
    n: int
    document: str
    title: str
    url: str
    quote: str


class ChatChoice(ResponseModel):
    id: str
    label: str


class ChatSpeech(ResponseModel):
    """The transcription of a voice note, made by a machine. ``text`` is also part of the message's text; ``problem``
    tells why it is empty."""

    text: str
    language: str
    problem: str


class ChatAttachment(ResponseModel):
    """``missing`` tells why a file is not available; ``url`` is empty then. ``speech`` is present only if a voice note
    was transcribed, or could not be."""

    id: str
    name: str
    type: str
    size: int
    url: str
    missing: str | None = None
    speech: ChatSpeech | None = None


class ChatMessage(ResponseModel):
    """``text`` is plain text if a contact wrote it, otherwise Markdown. ``html`` is safe to display. The last five
    fields are present only if the message has such content."""

    seq: int
    id: str
    author: ChatAuthor
    text: str
    html: str
    citations: list[ChatCitation]
    choices: list[ChatChoice]
    attachments: list[ChatAttachment]
    created_at: datetime
    in_reply_to: str | None
    state: MessageState
    location: SharedLocation | None = None
    contacts: list[SharedContact] = []
    referral: TranscriptReferral | None = None
    quote: Quote | None = None
    unsupported: UnsupportedContent | None = None


class MessagesResponse(ResponseModel):
    """At most 200 messages in ascending order. ``seq`` is the highest number of the conversation."""

    messages: list[ChatMessage] = Field(max_length=200)
    seq: int


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
    to keep. ``verification_token``: sent by the vendor's webhook, to be entered there; empty when that is done."""

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


class SearchResponse(ResponseModel):
    passages: list[PassageItem]
    answerable: bool
    confidence: float = Field(ge=0, le=1)
    encoder: str = ""
    """The encoder of the vector search, empty for keyword search alone. Present only with ``explain``."""
    suggestable: bool = False
    """The passages are worth offering as suggestions where they are not sure to answer. Present only with
    ``explain``."""


class RouteResponse(ResponseModel):
    """``confidence`` is that of the intent, or of retrieval if there are no intents. ``scores`` decided the route."""

    route: Literal["local", "cheap", "strong", "person"]
    intent: str
    confidence: float = Field(ge=0, le=1)
    out_of_scope: bool
    reasons: list[str]
    scores: dict[str, float]


class ConversationItem(ResponseModel):
    id: str
    channel: str
    account: str
    contact_id: str
    contact_name: str
    owner: Owner
    epoch: int
    seq: int
    locale: str
    created_at: datetime
    updated_at: datetime


class ConversationListResponse(ResponseModel):
    items: list[ConversationItem]
    next: str


class ConversationResponse(ConversationItem):
    transcript: list[ChatMessage]
    turns: list[Turn]


class OwnerResponse(ResponseModel):
    owner: Owner
    epoch: int


class OperatorMessageResponse(ResponseModel):
    message_id: str


class ApprovalItem(ResponseModel):
    """An action that waits for approval, with exactly the arguments with which it would be performed."""

    id: str
    action: str
    arguments: dict[str, Any]
    contact_id: str
    reason: str
    requested_at: datetime
    expires_at: datetime


class ApprovalListResponse(ResponseModel):
    items: list[ApprovalItem]
    next: str


class ApprovalDecisionResponse(ResponseModel):
    approval_id: str
    decision: Literal["approve", "deny"]


class DeadLetterItem(ResponseModel):
    """In ``payload``, every text written by people is replaced by its length."""

    id: str
    code: str
    reason: str
    attempts: int
    replays: int
    topic: str
    channel: str
    conversation_id: str
    first_at: datetime
    last_at: datetime
    payload: Any


class DeadLetterResponse(DeadLetterItem):
    partition: int
    offset: int
    headers: list[str]


class DeadLetterListResponse(ResponseModel):
    items: list[DeadLetterItem]
    next: str


class ReplayResponse(ResponseModel):
    id: str
    replay_of: str
    replays: int
    topic: str


class HealthResponse(ResponseModel):
    status: Literal["ok"]


class ReadinessResponse(BaseModel):
    """``parts`` maps each part to "ok" or to its problem."""

    ready: bool
    parts: dict[str, str]
