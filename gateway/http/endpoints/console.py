"""The table of the console's pages and forms."""

from __future__ import annotations

from gateway.access.routes import CONSOLE_ROUTES
from gateway.http.endpoints.api_endpoint import CONSOLE, MULTIPART, PUBLIC, URLENCODED, ApiEndpoint

_CONSOLE_ERRORS = ("invalid_request", "unauthorized", "forbidden", "not_found", "rate_limited", "unavailable")
_FORM_ERRORS = (*_CONSOLE_ERRORS, "too_large", "unsupported_media_type", "conflict")


def _page_endpoint(path: str, summary: str, **more: object) -> ApiEndpoint:
    """Describe a page. 303 redirects to the sign-in page; 204 tells the page's script that nothing has changed."""
    permission = CONSOLE_ROUTES.get(("GET", path.removeprefix("/{tenant}")), "")
    settings = {"auth": CONSOLE, "errors": _CONSOLE_ERRORS, "group": "console", "permission": permission} | more
    return ApiEndpoint("GET", "/console" + path, summary, {200: "text/html", 204: "", 303: ""}, **settings)  # type: ignore[arg-type]


def _form_endpoint(path: str, summary: str, **more: object) -> ApiEndpoint:
    """Describe a form. After success, 303 redirects to a page that says so."""
    permission = CONSOLE_ROUTES.get(("POST", path.removeprefix("/{tenant}")), "")
    settings = {"auth": CONSOLE, "body": URLENCODED, "errors": _FORM_ERRORS, "group": "console"} | more
    settings["permission"] = permission
    return ApiEndpoint("POST", "/console" + path, summary, {200: "text/html", 303: ""}, **settings)  # type: ignore[arg-type]


def _export_endpoint(path: str, summary: str, content_type: str = "application/x-ndjson") -> ApiEndpoint:
    """Describe a download. ``path`` is that below the tenant."""
    return ApiEndpoint(
        "GET",
        "/console/{tenant}" + path,
        summary,
        {200: content_type, 303: ""},
        auth=CONSOLE,
        errors=_CONSOLE_ERRORS,
        group="console",
        permission=CONSOLE_ROUTES["GET", path],
    )


