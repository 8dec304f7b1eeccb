"""Access control and paging for the admin API."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.http.client_address import ClientAddressResolver
from gateway.operators.login_throttle import LoginThrottle
from gateway.wiring.process_services import ProcessServices
from schemas.errors import InvalidRequest, NotFound, Unauthorized

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_PAGE_SIZE = 200
"""Items on one page."""


class AdminGuard:
    """Wraps handlers so that they run only with the admin token and for a known tenant."""

    def __init__(self, services: ProcessServices) -> None:
        self._throttle = LoginThrottle(services)
        self._addresses = ClientAddressResolver(services.config)
        self._token = services.admin_token.encode()
        self._tenants = frozenset(services.config.tenants)

    def __call__(self, handler: Handler) -> Handler:
        async def run_admitted(request: web.Request) -> web.StreamResponse:
            await self.admit(request)
            return await handler(request)

        return run_admitted

    async def admit(self, request: web.Request) -> None:
        """Check the token, then the tenant. Raises Unauthorized, NotFound. The correct token is admitted at once, no
        matter how many wrong ones came before it."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        # Compared in constant time even if the scheme is wrong. An empty admin token admits nobody.
        is_same = hmac.compare_digest(token.strip().encode("utf-8", "replace"), self._token)
        if not (is_same and self._token and scheme.lower() == "bearer"):
            if token.strip():
                await self._throttle.delay_wrong_token(self._addresses.resolve(request))
            raise Unauthorized("send the admin token: Authorization: Bearer <admin token>")
        if request.match_info["tenant"] not in self._tenants:
            raise NotFound("no such tenant")


def read_page_size(request: web.Request) -> int:
    """Read ``?limit``, 50 by default. Raises InvalidRequest."""
    text = request.query.get("limit", "50")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_PAGE_SIZE):
        raise InvalidRequest(f"limit: must be a whole number from 1 to {MAX_PAGE_SIZE}")
    return int(text)
