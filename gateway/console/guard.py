"""Who may see the console and change something in it, and what every answer of it carries."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode, urlsplit

import structlog
from aiohttp import web

from gateway.console.forms import Form, read_form
from gateway.console.layout import elsewhere, failure_page
from gateway.console.sessions import ConsoleSessions, Operator
from gateway.http.responses import failed
from gateway.wiring.parts import Parts
from schemas.errors import Forbidden, NotFound, ParleyError, Unauthorized

log = structlog.get_logger("parley.console")

SIGN_IN = "/console"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types parley-console",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # With none at all, browsers would not say either where a form comes from.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
LIVE = "X-Parley-Seen"
"""Sent by the page's own script, which replaces a part of the page; its value is the part that is there."""

Page = Callable[[web.Request, Operator], Awaitable[web.StreamResponse]]
Act = Callable[[web.Request, Operator, Form], Awaitable[web.StreamResponse]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ConsoleGuard:
    def __init__(self, parts: Parts, sessions: ConsoleSessions) -> None:
        self._sessions = sessions
        self._public = urlsplit(parts.config.public_url)

    def page(self, handler: Page) -> Handler:
        async def seen(request: web.Request) -> web.StreamResponse:
            return await handler(request, await self._admitted(request))

        return told(seen)

    def act(self, handler: Act) -> Handler:
        """Something is changed: the request has to come from a page of ours, and from this session."""

        async def done(request: web.Request) -> web.StreamResponse:
            self.same_origin(request)
            operator = await self._admitted(request)

            def check(form: Form) -> None:
                if not hmac.compare_digest(form.one("csrf").encode(), operator.csrf.encode()):
                    raise Forbidden("the form is not of this session; load the page again")

            return await handler(request, operator, await read_form(request, check))

        return told(done)

    def same_origin(self, request: web.Request) -> None:
        """Raises Forbidden for what another site makes a browser send. A program sends neither header, and has no
        cookie that it did not steal."""
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if site is not None:
            foreign = site not in ("same-origin", "none")
        else:
            foreign = origin is not None and _host_of(origin) not in {request.host, self._public.netloc or "-"}
        if foreign:
            raise Forbidden("the form was sent by another site")

    async def _admitted(self, request: web.Request) -> Operator:
        operator = await self._sessions.admit(request)
        tenant = request.match_info.get("tenant")
        if tenant is not None and tenant not in operator.tenants:
            raise NotFound("no such tenant")
        return operator


def told(handler: Handler) -> Handler:
    """Failures are pages too: people read them. Whoever is not signed in is led to where they can."""

    async def inside(request: web.Request) -> web.StreamResponse:
        try:
            response = await handler(request)
        except Unauthorized:
            if request.method == "GET" and LIVE not in request.headers:
                response = elsewhere(f"{SIGN_IN}?{urlencode({'next': request.path_qs})}")
            else:
                response = failure_page(401, "You are signed out", "Sign in again; nothing was changed.")
        except ParleyError as error:
            answer = failed(error, "console")
            response = failure_page(answer.status, error.message, error.fix)
            if "Retry-After" in answer.headers:
                response.headers["Retry-After"] = answer.headers["Retry-After"]
        if not response.prepared:
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    return inside


def _host_of(origin: str) -> str:
    """As it stands there; empty for what is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