_LIST_QUERY = {
    "state": "queue, mine, person, agent or closed.",
    "channel": "Only conversations on this channel.",
    "after": "The cursor of an older page.",
}
_CONTACT_QUERY = {
    "q": "Words that the name, an address or the id begins with.",
    "channel": "Only contacts with an address on this channel.",
    "after": "The cursor of a page.",
}
_DOCUMENT_QUERY = {
    "q": "Only documents with this text in their title or id.",
    "source": "Only documents of this source; own: those without one.",
    "visibility": "public, verified or internal.",
    "state": "expired, expiring or drafts.",
    "after": "The last document of the page before.",
}
_CONVERSATIONS_QUERY = {
    "figure": "A figure of the outcomes.",
    "by": "channel, route, model or intent.",
    "key": "The row of the figure.",
    "reason": "A reason for passing conversations to people.",
    "group": "A group of failed answers.",
}
CONSOLE_ENDPOINTS: tuple[ApiEndpoint, ...] = (
    _page_endpoint("", "Show the sign-in form.", auth=PUBLIC, query={"next": "The page to show after signing in."}),
    _page_endpoint(
        "/openid",
        "Sign in at the OpenID provider: redirect there.",
        auth=PUBLIC,
        query={"next": "The page to show after signing in."},
    ),
    _page_endpoint(
        "/openid/callback",
        "Sign in whoever comes back from the OpenID provider.",
        auth=PUBLIC,
        query={"code": "The provider's code.", "state": "What was sent to the provider.", "error": "Why it refused."},
    ),
    _page_endpoint("/session", "Check whether this browser is signed in (204).", auth=PUBLIC),
    _page_endpoint(
        "/{tenant}/conversations", "List conversations, those that wait for a person first.", query=_LIST_QUERY
    ),
    _page_endpoint("/{tenant}/conversations/{id}", "Show a conversation.", query={"after": "A sequence number."}),
    _page_endpoint("/{tenant}/conversations/{id}/resolve", "Show the form for resolving a conversation."),
    _page_endpoint("/{tenant}/contacts", "Find contacts by name, address or id.", query=_CONTACT_QUERY),
    _page_endpoint("/{tenant}/contacts/{id}", "Show a contact with its addresses and its newest conversations."),
    _export_endpoint("/contacts/{id}/export", "Export everything that is held about a contact, as JSON lines."),
    _page_endpoint(
        "/{tenant}/deadletters", "List dead letters.", query={"code": "Only dead letters with this error code."}
    ),
    _page_endpoint("/{tenant}/evals", "Show the last runs of suites, with the cases that failed."),
    _page_endpoint("/{tenant}/insights", "Show the latest report of outcomes and failed answers."),
    _page_endpoint(
        "/{tenant}/insights/conversations", "List the conversations behind a figure.", query=_CONVERSATIONS_QUERY
    ),
    _export_endpoint(
        "/insights/{group}/cases", "Export the examples of a group as a suite of cases.", "application/yaml"
    ),
    _page_endpoint("/{tenant}/knowledge", "List the tenant's documents.", query=_DOCUMENT_QUERY),
    _page_endpoint("/{tenant}/knowledge/new", "Show the form to write a document."),
    _page_endpoint("/{tenant}/knowledge/health", "Show the report of the last check of the documents."),
    _page_endpoint("/{tenant}/knowledge/sources", "List the sources of documents, with their syncs."),
    _page_endpoint("/{tenant}/knowledge/upload", "Show the form to upload files that become documents."),
    _page_endpoint("/{tenant}/knowledge/documents/{document}", "Show a document with its versions and citations."),
    _page_endpoint("/{tenant}/knowledge/documents/{document}/edit", "Show the form to edit a document."),
    _page_endpoint("/{tenant}/knowledge/documents/{document}/versions/{version}", "Show an earlier version."),
    _page_endpoint("/{tenant}/access", "List the people and the API tokens that have access to the tenant."),
    _page_endpoint(
        "/{tenant}/audit",
        "List the audit trail, the newest record first.",
        query={"actor": "Only what this actor did.", "action": "Only this action.", "after": "The cursor of a page."},
    ),
    _export_endpoint("/audit/export", "Export the whole audit trail with its hashes, as JSON lines."),
    ApiEndpoint("GET", "/console/", "Redirect to the sign-in page.", {308: ""}),
    ApiEndpoint(
        "GET", "/console/assets/{file}", "Download a file of the console.", {200: "text/css"}, errors=("not_found",)
    ),
    _form_endpoint("/session", "Sign in with the admin token, or with a name and a password.", auth=PUBLIC),
    _form_endpoint("/session/end", "Sign out."),
    _form_endpoint("/{tenant}/conversations/{id}/owner", "Take over, return or resolve a conversation."),
    _form_endpoint(
        "/{tenant}/conversations/{id}/messages",
        "Reply to the contact, which takes over the conversation.",
        body=MULTIPART,
    ),
    _form_endpoint("/{tenant}/conversations/{id}/approvals/{approval}", "Approve or deny an action."),
    _form_endpoint("/{tenant}/contacts/{id}/erase", "Erase a contact and everything that is held about them."),
    _form_endpoint(
        "/{tenant}/deadletters", "Replay or discard the selected dead letters, or describe what a replay would do."
    ),
    _form_endpoint("/{tenant}/insights", "Create a new report in the background."),
    _form_endpoint("/{tenant}/insights/{group}/draft", "Save what people answered as the draft of a document."),
    _form_endpoint("/{tenant}/knowledge", "Test a question: passages found, route taken, and reasons."),
    _form_endpoint("/{tenant}/knowledge/new", "Write a document: preview, try a question, save a draft, or publish."),
    _form_endpoint("/{tenant}/knowledge/health", "Start a check of the documents."),
    _form_endpoint("/{tenant}/knowledge/upload", "Publish uploaded files as documents.", body=MULTIPART),
    _form_endpoint(
        "/{tenant}/knowledge/documents/{document}/edit",
        "Edit a document: preview, try a question, save a draft, or publish.",
    ),
    _form_endpoint("/{tenant}/knowledge/documents/{document}/restore", "Publish an earlier version again."),
    _form_endpoint("/{tenant}/knowledge/documents/{document}/delete", "Delete a document, or discard a draft."),
    _form_endpoint(
        "/{tenant}/knowledge/sources", "Sync a source now, or decide about documents that are gone from it."
    ),
    _form_endpoint("/{tenant}/access", "Create an API token, and show it once."),
    _form_endpoint("/{tenant}/access/{id}/revoke", "Revoke an API token."),
)
