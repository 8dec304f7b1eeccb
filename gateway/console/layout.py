"""What every page of the console stands in."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from gateway.console.assets import address
from gateway.console.html import Child, Html, button, hidden, joined, tag
from gateway.console.sessions import Operator

_TITLES = {401: "Signed out", 403: "Not allowed", 404: "Not found", 409: "Not possible now", 429: "Too often"}
SECTIONS = {"conversations": "Conversations", "deadletters": "Dead letters", "knowledge": "Knowledge"}


def elsewhere(where: str) -> web.Response:
    """After a form was sent: reloading the page must not send it again."""
    return web.Response(status=303, headers={"Location": where})


def path_of(tenant: str, *parts: str) -> str:
    return "/".join(("/console", *(quote(part, safe="") for part in (tenant, *parts))))


def page(
    operator: Operator,
    tenant: str,
    section: str,
    title: str,
    *content: Child,
    status: int = 200,
    told: str = "",
    wrong: bool = False,
) -> web.Response:
    """A whole page for somebody who is signed in. ``told``: the result of what they just did, ``wrong`` when it was
    not done."""
    kind, role = ("told wrong", "alert") if wrong else ("told", "status")
    news = tag("p", told, class_=kind, role=role) if told else None
    main = tag("main", news, *content, id="main", tabindex="-1")
    return document(title, _header(operator, tenant, section), main, status=status)


def document(title: str, *body: Child, status: int = 200) -> web.Response:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · Parley"),
        tag("link", rel="icon", href=address("icon.svg"), type="image/svg+xml"),
        tag("link", rel="stylesheet", href=address("console.css")),
        tag("script", src=address("console.js"), defer=True),
    )
    # Empty from the start: readers of screens announce only what comes into a region that was there.
    announcer = tag("p", class_="unseen", id="announcer", role="status")
    whole = tag("html", head, tag("body", *body, announcer), lang="en")
    return web.Response(text=f"<!doctype html>\n{whole}", status=status, content_type="text/html")


def failure_page(status: int, message: str, fix: str = "") -> web.Response:
    """``message`` and ``fix`` are those of a failure of the closed list, which are safe to show."""
    title = _TITLES.get(status, "That failed")
    text = tag("p", f"{message[:1].upper()}{message[1:]}.".replace("..", "."))
    back = tag("p", tag("a", "Back to the console", href="/console"))
    more = tag("p", fix) if fix else None
    return document(title, tag("main", tag("h1", title), text, more, back, class_="card", id="main"), status=status)


def _header(operator: Operator, tenant: str, section: str) -> Html:
    links = [
        tag("a", text, href=path_of(tenant, name), aria_current="page" if name == section else None)
        for name, text in SECTIONS.items()
    ]
    return joined(
        tag("a", "Skip to the content", href="#main", class_="skip"),
        tag(
            "header",
            tag("a", "Parley", href=path_of(tenant, "conversations"), class_="brand"),
            _tenants(operator, tenant, section),
            tag("nav", links, aria_label="Sections"),
            tag(
                "form",
                hidden(csrf=operator.csrf),
                tag("span", operator.label, class_="who"),
                button("Sign out", class_="plain"),
                method="post",
                action="/console/session/end",
            ),
        ),
    )


def _tenants(operator: Operator, tenant: str, section: str) -> Html:
    """A link each: choosing by mistake changes nothing, and it works by keyboard everywhere."""
    if len(operator.tenants) < 2:
        return tag("span", tenant, class_="tenant")
    items = [
        tag(
            "li",
            tag("a", name, href=path_of(name, section), aria_current="true" if name == tenant else None),
        )
        for name in operator.tenants
    ]
    summary = tag("summary", tag("span", "Tenant ", class_="unseen"), tenant)
    return tag("details", summary, tag("ul", items), class_="tenant", id="tenants")
