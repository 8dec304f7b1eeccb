"""Endpoints for the API tokens of a tenant: create, list, revoke."""

from __future__ import annotations

from typing import Annotated, Any

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway.access.principals import SURFACE
from gateway.access.tokens import TokenService
from gateway.admin.guard import cut_page, get_principal
from gateway.http.responses import json_response, read_json
from gateway.webchat.serialization import format_instant
from gateway.wiring.process_services import ProcessServices
from schemas.access import AccessToken, Scope
from schemas.messages import Text
from schemas.validation.fields import Instant
from schemas.validation.texts import require_line


class TokenRequest(BaseModel):
    """The body of ``POST tokens``. Without ``expires_at`` the token is valid for 90 days."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Text, AfterValidator(require_line), Field(max_length=100)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=10)]
    expires_at: Instant | None = None


class TokenApi:
    def __init__(self, services: ProcessServices) -> None:
        self._tokens = TokenService(services)

    async def create(self, request: web.Request) -> web.Response:
        body = await read_json(request, TokenRequest)
        tenant, by = request.match_info["tenant"], get_principal(request).by
        token, text = await self._tokens.create(tenant, body.name, body.scopes, body.expires_at, by=by, surface=SURFACE)
        return json_response({"token": text} | serialize_token(token), 201)

    async def list_tokens(self, request: web.Request) -> web.Response:
        tokens = await self._tokens.list_tokens(request.match_info["tenant"])
        page, following = cut_page(request, tokens, lambda token: token.id)
        return json_response({"items": [serialize_token(token) for token in page], "next": following})

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke a token. Revoking it again changes nothing."""
        tenant, by = request.match_info["tenant"], get_principal(request).by
        await self._tokens.revoke(tenant, request.match_info["id"], by=by, surface=SURFACE)
        return web.Response(status=204)


def serialize_token(token: AccessToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list(token.scopes),
        "created_at": format_instant(token.created_at),
        "created_by": token.created_by,
        "expires_at": format_instant(token.expires_at),
        "revoked_at": format_instant(token.revoked_at) if token.revoked_at else None,
        "revoked_by": token.revoked_by,
    }
