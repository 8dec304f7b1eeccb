"""Access control for the console, and the security headers and error pages of its responses."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

import structlog
from aiohttp import web

from gateway.access.audit_routes import build_subject
from gateway.console.forms import DEFAULT_LIMITS, Form, FormLimits, read_form
from gateway.console.rendering import redirect, render_failure
from gateway.console.sessions import ConsoleSessions, Operator, record_act
from gateway.http.responses import get_route, handle_error
from gateway.wiring.process_services import ProcessServices
from schemas.access import Permission
from schemas.errors import Forbidden, NotFound, ParleyError, Unauthorized

log = structlog.get_logger("parley.console")

SIGN_IN_PATH = "/console"
RESPONSE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types parley-console",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # With "no-referrer" browsers would also hide where a form comes from.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
LIVE_HEADER = "X-Parley-Seen"
"""Sent by the page's script when it polls for an update; its value is the tag of the part that is shown."""

POLLS_RECORDED = timedelta(minutes=10)
"""A page that stays open is recorded in the audit trail once in this time."""
MAX_RECORDED = 10_000
PageHandler = Callable[[web.Request, Operator], Awaitable[web.StreamResponse]]
FormHandler = Callable[[web.Request, Operator, Form], Awaitable[web.StreamResponse]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ConsoleGuard:
    """Wraps the handlers of pages and forms so that they run only for a signed-in operator of the tenant whose role
    allows it, and only once the audit trail has a record where it needs one."""

    def __init__(self, services: ProcessServices, sessions: ConsoleSessions) -> None:
        self._sessions = sessions
        self._public_url = urlsplit(services.config.console_url)
        self._audit = services.audit
        self._clock = services.clock
        self._recorded: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    def wrap_page(self, handler: PageHandler, permission: Permission, action: str = "") -> Handler:
        """Wrap the handler of a page. ``action``: what the audit trail calls it; it is not shown if that cannot be
        recorded."""

        async def show_page(request: web.Request) -> web.StreamResponse:
            operator = await self._admit(request, permission)
            if action and not self._is_recorded_poll(request, operator):
                await self._record(request, operator, action)
                self._remember_recorded(request, operator)
            response = await handler(request, operator)
            if LIVE_HEADER not in request.headers:
                # The script of a page that nobody looks at goes on asking.
                self._sessions.renew(operator, response)
            return response

        return with_error_pages(show_page)

    def wrap_form(
        self,
        handler: FormHandler,
        permission: Permission | None,
        action: str = "",
        limits: FormLimits = DEFAULT_LIMITS,
    ) -> Handler:
        """Wrap the handler of a form, which must come from a page of the console and from this session. Without a
        permission, every operator may send it. ``action`` as for pages."""

        async def handle_form(request: web.Request) -> web.StreamResponse:
            self.check_same_origin(request)
            operator = await self._admit(request, permission)

            def check(form: Form) -> None:
                if not self._sessions.is_own_form(operator, form.get("csrf")):
                    raise Forbidden("the form belongs to another session; reload the page")

            form = await read_form(request, check, limits)
            if action:
                await self._record(request, operator, action)
            response = await handler(request, operator, form)
            if permission is not None:
                self._sessions.renew(operator, response)
            return response

        return with_error_pages(handle_form)

    def check_same_origin(self, request: web.Request) -> None:
        """Raise Forbidden for a request that another site made the browser send. Programs send neither header, and have
        no browser's cookie."""
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if site is not None:
            is_foreign = site not in ("same-origin", "none")
        else:
            is_foreign = origin is not None and _parse_host(origin) not in {
                request.host,
                self._public_url.netloc or "-",
            }
        if is_foreign:
            raise Forbidden("the form was sent by another site")

    async def _record(self, request: web.Request, operator: Operator, action: str) -> None:
        subject = build_subject(get_route(request), request.match_info)
        await record_act(self._audit, operator, request.match_info["tenant"], action, subject)

    def _is_recorded_poll(self, request: web.Request, operator: Operator) -> bool:
        """Whether the page's script polls for a part of a page whose reading was recorded a short while ago. A poll
        that nothing was recorded for counts as reading, since anybody can send its header."""
        recorded_at = self._recorded.get((operator.session, request.path))
        if recorded_at is None or LIVE_HEADER not in request.headers:
            return False
        return self._clock() < recorded_at + POLLS_RECORDED

    def _remember_recorded(self, request: web.Request, operator: Operator) -> None:
        key = (operator.session, request.path)
        self._recorded[key] = self._clock()
        self._recorded.move_to_end(key)
        while len(self._recorded) > MAX_RECORDED:
            self._recorded.popitem(last=False)

    async def _admit(self, request: web.Request, permission: Permission | None) -> Operator:
        operator = await self._sessions.admit(request)
        tenant = request.match_info.get("tenant")
        if tenant is not None and tenant not in operator.tenants:
            raise NotFound("no such tenant")
        if permission is not None and not operator.may(permission):
            raise Forbidden(f"your role ({operator.role}) does not allow this")
        return operator


def with_error_pages(handler: Handler) -> Handler:
    """Wrap a handler: errors become pages, and whoever is not signed in is redirected to the sign-in page."""

    async def respond(request: web.Request) -> web.StreamResponse:
        try:
            response = await handler(request)
        except Unauthorized:
            if request.method == "GET" and LIVE_HEADER not in request.headers:
                response = redirect(f"{SIGN_IN_PATH}?{urlencode({'next': request.path_qs})}")
            else:
                response = render_failure(401, "You are signed out", "Sign in again. Nothing was changed.")
        except ParleyError as error:
            api_response = handle_error(error, "console")
            response = render_failure(api_response.status, error.message, error.fix)
            if "Retry-After" in api_response.headers:
                response.headers["Retry-After"] = api_response.headers["Retry-After"]
        if not response.prepared:
            for name, value in RESPONSE_HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    return respond


def _parse_host(origin: str) -> str:
    """Return host and port of an origin; empty if it is not valid."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
