"""The sign-in page."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from aiohttp import web

from gateway.console.forms import Form, read_form
from gateway.console.guard import ConsoleGuard
from gateway.console.rendering import build_path, redirect, render_document
from gateway.console.sessions import (
    BROWSER_COOKIE,
    BROWSER_LIFETIME,
    COOKIE,
    LIFETIME,
    ConsoleSessions,
    Operator,
    parse_account,
    record_act,
)
from gateway.http.client_address import ClientAddressResolver
from gateway.operators.login_throttle import LoginThrottle
from gateway.wiring.process_services import ProcessServices
from schemas.audit.records import INSTALLATION
from schemas.errors import Forbidden, Unauthorized

log = structlog.get_logger("parley.console")

MAX_INPUT = 1000
"""Characters of a name or a password."""


class SignInPage:
    def __init__(self, services: ProcessServices, sessions: ConsoleSessions, guard: ConsoleGuard) -> None:
        self._sessions = sessions
        self._guard = guard
        self._throttle = LoginThrottle(services)
        self._audit = services.audit
        self._addresses = ClientAddressResolver(services.config)
        self._needs_codes = services.config.console.require_codes
        self._has_operators = bool(services.config.operators) or self._needs_codes
        self._openid = services.config.console.openid
        self._has_codes = any(each.totp_secret.keys for each in services.config.operators.values())

    async def show(self, request: web.Request) -> web.Response:
        """Show the sign-in form. An operator who is signed in is redirected to the requested page."""
        return_path = check_return_path(request.query.get("next", ""))
        try:
            operator = await self._sessions.admit(request)
        except Unauthorized:
            return self.render_form(return_path)
        return redirect(return_path or get_home_path(operator))

    async def sign_in(self, request: web.Request) -> web.Response:
        self._guard.check_same_origin(request)
        form = await read_form(request, lambda form: None)
        name, secret, code = (form.get(field)[:MAX_INPUT] for field in ("name", "secret", "code"))
        return_path = check_return_path(form.get("next"))
        account, address = parse_account(name), self._addresses.resolve(request)
        browser = self._sessions.find_known_browser(request, account)
        fits = await self._throttle.attempt(
            account, address, lambda: self._sessions.check_secret(account, secret, code), browser=browser
        )
        response = await self.open_session(account, return_path) if fits else None
        if response is None:
            log.warning("console_sign_in_failed", address=address)
            return self.render_form(return_path, name=name, error=self._describe_failure(name))
        browser_cookie = self._sessions.build_browser_cookie(account, browser)
        self._sessions.set_cookie(response, BROWSER_COOKIE, browser_cookie, BROWSER_LIFETIME, "/console/session")
        return response

    async def open_session(
        self, account: str, return_path: str, respond: Callable[[str], web.Response] = redirect
    ) -> web.Response | None:
        """Open a session for whoever has proven to be this operator; None if there is no such operator. ``respond``
        leads to a page of the console."""
        signed_in = self._sessions.start(account)
        if signed_in is None:
            return None
        operator, cookie = signed_in
        await self._record(operator, "session.start")
        log.info("console_signed_in", by=operator.actor.by)
        response = respond(return_path or get_home_path(operator))
        self._sessions.set_cookie(response, COOKIE, cookie, LIFETIME, "/console")
        return response

    def _describe_failure(self, name: str) -> str:
        """Say the same whichever of them is wrong, and whether or not there is such an operator."""
        if not name.strip():
            return "the admin token does not open the console here" if self._needs_codes else "the admin token is wrong"
        return "the name, the password or the code is wrong" if self._has_codes else "the name or the password is wrong"

    async def _record(self, operator: Operator, action: str) -> None:
        """Record in the audit trail of each tenant that the operator may work for, or in that of the installation."""
        for tenant in (INSTALLATION,) if operator.sees_all else operator.tenants:
            await record_act(self._audit, operator, tenant, action, f"operator:{operator.key}")

    async def check_session(self, request: web.Request) -> web.Response:
        """Respond with 204 if the operator is signed in, else with 200. The script of the sign-in page asks because
        after a link from another site, browsers send the cookie only with requests from our own pages."""
        try:
            await self._sessions.admit(request)
        except Unauthorized:
            return web.Response(text="", content_type="text/html")
        return web.Response(status=204)

    async def sign_out(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        # The session ends in any case.
        await self._sessions.end(operator)
        await self._record(operator, "session.end")
        log.info("console_signed_out", by=operator.actor.by)
        response = redirect("/console")
        self._sessions.delete_cookie(response)
        return response

    def render_form(self, return_path: str, *, name: str = "", error: str = "") -> web.Response:
        return render_document(
            "sign_in.html",
            status=401 if error else 200,
            return_path=return_path,
            has_operators=self._has_operators,
            has_codes=self._has_codes,
            needs_codes=self._needs_codes,
            openid=self._openid,
            name=name,
            error=f"{error[:1].upper()}{error[1:]}." if error else "",
        )


def get_home_path(operator: Operator) -> str:
    if not operator.tenants:
        raise Forbidden("you have no access to any tenant of this installation")
    return build_path(operator.tenants[0], "conversations")


def check_return_path(return_path: str) -> str:
    """Return the page to show after signing in, or an empty text if it is not a page of the console: anybody may have
    written the link."""
    is_ours = (
        return_path.startswith("/console/")
        and return_path.isascii()
        and return_path.isprintable()
        and "\\" not in return_path
    )
    return return_path if is_ours and len(return_path) < MAX_INPUT else ""
