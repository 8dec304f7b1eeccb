"""The table of all endpoints of the HTTP API, from which the OpenAPI document is made."""

from __future__ import annotations

from pydantic import BaseModel

from gateway.admin.approvals import ApprovalDecisionRequest
from gateway.admin.conversations import OwnerRequest
from gateway.admin.knowledge import MAX_WAIT, DocumentRequest, RestoreRequest, SearchRequest, TrialRequest
from gateway.admin.knowledge_health import HealthRequest
from gateway.admin.knowledge_sources import RemovalDecisionRequest, SyncSourceRequest
from gateway.admin.route_explanation import RouteRequest
from gateway.http import knowledge_models
from gateway.http import response_models as models
from gateway.http.endpoints.access import ACCESS_ENDPOINTS
from gateway.http.endpoints.api_endpoint import (
    ADMIN_ERRORS,
    BODY_ERRORS,
    PAGE_ERRORS,
    PAGE_QUERY,
    PUBLIC,
    RETRYABLE_ERRORS,
    SIGNATURE,
    VISITOR,
    ApiEndpoint,
    describe_admin_endpoint,
)
from gateway.http.endpoints.console import CONSOLE_ENDPOINTS
from gateway.http.endpoints.learning import LEARNING_ENDPOINTS
from gateway.operators.conversations import OperatorMessage
from gateway.webchat.chat_service import VisitorMessage
from gateway.webchat.sessions import SessionRequest
from gateway.webchat.widget import WIDGET_FILES

_CHAT_ERRORS = ("unauthorized", "forbidden", "not_found", *RETRYABLE_ERRORS)
_WEBHOOK_ERRORS = (
    "invalid_request",
    "unauthorized",
    "not_found",
    "too_large",
    "unsupported_media_type",
    *RETRYABLE_ERRORS,
)


def _chat_endpoint(
    method: str, path: str, summary: str, responses: dict[int, type[BaseModel] | str], **more: object
) -> ApiEndpoint:
    settings = {"auth": VISITOR, "errors": _CHAT_ERRORS, "group": "chat"} | more
    return ApiEndpoint(method, "/v1/chat/{tenant}" + path, summary, responses, **settings)  # type: ignore[arg-type]


