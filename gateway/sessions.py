"""Sessions of the web chat: who a visitor token speaks for, and how one is got.

A token is bound to tenant, account, place and conversation. An anonymous one stays at its own random place; the place
of a signed-in visitor (``id:<sub>``) is reached only through an identity that the site signed.
"""

from __future__ import annotations

import importlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.web.settings import WebAccount
from gateway.identity import identity_of
from gateway.parts import AccountLookup
from gateway.signatures import key_for
from schemas.called import SIGNED_IN
from schemas.errors import NotFound, Unauthorized
from schemas.messages import Address, Assurance, Printable
from schemas.ports import Account, Change, Clock, Contacts, Transcript

LIFETIME = timedelta(days=30)
MAX_TOKEN = 8_000
LOCALE = r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}$"


class SessionRequest(BaseModel):
    """Body of ``POST …/sessions``; unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)

    visitor_token: Annotated[Printable, Field(max_length=MAX_TOKEN)] | None = None
    identity: Annotated[Printable, Field(max_length=MAX_TOKEN)] | None = None
    account: Annotated[Printable, Field(max_length=100)] | None = None
    locale: Annotated[str, Field(pattern=LOCALE)] | None = None


class _Claims(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    tenant: str
    account: str
    place: str
    conversation: str
    contact: str
    assurance: Assurance
    locale: str = ""
    exp: int


@dataclass(frozen=True, slots=True)
class Visit:
    """One visitor at one account, as their token proves."""

    account: Account
    place: str
    conversation: str
    contact_id: str
    assurance: Assurance
    locale: str
    expires_at: datetime

    @property
    def tenant(self) -> str:
        return self.account.tenant

    @property
    def settings(self) -> WebAccount:
        settings: WebAccount = self.account.settings
        return settings


@dataclass(frozen=True, slots=True)
class Started:
    """Answer to ``POST …/sessions``; ``resumed`` tells 200 from 201."""

    visitor_token: str
    visit: Visit
    seq: int
    resumed: bool


class Sessions:
    """Makes and reads visitor tokens."""

    def __init__(
        self, *, secret_key: str, accounts: AccountLookup, contacts: Contacts, transcript: Transcript, clock: Clock
    ) -> None:
        # Now, not by the first visitor; and not with this module, for cryptography takes 7 MB of who opens no session.
        importlib.import_module("jwt")
        self._key = key_for(secret_key, "visitor")
        self._accounts = accounts
        self._contacts = contacts
        self._transcript = transcript
        self._clock = clock

    def read(self, token: str) -> Visit:
        """The visit that a token proves. Raises Unauthorized: forged, expired, of an account that is gone, or anonymous
        where the account requires an identity."""
        claims = self._claims(token)
        account = self._accounts(claims.tenant, "web", claims.account)
        if account is None:
            raise Unauthorized("the visitor token is of an account that does not exist any more")
        if claims.exp <= self._clock().timestamp():
            raise Unauthorized("the visitor token is expired")
        visit = _visit(account, claims)
        if visit.settings.identity == "required" and visit.assurance != "verified":
            raise Unauthorized("this account requires a signed identity")
        return visit

    async def start(
        self, tenant: str, request: SessionRequest, *, check: Callable[[WebAccount], None] = lambda _settings: None
    ) -> Started:
        """Resume or begin. ``check`` may refuse the account's settings (origins). Raises NotFound (tenant or account),
        Unauthorized (token or identity)."""
        before = None
        if request.visitor_token:
            before = self.read(request.visitor_token)
            if before.tenant != tenant or request.account not in (None, before.account.name):
                raise Unauthorized("the visitor token belongs elsewhere")
        account = self._account(tenant, request.account or (before.account.name if before else "main"))
        settings: WebAccount = account.settings
        check(settings)
        if request.identity:
            who = identity_of(request.identity, settings, self._clock())
            return await self._at(account, f"{SIGNED_IN}{who.subject}", "verified", request, before, who.name)
        if settings.identity == "required":
            raise Unauthorized("this account requires a signed identity")
        if before is not None:
            return await self._at(account, before.place, before.assurance, request, before)
        return await self._at(account, secrets.token_hex(16), "anonymous", request, None)

    async def _at(
        self,
        account: Account,
        place: str,
        assurance: Assurance,
        request: SessionRequest,
        before: Visit | None,
        name: str = "",
    ) -> Started:
        now = self._clock()
        change = Change(at=now, name=name, locale=request.locale or "") if name else None
        addresses = [Address(channel="web", value=place, assurance=assurance)]
        contact, conversation = await self._contacts.resolve(
            account.tenant, account.channel, account.name, place, addresses, now=now, change=change
        )
        resumed = before is not None and before.place == place
        expires = now + LIFETIME
        if before is not None and resumed and assurance == "verified" and not request.identity:
            # Only the site can prolong what it vouched for.
            expires = before.expires_at
        claims = _Claims(
            tenant=account.tenant,
            account=account.name,
            place=place,
            conversation=conversation,
            contact=contact.id,
            assurance=assurance,
            locale=request.locale or (before.locale if before is not None else ""),
            exp=int(expires.timestamp()),
        )
        import jwt

        token = jwt.encode(claims.model_dump(), self._key, algorithm="HS256", headers={"typ": "visitor"})
        return Started(token, _visit(account, claims), await self._transcript.head(conversation), resumed)

    def _account(self, tenant: str, name: str) -> Account:
        account = self._accounts(tenant, "web", name)
        if account is None:
            raise NotFound("no such tenant or web account")
        return account

    def _claims(self, token: str) -> _Claims:
        import jwt

        options: Any = {
            "verify_exp": False,  # against our own clock, in read()
            "verify_iat": False,
            "verify_nbf": False,
            "verify_aud": False,
        }
        try:
            claims = jwt.decode(token[: MAX_TOKEN + 1], self._key, algorithms=["HS256"], options=options)
            return _Claims.model_validate(claims)
        except (jwt.PyJWTError, ValidationError, ValueError, TypeError):
            raise Unauthorized("the visitor token is not valid") from None


def _visit(account: Account, claims: _Claims) -> Visit:
    return Visit(
        account=account,
        place=claims.place,
        conversation=claims.conversation,
        contact_id=claims.contact,
        assurance=claims.assurance,
        locale=claims.locale,
        expires_at=datetime.fromtimestamp(claims.exp, UTC),
    )
