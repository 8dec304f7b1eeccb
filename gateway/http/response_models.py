"""The response models of the HTTP API, from which the OpenAPI document is built."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.access import Role, Scope
from schemas.conversation import Owner, Turn
from schemas.desk import Resolution
from schemas.messages import (
    Address,
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
    """``resolutions``: the last five. Their notes are for colleagues only."""

    resolutions: list[Resolution]
    transcript: list[ChatMessage]
    turns: list[Turn]


class ContactItem(ResponseModel):
    """``last_at``: when anything last happened in one of the contact's conversations."""

    id: str
    name: str
    addresses: list[Address]
    last_at: datetime


class ContactListResponse(ResponseModel):
    items: list[ContactItem]
    next: str


class ContactFacts(ResponseModel):
    """``former_addresses`` are no longer the contact's. ``merged_ids``: the ids of contacts that turned out to be this
    one. ``reach_at``: addresses that the contact left for a reply, which nobody has verified."""

    locale: str
    created_at: datetime
    former_addresses: list[Address]
    opted_out: bool
    opted_at: datetime | None
    marketing_opted_out: bool
    marketing_opted_at: datetime | None
    merged_ids: list[str]
    reach_at: list[str]


class ContactResponse(ContactItem):
    facts: ContactFacts
    conversations: list[ConversationItem]


class ErasureRequestResponse(ResponseModel):
    erasure_id: str


class ErasureResponse(ResponseModel):
    """``stores``: how much was deleted, by kind. ``proof`` is empty until the erasure is done: then a JSON document in
    base64 and, after a full stop, its signature."""

    id: str
    contact_id: str
    state: Literal["running", "done"]
    requested_at: datetime
    done_at: datetime | None
    stores: dict[str, int]
    proof: str


class OwnerResponse(ResponseModel):
    owner: Owner
    epoch: int


class OperatorMessageResponse(ResponseModel):
    message_id: str


class ApprovalItem(ResponseModel):
    """An action that waits for approval, with exactly the arguments with which it would be performed. ``role``: the
    least role that may decide. ``people``: how many different people have to approve; ``approved_by``: those who did.
    """

    id: str
    action: str
    arguments: dict[str, Any]
    contact_id: str
    reason: str
    requested_at: datetime
    expires_at: datetime
    role: Role
    people: int
    approved_by: list[str]


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


class TokenItem(ResponseModel):
    """``created_by`` and ``revoked_by`` are permanent ids, such as ``admin`` or ``console:anna``."""

    id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None
    revoked_by: str


class TokenCreationResponse(TokenItem):
    """``token`` is shown only here: Parley keeps its hash."""

    token: str


class TokenListResponse(ResponseModel):
    items: list[TokenItem]
    next: str


class AuditItem(ResponseModel):
    at: datetime
    actor: str
    action: str
    subject: str
    surface: str


class AuditListResponse(ResponseModel):
    items: list[AuditItem]
    next: str


class AuditVerificationResponse(ResponseModel):
    """``problems`` is empty if nothing was changed or removed."""

    records: int
    problems: list[str]


class HealthResponse(ResponseModel):
    status: Literal["ok"]


class ReadinessResponse(BaseModel):
    """``parts`` maps each part to "ok" or to its problem."""

    ready: bool
    parts: dict[str, str]