ENDPOINTS: tuple[ApiEndpoint, ...] = (
    _chat_endpoint(
        "POST",
        "/sessions",
        "Start or resume a visitor's session.",
        {201: models.SessionResponse, 200: models.SessionResponse},
        auth=PUBLIC,
        body=SessionRequest,
        errors=(*BODY_ERRORS, *_CHAT_ERRORS),
    ),
    _chat_endpoint(
        "DELETE",
        "/sessions",
        "Sign the visitor out: all tokens of this session become invalid.",
        {204: ""},
    ),
    _chat_endpoint(
        "POST",
        "/messages",
        "Send a message. A repeat with the same client_msg_id gets the same response.",
        {202: models.VisitorMessageResponse},
        body=VisitorMessage,
        errors=(*BODY_ERRORS, "id_reused", *_CHAT_ERRORS),
    ),
    _chat_endpoint(
        "GET",
        "/messages",
        "Read the messages after a sequence number; optionally wait for them.",
        {200: models.MessagesResponse},
        query={"after": "A sequence number (default 0).", "wait": "Seconds to wait for a message, at most 25."},
        errors=("invalid_request", *_CHAT_ERRORS),
    ),
    _chat_endpoint(
        "POST",
        "/attachments",
        "Upload a file of at most 10 MiB for a message.",
        {201: models.AttachmentResponse},
        body="multipart/form-data",
        errors=(*BODY_ERRORS, *_CHAT_ERRORS),
    ),
    _chat_endpoint(
        "GET",
        "/attachments/{id}",
        "Download a file from the signed address in a message.",
        {200: "application/octet-stream"},
        auth=PUBLIC,
        query={"exp": "When the address expires.", "sig": "Its signature."},
        errors=("forbidden", "not_found", "unavailable"),
    ),
    _chat_endpoint(
        "GET",
        "/theme",
        "Read the appearance of a web account's chat, for the widget.",
        {200: models.ThemeResponse},
        auth=PUBLIC,
        query={
            "account": "The web account (default main).",
            "locale": "The page's language (default: the tenant's). `words` are in this language; empty means English.",
        },
        errors=("not_found",),
    ),
    _chat_endpoint(
        "GET",
        "/logo",
        "Download the logo of a web account, if it is a file of the configuration.",
        {200: "image/*"},
        auth=PUBLIC,
        query={"account": "The web account (default main)."},
        errors=("not_found",),
    ),
    _chat_endpoint(
        "GET",
        "/socket",
        "Open the WebSocket for messages, deltas, receipts and typing, in both directions.",
        {101: ""},
        auth=PUBLIC,
        errors=("invalid_request", "forbidden", "not_found", "unavailable"),
    ),
    ApiEndpoint(
        "POST",
        "/v1/webhooks/{channel}/{tenant}/{account}",
        "Receive a vendor's webhook; the response is sent once its events are durable.",
        {200: "text/plain"},
        auth=SIGNATURE,
        body="application/json",
        errors=_WEBHOOK_ERRORS,
        group="webhooks",
    ),
    ApiEndpoint(
        "GET",
        "/v1/webhooks/{channel}/{tenant}/{account}",
        "Answer a vendor's verification of the address.",
        {200: "text/plain"},
        auth=SIGNATURE,
        errors=("invalid_request", "unauthorized", "not_found"),
        group="webhooks",
    ),
    ApiEndpoint(
        "POST",
        "/v1/sources/{tenant}/{source}",
        "Receive a vendor's notification that a source of documents changed; the source is synced then.",
        {200: "text/plain"},
        auth=SIGNATURE,
        body="application/json",
        errors=_WEBHOOK_ERRORS,
        group="webhooks",
    ),
    describe_admin_endpoint(
        "GET",
        "/knowledge",
        "List documents.",
        {200: knowledge_models.DocumentListResponse},
        query=PAGE_QUERY,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "POST",
        "/knowledge/search",
        "Search the documents as the agent does.",
        {200: knowledge_models.SearchResponse},
        body=SearchRequest,
        errors=(*BODY_ERRORS, *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "POST",
        "/knowledge/{document}/try",
        "Answer a question with and without a document, before it is published.",
        {200: knowledge_models.TrialResponse},
        body=TrialRequest,
        errors=(*BODY_ERRORS, "document_too_large", "unprocessable", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "GET",
        "/knowledge-health",
        "Read the report of the last check of the documents.",
        {200: knowledge_models.KnowledgeHealthResponse},
    ),
    describe_admin_endpoint(
        "POST",
        "/knowledge-health",
        "Start a check of the documents in the background.",
        {202: knowledge_models.KnowledgeHealthResponse},
        body=HealthRequest,
        errors=(*BODY_ERRORS, *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "POST",
        "/route/explain",
        "Explain which route a message would take.",
        {200: models.RouteResponse},
        body=RouteRequest,
        errors=(*BODY_ERRORS, *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "GET",
        "/knowledge/sources",
        "List the sources of documents, with their syncs.",
        {200: knowledge_models.SourceListResponse},
        query=PAGE_QUERY,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "POST",
        "/knowledge/sources/{source}/sync",
        "Sync a source as soon as possible.",
        {202: knowledge_models.SourceItem},
        body=SyncSourceRequest,
        errors=(*BODY_ERRORS, *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "POST",
        "/knowledge/sources/{source}/removals",
        "Decide about documents that are gone from a source: approve their removal, or discard it.",
        {200: knowledge_models.RemovalDecisionResponse},
        body=RemovalDecisionRequest,
        errors=(*BODY_ERRORS, "conflict", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "GET",
        "/knowledge/{document}",
        "Read one document.",
        {200: knowledge_models.DocumentResponse},
        errors=("invalid_request", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "PUT",
        "/knowledge/{document}",
        "Publish a document, or a new version of it.",
        {200: knowledge_models.PutDocumentResponse},
        query={"wait": f"Seconds to wait until searches find it, 0 to {MAX_WAIT}; adds `searchable` to the response."},
        body=DocumentRequest,
        errors=(*BODY_ERRORS, "document_too_large", "unprocessable", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "DELETE", "/knowledge/{document}", "Remove a document.", {204: ""}, errors=("invalid_request", *ADMIN_ERRORS)
    ),
    describe_admin_endpoint(
        "GET",
        "/knowledge/{document}/versions",
        "List the versions of a document, the newest first.",
        {200: knowledge_models.DocumentVersionListResponse},
        query=PAGE_QUERY,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "POST",
        "/knowledge/{document}/restore",
        "Publish an earlier version again.",
        {200: knowledge_models.PutDocumentResponse},
        body=RestoreRequest,
        errors=(*BODY_ERRORS, "conflict", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "GET",
        "/conversations",
        "List conversations, the most recently active first.",
        {200: models.ConversationListResponse},
        query={"state": "Only conversations with this owner.", "channel": "Only conversations on this channel."}
        | PAGE_QUERY,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "GET",
        "/conversations/{id}",
        "Read a conversation with its transcript and turns.",
        {200: models.ConversationResponse},
        query={"after": "A sequence number; without it, the newest 200 lines."},
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "POST",
        "/conversations/{id}/owner",
        "Change the owner of a conversation, unless it has changed in the meantime.",
        {200: models.OwnerResponse},
        body=OwnerRequest,
        errors=(*BODY_ERRORS, "stale_epoch", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "POST",
        "/conversations/{id}/messages",
        "Reply as a person, which takes over the conversation.",
        {202: models.OperatorMessageResponse},
        body=OperatorMessage,
        errors=(*BODY_ERRORS, "id_reused", "conflict", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "POST",
        "/conversations/{id}/attachments",
        "Upload a file of at most 10 MiB for a person's reply in this conversation.",
        {201: models.AttachmentResponse},
        body="multipart/form-data",
        errors=(*BODY_ERRORS, *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "GET",
        "/recordings",
        "Export the documents and the recorded conversations, unmasked, as JSON lines, for `parley replay` and"
        " `parley eval`.",
        {200: "application/x-ndjson"},
        query={
            "since": "Only conversations last answered at this time or later.",
            "conversation": "Only this conversation.",
            "documents": "`only`: nothing but the documents.",
        },
        errors=("invalid_request", "unavailable", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "GET",
        "/training",
        "Export approved conversations and rejected replies, masked, as JSON lines.",
        {200: "application/x-ndjson"},
        query={
            "kind": "approved or rejected (default: both).",
            "channel": "Only conversations on this channel.",
            "since": "Only conversations last answered at this time or later.",
            "until": "Only conversations last answered before this time.",
        },
        errors=("invalid_request", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "GET",
        "/conversations/{id}/approvals",
        "List the actions that wait for approval.",
        {200: models.ApprovalListResponse},
        query=PAGE_QUERY,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "POST",
        "/conversations/{id}/approvals/{approval}",
        "Approve or deny an action. The first decision counts.",
        {202: models.ApprovalDecisionResponse},
        body=ApprovalDecisionRequest,
        errors=(*BODY_ERRORS, "conflict", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "GET",
        "/deadletters",
        "List dead letters, newest first.",
        {200: models.DeadLetterListResponse},
        query={"unassigned": "true lists dead letters without a tenant, which could not be read."} | PAGE_QUERY,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint("GET", "/deadletters/{id}", "Read one dead letter.", {200: models.DeadLetterResponse}),
    describe_admin_endpoint(
        "POST",
        "/deadletters/{id}/replay",
        "Append the record again with a new id.",
        {202: models.ReplayResponse},
        errors=("conflict", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint("DELETE", "/deadletters/{id}", "Discard a dead letter for good.", {204: ""}),
    *LEARNING_ENDPOINTS,
    *ACCESS_ENDPOINTS,
    *CONSOLE_ENDPOINTS,
    ApiEndpoint("GET", "/healthz", "Check that the process is alive.", {200: models.HealthResponse}),
    ApiEndpoint(
        "GET",
        "/readyz",
        "Check that the process can do its work.",
        {200: models.ReadinessResponse},
        errors=("unavailable",),
    ),
    ApiEndpoint("GET", "/metrics", "Read the metrics, in the format of Prometheus.", {200: "text/plain"}),
    ApiEndpoint("GET", "/v1/openapi.json", "Read this document.", {200: "application/json"}),
    *(
        ApiEndpoint("GET", f"/{name}", "Download a file of the chat widget.", {200: kind})
        for name, kind in WIDGET_FILES.items()
    ),
    ApiEndpoint("GET", "/", "Show the demo page (embedded mode only).", {200: "text/html"}, errors=("not_found",)),
    ApiEndpoint(
        "GET",
        "/demo/{file}",
        "Download a file of the demo page.",
        {200: "application/octet-stream"},
        errors=("not_found",),
    ),
)
