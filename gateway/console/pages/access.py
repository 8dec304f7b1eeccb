"""The page of who has access to the tenant: its operators with their roles, and its API tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web
from pydantic import ValidationError

from gateway.access.tokens import TokenService
from gateway.admin.tokens import TokenRequest
from gateway.config.operators import list_operators
from gateway.console.forms import Form
from gateway.console.rendering import build_path, redirect, render_page
from gateway.console.sessions import SURFACE, Operator
from gateway.http.responses import describe_validation_error
from gateway.wiring.process_services import ProcessServices
from schemas.access import SCOPES, AccessToken, Scope
from schemas.errors import InvalidRequest

LIFETIMES = {"1": "a day", "7": "a week", "30": "30 days", "90": "90 days", "365": "a year"}
"""Days that the form offers."""
DEFAULT_DAYS = "90"
SCOPE_TEXTS: dict[Scope, str] = {
    "read": "see conversations, contacts, documents and dead letters",
    "reply": "write to contacts, take conversations over, decide approvals",
    "knowledge": "publish and remove documents, sync sources",
    "admin": "all of this, and export or erase contacts, replay dead letters, read the audit trail",
}
REVOKED_NOTICE = "revoked"


@dataclass(frozen=True, slots=True)
class TokenRow:
    token: AccessToken
    state: str
    ends_at: datetime


class AccessPage:
    def __init__(self, services: ProcessServices) -> None:
        self._tokens = TokenService(services)
        self._config = services.config
        self._clock = services.clock

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        notice = "Revoked." if request.query.get("notice") == REVOKED_NOTICE else ""
        return await self._render_page(request, operator, notice)

    async def create(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """Create a token and show it, once. It is in no URL, so in no log and in no history."""
        days = form.get("days")
        if days not in LIFETIMES:
            raise InvalidRequest(f"days: must be one of {', '.join(LIFETIMES)}")
        expires_at = self._clock() + timedelta(days=int(days))
        try:
            asked = TokenRequest.model_validate(
                {"name": form.get("name"), "scopes": form.fields.get("scope", []), "expires_at": expires_at}
            )
        except ValidationError as error:
            raise InvalidRequest(describe_validation_error(error)) from None
        tenant, by = request.match_info["tenant"], operator.actor.by
        _, text = await self._tokens.create(tenant, asked.name, asked.scopes, asked.expires_at, by=by, surface=SURFACE)
        return await self._render_page(
            request, operator, "Created. Copy the token now: it cannot be shown again.", text
        )

    async def revoke(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        tenant = request.match_info["tenant"]
        await self._tokens.revoke(tenant, request.match_info["id"], by=operator.actor.by, surface=SURFACE)
        return redirect(f"{build_path(tenant, 'access')}?notice={REVOKED_NOTICE}")

    async def _render_page(
        self, request: web.Request, operator: Operator, notice: str, created: str = ""
    ) -> web.Response:
        tenant, now = request.match_info["tenant"], self._clock()
        return render_page(
            "access.html",
            operator,
            tenant,
            "access",
            notice=notice,
            created=created,
            tokens=[_describe(token, now) for token in await self._tokens.list_tokens(tenant)],
            operators=list_operators(self._config.operators, tenant),
            scopes=[(scope, SCOPE_TEXTS[scope]) for scope in SCOPES],
            lifetimes=LIFETIMES,
            default_days=DEFAULT_DAYS,
        )


def _describe(token: AccessToken, now: datetime) -> TokenRow:
    if token.revoked_at is not None:
        return TokenRow(token, "Revoked", token.revoked_at)
    return TokenRow(token, "Expired" if token.expires_at <= now else "Expires", token.expires_at)
