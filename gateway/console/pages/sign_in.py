"""Signing in and out."""

from __future__ import annotations

from datetime import timedelta

import structlog
from aiohttp import web

from gateway.console.forms import Form, read_form
from gateway.console.guard import ConsoleGuard
from gateway.console.html import Html, button, hidden, tag
from gateway.console.layout import document, elsewhere, path_of
from gateway.console.sessions import (
    BROWSER_COOKIE,
    BROWSER_LIFETIME,
    COOKIE,
    LIFETIME,
    ConsoleSessions,
    Operator,
    account_of,
)
from gateway.http.client_address import ClientAddresses
from gateway.operators.login_throttle import Attempts
from gateway.wiring.parts import Parts
from schemas.errors import Forbidden, Unauthorized

log = structlog.get_logger("parley.console")

LONGEST = 1000
"""Characters of a name or a password."""


class SignIn:
    def __init__(self, parts: Parts, sessions: ConsoleSessions, guard: ConsoleGuard) -> None:
        self._sessions = sessions
        self._guard = guard
        self._attempts = Attempts(parts)
        self._addresses = ClientAddresses(parts.config)
        self._named = bool(parts.config.operators)
        self._secure = parts.config.public_url.startswith("https://")

    async def front(self, request: web.Request) -> web.Response:
        """Who is signed in goes on to where they wanted to go."""
        wanted = after(request.query.get("next", ""))
        try:
            operator = await self._sessions.admit(request)
        except Unauthorized:
            return self._form(wanted)
        return elsewhere(wanted or home(operator))

    async def begin(self, request: web.Request) -> web.Response:
        self._guard.same_origin(request)
        form = await read_form(request, lambda form: None)
        name, secret = form.one("name")[:LONGEST], form.one("secret")[:LONGEST]
        wanted = after(form.one("next"))
        account, address = account_of(name), self._addresses.of(request)
        browser = self._sessions.known_browser(request, account)
        fits = await self._attempts.passes(
            account, address, lambda: self._sessions.fits(account, secret), browser=browser
        )
        signed_in = self._sessions.signed_in(account) if fits else None
        if signed_in is None:
            log.warning("console_sign_in_failed", address=address)
            wrong = "the name or the password is wrong" if name.strip() else "the admin token is wrong"
            return self._form(wanted, name=name, wrong=wrong)
        operator, cookie = signed_in
        log.info("console_signed_in", by=operator.actor.by)
        response = elsewhere(wanted or home(operator))
        self._keep(response, COOKIE, cookie, LIFETIME, "/console")
        known = self._sessions.browser_cookie(account, browser)
        self._keep(response, BROWSER_COOKIE, known, BROWSER_LIFETIME, "/console/session")
        return response

    def _keep(self, response: web.Response, name: str, value: str, lifetime: timedelta, path: str) -> None:
        seconds = int(lifetime.total_seconds())
        response.set_cookie(
            name, value, max_age=seconds, path=path, httponly=True, samesite="Strict", secure=self._secure
        )

    async def is_signed_in(self, request: web.Request) -> web.Response:
        """204 or 200. For the script of the sign-in page: the browser holds the cookie of whoever comes by a link from
        elsewhere back until a request comes from a page of ours."""
        try:
            await self._sessions.admit(request)
        except Unauthorized:
            return web.Response(text="", content_type="text/html")
        return web.Response(status=204)

    async def end(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        await self._sessions.end(operator)
        log.info("console_signed_out", by=operator.actor.by)
        response = elsewhere("/console")
        response.del_cookie(COOKIE, path="/console", httponly=True, samesite="Strict", secure=self._secure)
        return response

    def _form(self, wanted: str, *, name: str = "", wrong: str = "") -> web.Response:
        secret = "Password" if self._named else "Admin token"
        fields = [_field("secret", secret, type="password", autocomplete="current-password", required=True)]
        if self._named:
            asked = _field(
                "name", "Name", value=name, autocomplete="username", autocapitalize="none", spellcheck="false"
            )
            fields.insert(0, asked)
        trouble = tag("p", f"{wrong[:1].upper()}{wrong[1:]}.", class_="trouble", role="alert") if wrong else None
        form = tag(
            "form",
            hidden(next=wanted),
            fields,
            tag("p", "The admin token goes without a name.", class_="hint") if self._named else None,
            trouble,
            button("Sign in"),
            method="post",
            action="/console/session",
            class_="stack",
        )
        main = tag("main", tag("h1", "Console"), form, class_="card", id="main", data_return=wanted or "/console")
        return document("Sign in", main, status=401 if wrong else 200)


def _field(name: str, label: str, **attributes: str | bool) -> Html:
    return tag("label", label, tag("input", name=name, id=name, **attributes))


def home(operator: Operator) -> str:
    if not operator.tenants:
        raise Forbidden("no tenant of this installation is yours to see")
    return path_of(operator.tenants[0], "conversations")


def after(wanted: str) -> str:
    """Where to go then, if that is a page of ours; anybody may have written that link."""
    ours = wanted.startswith("/console/") and wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    return wanted if ours and len(wanted) < LONGEST else ""
