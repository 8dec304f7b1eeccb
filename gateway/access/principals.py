"""The party behind a request of the admin API: the root token, or a token of a tenant."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.access.tokens import TokenService
from gateway.wiring.process_services import ProcessServices
from schemas.access import PERMISSIONS_BY_ROLE, AccessToken, Permission, find_role
from schemas.errors import Forbidden, NotFound
from schemas.handoff.rules import SHARED_PERSON, Actor

SOURCE = "parley/admin"
SURFACE = "api"


@dataclass(frozen=True, slots=True)
class Principal:
    """The party that calls the admin API. ``tenant`` is None for the root token, which reaches all tenants."""

    by: str
    permissions: frozenset[Permission]
    tenant: str | None = None

    @property
    def sees_all(self) -> bool:
        """Whether this is the installation's own token, which also sees what belongs to no tenant."""
        return self.tenant is None

    @property
    def actor(self) -> Actor:
        """The actor for what this principal does. The program behind a token acts for its own users."""
        return Actor(
            by=self.by, source=SOURCE, is_shared=True, role=find_role(self.permissions), person_id=SHARED_PERSON
        )

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raises Forbidden."""
        if self.may(permission):
            return
        if permission == "owner":
            raise Forbidden("only the admin token of the installation may do this")
        raise Forbidden(f"this token lacks the scope {permission}")


ROOT = Principal("admin", PERMISSIONS_BY_ROLE["owner"])


class PrincipalLookup:
    """Finds the principal that a token proves. Tenants' tokens are looked up on every call, so that a token is refused
    as soon as it is revoked."""

    def __init__(self, services: ProcessServices) -> None:
        self._root = services.admin_token
        self._tenants = frozenset(services.config.tenants)
        self._tokens = TokenService(services)

    async def find(self, text: str) -> Principal | None:
        """Return the principal; None if the token is wrong, expired or revoked."""
        if self._root.matches(text):
            return ROOT
        token = await self._tokens.verify(text)
        return _describe(token) if token is not None else None

    def check_tenant(self, principal: Principal, tenant: str) -> None:
        """Raises Forbidden for a token of another tenant, without saying which tenants exist, and NotFound."""
        if principal.tenant is not None and principal.tenant != tenant:
            raise Forbidden("this token belongs to another tenant")
        if tenant not in self._tenants:
            raise NotFound("no such tenant")


def _describe(token: AccessToken) -> Principal:
    return Principal(f"token:{token.id}", token.permissions, token.tenant)
