"""Every operation of the HTTP API, with every kind of credential, on tenants of one's own, of others, and on none."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.http.app import build_app
from gateway.http.endpoints.api_endpoint import ADMIN, CONSOLE, PUBLIC, SIGNATURE, VISITOR, ApiEndpoint
from gateway.http.endpoints.table import ENDPOINTS
from schemas.access import PERMISSIONS_BY_ROLE, SCOPES, Permission, Role
from tests.console.form_client import TOKEN, FormClient
from tests.unit.gateway.conftest import Instance

TENANTS = ("shop", "other", "nobody")
"""The last one does not exist."""
FOR_EVERYBODY = {
    ("POST", "/v1/chat/{tenant}/sessions"),
    ("GET", "/v1/chat/{tenant}/theme"),
    ("GET", "/v1/chat/{tenant}/logo"),
    ("GET", "/v1/chat/{tenant}/attachments/{id}"),  # the address is signed
    ("GET", "/v1/chat/{tenant}/socket"),  # the first frame has the token
    ("GET", "/console"),
    ("GET", "/console/"),
    ("GET", "/console/session"),
    ("POST", "/console/session"),
    ("GET", "/console/openid"),
    ("GET", "/console/openid/callback"),
    ("GET", "/console/assets/{file}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/v1/openapi.json"),
    ("GET", "/"),
    ("GET", "/demo/{file}"),
    ("GET", "/widget.js"),
    ("GET", "/demo.css"),
}
"""What strangers may ask for. Whoever adds to it opens a route to the internet."""
ENDS_SESSIONS = {("DELETE", "/v1/chat/{tenant}/sessions"), ("POST", "/console/session/end")}
"""They go last."""


@dataclass
class AccessClient:
    """Somebody with a credential. ``tenants``: where it counts; ``kind``: for which routes, empty for none."""

    seat: FormClient
    kind: str = ""
    tenants: tuple[str, ...] = ()
    permissions: frozenset[Permission] = frozenset()
    headers: dict[str, str] = field(default_factory=dict)
    csrf: str = ""

    async def call(self, endpoint: ApiEndpoint, tenant: str) -> int:
        path = re.sub(r"{\w+}", "some-id", endpoint.path.replace("{tenant}", tenant))
        more: dict[str, Any] = {"headers": self.headers, "allow_redirects": False}
        if endpoint.method in ("POST", "PUT"):
            more |= {"data": {"csrf": self.csrf}} if endpoint.auth == CONSOLE else {"json": {}}
        async with self.seat.http.request(endpoint.method, self.seat.instance.address + path, **more) as response:
            await response.read()
            return response.status

    def expects(self, endpoint: ApiEndpoint, tenant: str, status: int) -> bool:
        """Whether the status is the one that this credential must get."""
        if endpoint.auth == SIGNATURE:
            return status in (400, 401, 404)
        if endpoint.auth != self.kind:
            if endpoint.auth == CONSOLE and endpoint.method == "GET":
                return status == 303  # to the form to sign in
            return status == 401 or (endpoint.auth == VISITOR and tenant == "nobody" and status == 404)
        if "{tenant}" not in endpoint.path:
            return status == 303
        if tenant not in self.tenants:
            return status == self._refusal(tenant)
        if endpoint.permission and endpoint.permission not in self.permissions:
            return status == 403
        return status not in (401, 403) and status < 500

    def _refusal(self, tenant: str) -> int:
        """The status for a tenant that the credential does not reach. A tenant's token does not learn which exist."""
        if self.kind == ADMIN:
            return 404 if self.tenants == TENANTS[:2] else 403
        if self.kind == VISITOR:
            return 404 if tenant == "nobody" else 401
        return 404


Build = Callable[[FormClient, Instance], Awaitable[AccessClient]]


def operator(name: str, role: Role, *tenants: str) -> Build:
    async def build(seat: FormClient, _instance: Instance) -> AccessClient:
        assert (await seat.sign_in(name)).status == 200
        csrf = (await seat.get("/console/shop/conversations")).field("csrf")
        return AccessClient(seat, CONSOLE, tenants or TENANTS[:2], PERMISSIONS_BY_ROLE[role], csrf=csrf)

    return build


def token(scope: Permission, tenant: str) -> Build:
    async def build(seat: FormClient, instance: Instance) -> AccessClient:
        created = await instance.call("POST", f"/v1/admin/{tenant}/tokens", {"name": "x", "scopes": [scope]})
        permissions = PERMISSIONS_BY_ROLE["admin"] if scope == "admin" else frozenset({scope})
        return AccessClient(seat, ADMIN, (tenant,), permissions, {"Authorization": f"Bearer {created.body['token']}"})

    return build


def visitor(tenant: str) -> Build:
    async def build(seat: FormClient, instance: Instance) -> AccessClient:
        session = await instance.call("POST", f"/v1/chat/{tenant}/sessions", {}, token=None)
        headers = {"Authorization": f"Bearer {session.body['visitor_token']}"}
        return AccessClient(seat, VISITOR, (tenant,), headers=headers)

    return build


async def build_stranger(seat: FormClient, _instance: Instance) -> AccessClient:
    return AccessClient(seat)


async def build_root(seat: FormClient, _instance: Instance) -> AccessClient:
    return AccessClient(seat, ADMIN, TENANTS[:2], PERMISSIONS_BY_ROLE["owner"], {"Authorization": f"Bearer {TOKEN}"})


CLIENTS: dict[str, Build] = {
    "nobody": build_stranger,
    "a visitor of the shop": visitor("shop"),
    "a visitor of the other": visitor("other"),
    **{f"a token of the shop to {scope}": token(scope, "shop") for scope in SCOPES},
    "a token of the other to admin": token("admin", "other"),
    "the admin token": build_root,
    "a viewer": operator("vera", "viewer", "shop"),
    "an agent": operator("mia", "agent", "shop"),
    "an admin": operator("ben", "admin", "shop"),
    "an owner": operator("olga", "owner", "shop"),
    "an owner of all": operator("anna", "owner"),
    "the admin token in the console": operator("", "owner"),
}


@pytest.fixture
async def seat(instance: Instance) -> AsyncIterator[FormClient]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(FormClient(instance))


@pytest.mark.parametrize("who", CLIENTS)
async def test_each_credential_opens_what_it_should_and_nothing_else(
    instance: Instance, seat: FormClient, who: str
) -> None:
    client, wrong, tried = await CLIENTS[who](seat, instance), [], 0
    protected = [each for each in ENDPOINTS if each.auth != PUBLIC]
    for endpoint in sorted(protected, key=lambda each: (each.method, each.path) in ENDS_SESSIONS):
        for tenant in TENANTS if "{tenant}" in endpoint.path else TENANTS[:1]:
            status = await client.call(endpoint, tenant)
            tried += 1
            if not client.expects(endpoint, tenant, status):
                wrong.append((endpoint.method, endpoint.path, tenant, status))
    assert wrong == []
    assert tried > 200


async def test_every_route_asks_for_a_credential_or_is_known_to_be_for_everybody(instance: Instance) -> None:
    """A route that somebody adds is closed, or this test names it."""
    served = {
        (route.method, route.resource.canonical)
        for route in build_app(instance.services).router.routes()
        if route.resource is not None and route.method not in ("OPTIONS", "HEAD")
    }
    protected = {(each.method, each.path) for each in ENDPOINTS if each.auth != PUBLIC}
    assert served - protected == FOR_EVERYBODY
