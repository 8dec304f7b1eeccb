"""Signing in at an OpenID provider: the way there, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from gateway.console.pages.sign_in import SignInPage, check_return_path
from gateway.console.rendering import render_document
from gateway.console.sessions import ConsoleSessions
from gateway.http.client_address import ClientAddressResolver
from gateway.wiring.process_services import ProcessServices
from schemas.errors import NotFound, RateLimited, Unauthorized

if TYPE_CHECKING:
    from gateway.console.openid import OpenIdClient

log = structlog.get_logger("parley.console")

COOKIE = "parley_console_openid"
PATH = "/console/openid"
BURST, PER_SECOND = 20, 0.5
"""Sign-ins that one address may begin or finish: at once, and then per second."""


class OpenIdSignIn:
    def __init__(self, services: ProcessServices, sessions: ConsoleSessions, page: SignInPage) -> None:
        self._sessions = sessions
        self._page = page
        self._limiter = services.state.limiter
        self._clock = services.clock
        self._addresses = ClientAddressResolver(services.config)
        self._secure = services.config.console_url.startswith("https://")
        self._client = _open_client(services)

    async def begin(self, request: web.Request) -> web.Response:
        """Redirect to the provider."""
        client = self._require_client()
        await self._limit(request)
        address, cookie = await client.begin(check_return_path(request.query.get("next", "")))
        response = web.Response(status=303, headers={"Location": address})
        # Lax, because it has to come along when the provider leads back here.
        response.set_cookie(COOKIE, cookie, max_age=600, path=PATH, httponly=True, samesite="Lax", secure=self._secure)
        return response

    async def finish(self, request: web.Request) -> web.StreamResponse:
        """Sign in whoever comes back from the provider."""
        client = self._require_client()
        await self._limit(request)
        try:
            identity, return_path = await client.finish(request.query, request.cookies.get(COOKIE, ""))
            response = await self._page.open_session(self._sessions.find_operator(identity), return_path, render_return)
            if response is None:
                raise Unauthorized("nobody with this identity may sign in here")
        except Unauthorized as error:
            log.warning("console_sign_in_failed", address=self._addresses.resolve(request), reason=error.message)
            response = self._page.render_form("", error=error.message)
        response.del_cookie(COOKIE, path=PATH, httponly=True, samesite="Lax", secure=self._secure)
        return response

    def _require_client(self) -> OpenIdClient:
        if self._client is None:
            raise NotFound("no OpenID provider is configured")
        return self._client

    async def _limit(self, request: web.Request) -> None:
        name = f"console:openid:{self._addresses.resolve(request)}"
        wait = await self._limiter.take(name, per_second=PER_SECOND, burst=BURST, now=self._clock())
        if wait:
            raise RateLimited("too many attempts to sign in", retry_after_ms=int(wait * 1000))


def _open_client(services: ProcessServices) -> OpenIdClient | None:
    """Import the library only where a provider is configured."""
    if services.config.console.openid is None:
        return None
    from gateway.console.openid import OpenIdClient

    return OpenIdClient(services, services.config.console.openid)


def render_return(path: str) -> web.Response:
    """Lead to a page of the console by a page of our own: after a redirect from the provider, browsers would not send
    the cookie of the session."""
    return render_document("signed_in.html", return_path=path)
