"""What the HTTP API answers, as models: the source of the OpenAPI document, and what the tests hold answers against."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.conversation import Owner, Turn
from schemas.messages import (
    AuthorKind,
    MessageState,
    Quote,
    SharedContact,
    SharedLocation,
    TranscriptReferral,
    UnsupportedContent,
)


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorDetail(BaseModel):
    """``retry_after_ms`` is there when waiting helps."""

    code: str
    message: str
    retryable: bool
    retry_after_ms: int | None = None


class ErrorAnswer(BaseModel):
    """Every error has this shape; a stale epoch also says what holds now."""

    error: ErrorDetail


class StaleAnswer(ErrorAnswer):
    owner: Owner
    epoch: int


class SessionAnswer(Answer):
    visitor_token: str
    conversation_id: str
    expires_at: datetime
    seq: int = Field(ge=0)


class ThemeAnswer(Answer):
    name: str
    color: str
    logo: str
    greeting: str
    position: Literal["left", "right"]
    locale: str
    words: dict[str, str]
    max_file_size: int


class PostedAnswer(Answer):
    message_id: str
    seq: int = Field(ge=0)


class AttachmentAnswer(Answer):
    attachment_id: str
    name: str
    type: str
    size: int


class ChatAuthor(Answer):
    kind: AuthorKind
    name: str


class ChatCitation(Answer):
    n: int
    document: str
    title: str
    url: str
    quote: str


class ChatChoice(Answer):
    id: str
    label: str


class ChatAttachment(Answer):
    """``missing``: why a file that was sent could not be had; it has no address then."""

    id: str
    name: str
    type: str
    size: int
    url: str
    missing: str | None = None


class ChatMessage(Answer):
    """``text`` is markdown, except what a contact wrote; ``html`` is safe to show. The last five are there only where
    the message carries such a thing."""

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


class MessagesAnswer(Answer):
    """Ascending, at most 200; ``seq`` is the highest of the conversation."""

    messages: list[ChatMessage] = Field(max_length=200)
    seq: int


class PutDocumentAnswer(Answer):
    """``searchable``: whether a search finds this version by now; only there when the caller asked to wait for it."""

    document: str
    version: int
    passages: int
    searchable: bool | None = None


class DocumentItem(Answer):
    """``hash`` is SHA-256 over the content and its settings: equal means nothing to send. ``source`` is the place it
    was read from."""

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


class DocumentAnswer(DocumentItem):
    body: str


class DocumentList(Answer):
    items: list[DocumentItem]
    next: str


class PassageItem(Answer):
    document: str
    title: str
    heading: str
    text: str
    url: str
    score: float = Field(ge=0, le=1)


class SearchAnswer(Answer):
    passages: list[PassageItem]
    answerable: bool
    confidence: float = Field(ge=0, le=1)
    encoder: str = ""
    """What the documents were compared by, empty by words alone; only when ``explain`` is asked for."""


class RouteAnswer(Answer):
    """``confidence`` is the intent's; retrieval's where no intents were learned. ``scores``: what was decided by."""

    route: Literal["local", "cheap", "strong", "person"]
    intent: str
    confidence: float = Field(ge=0, le=1)
    out_of_scope: bool
    reasons: list[str]
    scores: dict[str, float]


class ConversationItem(Answer):
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


class ConversationList(Answer):
    items: list[ConversationItem]
    next: str


class ConversationAnswer(ConversationItem):
    transcript: list[ChatMessage]
    turns: list[Turn]


class OwnerAnswer(Answer):
    owner: Owner
    epoch: int


class SaidAnswer(Answer):
    message_id: str


class ApprovalItem(Answer):
    """An action that waits for a colleague's yes; the arguments are exactly those that it would be done with."""

    id: str
    action: str
    arguments: dict[str, Any]
    contact_id: str
    reason: str
    requested_at: datetime
    expires_at: datetime


class ApprovalList(Answer):
    items: list[ApprovalItem]
    next: str


class DecidedAnswer(Answer):
    approval_id: str
    decision: Literal["approve", "deny"]


class DeadLetterItem(Answer):
    """``payload`` has every text of people replaced by its length."""

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


class DeadLetterAnswer(DeadLetterItem):
    partition: int
    offset: int
    headers: list[str]


class DeadLetterList(Answer):
    items: list[DeadLetterItem]
    next: str


class ReplayAnswer(Answer):
    id: str
    replay_of: str
    replays: int
    topic: str


class HealthAnswer(Answer):
    status: Literal["ok"]


class ReadyAnswer(BaseModel):
    """``parts``: "ok", or what is wrong."""

    ready: bool
    parts: dict[str, str]
