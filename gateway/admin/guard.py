"""Access control and paging for the admin API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from aiohttp import web

from gateway.access.audit_routes import build_subject
from gateway.access.principals import SURFACE, Principal, PrincipalLookup
from gateway.http.client_address import ClientAddressResolver
from gateway.http.responses import get_route
from gateway.operators.login_throttle import LoginThrottle
from gateway.wiring.process_services import ProcessServices
from schemas.access import Permission
from schemas.errors import InvalidRequest, Unauthorized

Item = TypeVar("Item")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_PAGE_SIZE = 200
"""Items on one page."""
WRONG_CURSOR = "after: must be the `next` of the previous page"
_PRINCIPAL: web.RequestKey[Principal] = web.RequestKey("principal", Principal)


class AdminGuard:
    """Wraps handlers so that they run only for a token that has the permission, and for a tenant that it reaches."""

    def __init__(self, services: ProcessServices) -> None:
        self._throttle = LoginThrottle(services)
        self._addresses = ClientAddressResolver(services.config)
        self._principals = PrincipalLookup(services)
        self._audit = services.audit

    def __call__(self, handler: Handler, permission: Permission, action: str = "") -> Handler:
        """Wrap a handler. ``action``: what the audit trail calls it; it does not run if that cannot be recorded."""

        async def run_admitted(request: web.Request) -> web.StreamResponse:
            principal = request[_PRINCIPAL] = await self.admit(request, permission)
            if action:
                subject = build_subject(get_route(request), request.match_info)
                await self._audit.record(
                    request.match_info["tenant"], action, actor=principal.by, surface=SURFACE, subject=subject
                )
            return await handler(request)

        return run_admitted

    async def admit(self, request: web.Request, permission: Permission) -> Principal:
        """Check the token, then the tenant, then the permission. Raises Unauthorized, Forbidden, NotFound. A valid
        token is admitted at once, no matter how many wrong ones came before it."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        principal = await self._principals.find(text.strip()) if scheme.lower() == "bearer" else None
        if principal is None:
            if text.strip():
                await self._throttle.delay_wrong_token(self._addresses.resolve(request))
            raise Unauthorized("send a valid token: Authorization: Bearer <admin token, or a token of the tenant>")
        self._principals.check_tenant(principal, request.match_info["tenant"])
        principal.require(permission)
        return principal


def get_principal(request: web.Request) -> Principal:
    """The principal whom the guard admitted."""
    return request[_PRINCIPAL]


def cut_page(request: web.Request, items: Sequence[Item], get_id: Callable[[Item], str]) -> tuple[list[Item], str]:
    """Cut the page after ``?after`` out of a whole list; the id of its last item is the cursor of the next page. Raises
    InvalidRequest."""
    size, after, start = read_page_size(request), request.query.get("after", ""), 0
    if after:
        # The last one with this id: a run that was published twice is listed twice.
        start = next((n for n in range(len(items), 0, -1) if get_id(items[n - 1]) == after), 0)
        if not start:
            raise InvalidRequest(WRONG_CURSOR)
    page = list(items[start : start + size])
    return page, get_id(page[-1]) if start + size < len(items) else ""


def read_page_size(request: web.Request) -> int:
    """Read ``?limit``, 50 by default. Raises InvalidRequest."""
    text = request.query.get("limit", "50")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_PAGE_SIZE):
        raise InvalidRequest(f"limit: must be a whole number from 1 to {MAX_PAGE_SIZE}")
    return int(text)
