"""Every route of the HTTP API, described once: the table behind the OpenAPI document."""

from __future__ import annotations

from pydantic import BaseModel

from gateway.admin.approvals import Decision
from gateway.admin.conversations import Claim
from gateway.admin.knowledge import MAX_WAIT, DocumentIn, Query
from gateway.admin.routes import Explain
from gateway.console.routes import CONSOLE_ROUTES
from gateway.http import schemas as a
from gateway.http.route import ADMIN, PUBLIC, SIGNATURE, VISITOR, Route
from gateway.operators.conversations import Said
from gateway.webchat.page import FILES
from gateway.webchat.service import Posted
from gateway.webchat.sessions import SessionRequest

_BODY = ("invalid_request", "too_large", "unsupported_media_type")
_LATER = ("rate_limited", "unavailable")
_CHAT = ("unauthorized", "forbidden", "not_found", *_LATER)
_ADMIN = ("unauthorized", "not_found", *_LATER)
_HOOK = ("invalid_request", "unauthorized", "not_found", "too_large", "unsupported_media_type", *_LATER)
STATUS: dict[str, int] = {
    "invalid_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "id_reused": 409,
    "stale_epoch": 409,
    "conflict": 409,
    "too_large": 413,
    "document_too_large": 413,
    "unsupported_media_type": 415,
    "unprocessable": 422,
    "rate_limited": 429,
    "unavailable": 503,
}


def _chat(method: str, path: str, summary: str, answer: dict[int, type[BaseModel] | str], **more: object) -> Route:
    settings = {"auth": VISITOR, "errors": _CHAT, "group": "chat"} | more
    return Route(method, "/v1/chat/{tenant}" + path, summary, answer, **settings)  # type: ignore[arg-type]


def _admin(method: str, path: str, summary: str, answer: dict[int, type[BaseModel] | str], **more: object) -> Route:
    settings = {"auth": ADMIN, "errors": _ADMIN, "group": "admin"} | more
    return Route(method, "/v1/admin/{tenant}" + path, summary, answer, **settings)  # type: ignore[arg-type]


_PAGE = {"after": "The `next` of the page before.", "limit": "Items on the page, 1 to 200; 50 when not given."}
_PAGE_ERRORS = ("invalid_request", *_ADMIN)

