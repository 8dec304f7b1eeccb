"""The API tokens of tenants."""

from __future__ import annotations

from typing import Protocol

from schemas.access import AccessToken


class AccessTokens(Protocol):
    """API tokens, by tenant and id. All processes see a change as soon as the call returns."""

    async def put(self, token: AccessToken) -> None:
        """Store the token, or replace it. A token that is revoked stays as it is."""

    async def get(self, tenant: str, id: str) -> AccessToken | None: ...

    async def list_all(self, tenant: str) -> list[AccessToken]:
        """List the tenant's tokens, the newest first."""

    async def remove(self, tenant: str, id: str) -> None:
        """Forget a token that nobody can use any more."""
