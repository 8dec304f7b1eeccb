"""The layout of the console's pages: header, navigation and notices."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from gateway.console.assets import build_url
from gateway.console.html import Child, Html, button, hidden_inputs, join, tag
from gateway.console.sessions import Operator

_ERROR_TITLES = {
    401: "Signed out",
    403: "Not allowed",
    404: "Not found",
    409: "Not possible now",
    429: "Too many requests",
}
SECTION_TITLES = {"conversations": "Conversations", "deadletters": "Dead letters", "knowledge": "Knowledge"}


def redirect(where: str) -> web.Response:
    """Redirect after a form, so that reloading the page does not send it again."""
    return web.Response(status=303, headers={"Location": where})


def build_path(tenant: str, *parts: str) -> str:
    return "/".join(("/console", *(quote(part, safe="") for part in (tenant, *parts))))


def render_page(
    operator: Operator,
    tenant: str,
    section: str,
    title: str,
    *content: Child,
    status: int = 200,
    notice: str = "",
    is_error: bool = False,
) -> web.Response:
    """Render a complete page for a signed-in operator. ``notice`` tells the result of their last action; with
    ``is_error``, that it failed."""
    class_, role = ("notice error", "alert") if is_error else ("notice", "status")
    result = tag("p", notice, class_=class_, role=role) if notice else None
    main = tag("main", result, *content, id="main", tabindex="-1")
    return render_document(title, _render_header(operator, tenant, section), main, status=status)


def render_document(title: str, *body: Child, status: int = 200) -> web.Response:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · Parley"),
        tag("link", rel="icon", href=build_url("icon.svg"), type="image/svg+xml"),
        tag("link", rel="stylesheet", href=build_url("console.css")),
        tag("script", src=build_url("console.js"), defer=True),
    )
    # Empty at first: screen readers announce only changes in a region that exists already.
    announcer = tag("p", class_="unseen", id="announcer", role="status")
    html = tag("html", head, tag("body", *body, announcer), lang="en")
    return web.Response(text=f"<!doctype html>\n{html}", status=status, content_type="text/html")


def render_failure(status: int, message: str, fix: str = "") -> web.Response:
    """Render an error page. ``message`` and ``fix`` come from the closed list of errors, so they are safe to show."""
    title = _ERROR_TITLES.get(status, "Something went wrong")
    text = tag("p", f"{message[:1].upper()}{message[1:]}.".replace("..", "."))
    back = tag("p", tag("a", "Back to the console", href="/console"))
    more = tag("p", fix) if fix else None
    return render_document(
        title, tag("main", tag("h1", title), text, more, back, class_="card", id="main"), status=status
    )


def _render_header(operator: Operator, tenant: str, section: str) -> Html:
    links = [
        tag("a", text, href=build_path(tenant, name), aria_current="page" if name == section else None)
        for name, text in SECTION_TITLES.items()
    ]
    return join(
        tag("a", "Skip to the content", href="#main", class_="skip"),
        tag(
            "header",
            tag("a", "Parley", href=build_path(tenant, "conversations"), class_="brand"),
            _render_tenants(operator, tenant, section),
            tag("nav", links, aria_label="Sections"),
            tag(
                "form",
                hidden_inputs(csrf=operator.csrf),
                tag("span", operator.label, class_="who"),
                button("Sign out", class_="plain"),
                method="post",
                action="/console/session/end",
            ),
        ),
    )


def _render_tenants(operator: Operator, tenant: str, section: str) -> Html:
    """Render the tenants as links, which work by keyboard everywhere and change nothing by mistake."""
    if len(operator.tenants) < 2:
        return tag("span", tenant, class_="tenant")
    items = [
        tag(
            "li",
            tag("a", name, href=build_path(name, section), aria_current="true" if name == tenant else None),
        )
        for name in operator.tenants
    ]
    summary = tag("summary", tag("span", "Tenant ", class_="unseen"), tenant)
    return tag("details", summary, tag("ul", items), class_="tenant", id="tenants")