ROUTES: tuple[Route, ...] = (
    _chat(
        "POST",
        "/sessions",
        "Begin or resume a visitor's session.",
        {201: a.SessionAnswer, 200: a.SessionAnswer},
        auth=PUBLIC,
        body=SessionRequest,
        errors=(*_BODY, *_CHAT),
    ),
    _chat(
        "DELETE",
        "/sessions",
        "Sign the visitor out: no token of this session is accepted any more.",
        {204: ""},
    ),
    _chat(
        "POST",
        "/messages",
        "Send a message; a repeat of the same client_msg_id gets the same answer.",
        {202: a.PostedAnswer},
        body=Posted,
        errors=(*_BODY, "id_reused", *_CHAT),
    ),
    _chat(
        "GET",
        "/messages",
        "Read what follows a sequence number, waiting for it if asked.",
        {200: a.MessagesAnswer},
        query={"after": "A sequence number; 0 when not given.", "wait": "Seconds to wait for a message, at most 25."},
        errors=("invalid_request", *_CHAT),
    ),
    _chat(
        "POST",
        "/attachments",
        "Upload a file of at most 10 MiB, to be named in a message.",
        {201: a.AttachmentAnswer},
        body="multipart/form-data",
        errors=(*_BODY, *_CHAT),
    ),
    _chat(
        "GET",
        "/attachments/{id}",
        "Fetch a file by the signed address that a message gave.",
        {200: "application/octet-stream"},
        auth=PUBLIC,
        query={"exp": "When the address expires.", "sig": "Its signature."},
        errors=("forbidden", "not_found", "unavailable"),
    ),
    _chat(
        "GET",
        "/theme",
        "How the chat of a web account looks, for the widget.",
        {200: a.ThemeAnswer},
        auth=PUBLIC,
        query={
            "account": "The web account; main when not given.",
            "locale": "The page's language; the tenant's when not given. `words` are in it; empty is English.",
        },
        errors=("not_found",),
    ),
    _chat(
        "GET",
        "/logo",
        "The logo of a web account, where it is a file of the configuration.",
        {200: "image/*"},
        auth=PUBLIC,
        query={"account": "The web account; main when not given."},
        errors=("not_found",),
    ),
    _chat(
        "GET",
        "/socket",
        "WebSocket: messages, deltas, receipts and typing, both ways.",
        {101: ""},
        auth=PUBLIC,
        errors=("invalid_request", "forbidden", "not_found", "unavailable"),
    ),
    Route(
        "POST",
        "/v1/webhooks/{channel}/{tenant}/{account}",
        "What a vendor calls; answered once the events are durable.",
        {200: "text/plain"},
        auth=SIGNATURE,
        body="application/json",
        errors=_HOOK,
        group="webhooks",
    ),
    Route(
        "GET",
        "/v1/webhooks/{channel}/{tenant}/{account}",
        "A vendor asks whether the address is ours.",
        {200: "text/plain"},
        auth=SIGNATURE,
        errors=("invalid_request", "unauthorized", "not_found"),
        group="webhooks",
    ),
    _admin("GET", "/knowledge", "List documents.", {200: a.DocumentList}, query=_PAGE, errors=_PAGE_ERRORS),
    _admin(
        "POST",
        "/knowledge/search",
        "What the agent would find for a question.",
        {200: a.SearchAnswer},
        body=Query,
        errors=(*_BODY, *_ADMIN),
    ),
    _admin(
        "POST",
        "/route/explain",
        "Who would answer a message, and why.",
        {200: a.RouteAnswer},
        body=Explain,
        errors=(*_BODY, *_ADMIN),
    ),
    _admin("GET", "/knowledge/{document}", "Read one document.", {200: a.DocumentAnswer}),
    _admin(
        "PUT",
        "/knowledge/{document}",
        "Publish a document or its next version.",
        {200: a.PutDocumentAnswer},
        query={"wait": f"Seconds to wait until a search finds it, 0 to {MAX_WAIT}; then the answer has `searchable`."},
        body=DocumentIn,
        errors=(*_BODY, "document_too_large", "unprocessable", *_ADMIN),
    ),
    _admin("DELETE", "/knowledge/{document}", "Remove a document.", {204: ""}),
    _admin(
        "GET",
        "/conversations",
        "List conversations, newest activity first.",
        {200: a.ConversationList},
        query={"state": "Only those with this owner.", "channel": "Only those of this channel."} | _PAGE,
        errors=_PAGE_ERRORS,
    ),
    _admin(
        "GET",
        "/conversations/{id}",
        "Read a conversation and what was done in it.",
        {200: a.ConversationAnswer},
        query={"after": "A sequence number; the newest 200 lines when not given."},
        errors=_PAGE_ERRORS,
    ),
    _admin(
        "POST",
        "/conversations/{id}/owner",
        "Pass a conversation on, if nobody did meanwhile.",
        {200: a.OwnerAnswer},
        body=Claim,
        errors=(*_BODY, "stale_epoch", *_ADMIN),
    ),
    _admin(
        "POST",
        "/conversations/{id}/messages",
        "Answer as a person, which takes the conversation over.",
        {202: a.SaidAnswer},
        body=Said,
        errors=(*_BODY, "id_reused", "conflict", *_ADMIN),
    ),
    _admin(
        "POST",
        "/conversations/{id}/attachments",
        "Upload a file of at most 10 MiB, to be named in a person's answer in this conversation.",
        {201: a.AttachmentAnswer},
        body="multipart/form-data",
        errors=(*_BODY, *_ADMIN),
    ),
    _admin(
        "GET",
        "/training",
        "Export approved talks and rejected replies, masked, as JSON lines.",
        {200: "application/x-ndjson"},
        query={
            "kind": "approved or rejected; both when not given.",
            "channel": "Only of this channel.",
            "since": "Last answered at this instant or later.",
            "until": "Last answered before.",
        },
        errors=("invalid_request", *_ADMIN),
    ),
    _admin(
        "GET",
        "/conversations/{id}/approvals",
        "Actions that wait for a colleague's yes.",
        {200: a.ApprovalList},
    ),
    _admin(
        "POST",
        "/conversations/{id}/approvals/{approval}",
        "Approve or deny one action; the first decision counts.",
        {202: a.DecidedAnswer},
        body=Decision,
        errors=(*_BODY, "conflict", *_ADMIN),
    ),
    _admin(
        "GET",
        "/deadletters",
        "List records that were given up on, newest first.",
        {200: a.DeadLetterList},
        query={"unassigned": "true: those that belong to no tenant, because they could not be read."} | _PAGE,
        errors=_PAGE_ERRORS,
    ),
    _admin("GET", "/deadletters/{id}", "Look at one dead letter.", {200: a.DeadLetterAnswer}),
    _admin(
        "POST",
        "/deadletters/{id}/replay",
        "Append the record again, under a new id.",
        {202: a.ReplayAnswer},
        errors=("conflict", *_ADMIN),
    ),
    *CONSOLE_ROUTES,
    Route("GET", "/healthz", "The process lives.", {200: a.HealthAnswer}),
    Route("GET", "/readyz", "The process can work.", {200: a.ReadyAnswer}, errors=("unavailable",)),
    Route("GET", "/metrics", "Counters for Prometheus.", {200: "text/plain"}),
    Route("GET", "/v1/openapi.json", "This document.", {200: "application/json"}),
    *(Route("GET", f"/{name}", "A file of the chat.", {200: kind}) for name, kind in FILES.items()),
    Route("GET", "/", "The demo page (embedded mode).", {200: "text/html"}, errors=("not_found",)),
    Route("GET", "/demo/{file}", "A file of the demo page.", {200: "application/octet-stream"}, errors=("not_found",)),
)
