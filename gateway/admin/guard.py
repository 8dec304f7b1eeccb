"""Who may use the admin API, and for which tenant."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.http.client_address import ClientAddresses
from gateway.operators.login_throttle import Attempts
from gateway.wiring.parts import Parts
from schemas.errors import InvalidRequest, NotFound, Unauthorized

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MOST = 200
"""Items on one page."""


class Guard:
    def __init__(self, parts: Parts) -> None:
        self._attempts = Attempts(parts)
        self._addresses = ClientAddresses(parts.config)
        self._token = parts.admin_token.encode()
        self._tenants = frozenset(parts.config.tenants)

    def __call__(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            await self.admit(request)
            return await handler(request)

        return guarded

    async def admit(self, request: web.Request) -> None:
        """Raises Unauthorized before anything is said about tenants, then NotFound. The right token is admitted at
        once, however many wrong ones came before it, and from wherever they came."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        # Compared in constant time also when the scheme is wrong; an empty token opens nothing.
        same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._token)
        if not (same and self._token and scheme.lower() == "bearer"):
            if given.strip():
                await self._attempts.wrong_token(self._addresses.of(request))
            raise Unauthorized("send the admin token: Authorization: Bearer <admin token>")
        if request.match_info["tenant"] not in self._tenants:
            raise NotFound("no such tenant")


def page_size(request: web.Request) -> int:
    """``?limit``, 50 when not given. Raises InvalidRequest."""
    text = request.query.get("limit", "50")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MOST):
        raise InvalidRequest(f"limit: must be a whole number from 1 to {MOST}")
    return int(text)
