"""Every route of the console, described once."""

from __future__ import annotations

from gateway.http.route import CONSOLE, PUBLIC, Route

_FORM, _FILES = "application/x-www-form-urlencoded", "multipart/form-data"
_SEEN = ("invalid_request", "unauthorized", "forbidden", "not_found", "rate_limited", "unavailable")
_SENT = (*_SEEN, "too_large", "unsupported_media_type", "conflict")


def _page(path: str, summary: str, **more: object) -> Route:
    """Who is not signed in is led (303) to where they can. 204: for the page's own script, nothing changed."""
    settings = {"auth": CONSOLE, "errors": _SEEN, "group": "console"} | more
    return Route("GET", "/console" + path, summary, {200: "text/html", 204: "", 303: ""}, **settings)  # type: ignore[arg-type]


def _act(path: str, summary: str, **more: object) -> Route:
    """A form. Done: 303 to a page that says so, or the page itself."""
    settings = {"auth": CONSOLE, "body": _FORM, "errors": _SENT, "group": "console"} | more
    return Route("POST", "/console" + path, summary, {200: "text/html", 303: ""}, **settings)  # type: ignore[arg-type]


_LIST = {"state": "queue, mine, person, agent or closed.", "channel": "One channel.", "after": "From an older page."}
CONSOLE_ROUTES: tuple[Route, ...] = (
    _page("", "Sign in to the console.", auth=PUBLIC, query={"next": "Where to go then."}),
    _page("/session", "Whether this browser is signed in (204).", auth=PUBLIC),
    _page("/{tenant}/conversations", "Conversations, newest first.", query=_LIST),
    _page("/{tenant}/conversations/{id}", "One conversation.", query={"after": "A sequence number."}),
    _page("/{tenant}/conversations/{id}/resolve", "The form for what came of a conversation."),
    _page("/{tenant}/deadletters", "Records that were given up on.", query={"code": "One code."}),
    _page("/{tenant}/knowledge", "The tenant's documents."),
    Route("GET", "/console/assets/{file}", "A file of the console.", {200: "text/css"}, errors=("not_found",)),
    _act("/session", "Sign in, with the admin token or with a name and a password.", auth=PUBLIC),
    _act("/session/end", "Sign out."),
    _act("/{tenant}/conversations/{id}/owner", "Take over, give back or resolve."),
    _act("/{tenant}/conversations/{id}/messages", "Answer the contact, which takes ownership.", body=_FILES),
    _act("/{tenant}/conversations/{id}/approvals/{approval}", "Approve or deny one action."),
    _act("/{tenant}/deadletters", "Replay the chosen letters, or say what a replay would do."),
    _act("/{tenant}/knowledge", "Ask as a contact would: what would be found, who would answer, and why."),
)
