"""Sessions of the web chat: who a visitor token speaks for, and how one is got.

A token is bound to tenant, account, place and conversation. An anonymous one stays at its own random place; the place
of a signed-in visitor (``id:<sub>``) is reached only through an identity that the site signed, and only while that
identity is valid. Nothing about a visitor is stored before their first message; all tokens of one session carry its id,
by which signing out ends them.
"""

from __future__ import annotations

import hashlib
import importlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors import conversation_signals
from connectors.web.settings import WebAccount
from gateway.config.secret_keys import derive_key
from gateway.webchat.identity import Identity, identity_of
from gateway.wiring.parts import AccountLookup
from schemas import ids, topics
from schemas.conversation import SIGNED_IN
from schemas.envelope import envelope
from schemas.errors import NotFound, Unauthorized
from schemas.facts import SessionEnded
from schemas.messages import Address, Assurance, Printable
from schemas.ports import Account, Bus, Clock, State

LIFETIME = timedelta(days=30)
"""Of an anonymous token; one of a signed-in visitor ends with the identity that it was made from."""
MAX_TOKEN = 8_000
VERIFIED: Assurance = "verified"
ANONYMOUS: Assurance = "anonymous"
Admit = Callable[[Account, str, Assurance], Awaitable[None]]
"""``(account, place, assurance)``; raises RateLimited."""
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
    name: str = ""
    sid: str = ""
    """Tokens of earlier releases have none."""
    exp: int


@dataclass(frozen=True, slots=True)
class Visit:
    """One visitor at one account, as their token proves. ``session`` is the same in all tokens that continue one
    another; ``name``: what the site calls them."""

    account: Account
    place: str
    conversation: str
    contact_id: str
    assurance: Assurance
    locale: str
    expires_at: datetime
    session: str
    name: str = ""
    address: str = ""
    """Where the visitor's client is, see gateway/http/client_address.py."""

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
    """Makes, reads and ends visitor tokens."""

    def __init__(self, *, secret_key: str, accounts: AccountLookup, bus: Bus, state: State, clock: Clock) -> None:
        # Now, not by the first visitor; and not with this module, for cryptography takes 7 MB of who opens no session.
        importlib.import_module("jwt")
        self._key = derive_key(secret_key, "visitor")
        self._accounts = accounts
        self._bus = bus
        self._state = state
        self._clock = clock

    async def read(self, token: str) -> Visit:
        """The visit that a token proves. Raises Unauthorized: forged, expired, signed out, of an account that is gone,
        or anonymous where the account requires an identity; StateUnavailable, StateLost."""
        visit = self._proven(token)
        await self._check(visit)
        return visit

    async def start(
        self,
        tenant: str,
        request: SessionRequest,
        *,
        check: Callable[[WebAccount], None] = lambda _settings: None,
        admit: Admit | None = None,
    ) -> Started:
        """Resume or begin. ``check`` may refuse the account's settings (origins), ``admit`` the session before
        anything is stored for it. Raises NotFound (tenant or account), Unauthorized (token or identity)."""
        before = None
        if request.visitor_token:
            before = self._proven(request.visitor_token)
            if before.tenant != tenant or request.account not in (None, before.account.name):
                raise Unauthorized("the visitor token belongs elsewhere")
        account = self._account(tenant, request.account or (before.account.name if before else "main"))
        settings: WebAccount = account.settings
        check(settings)
        if request.identity:
            who = identity_of(request.identity, settings, self._clock(), audience=f"{tenant}/{account.name}")
            if admit is not None:
                await admit(account, f"{SIGNED_IN}{who.subject}", VERIFIED)
            # Whoever proves who they are may come with a token that has expired, or none.
            return await self._signed_in(account, who, request, before)
        if settings.identity == "required":
            raise Unauthorized("this account requires a signed identity")
        if before is not None:
            if admit is not None:
                await admit(account, before.place, before.assurance)
            await self._check(before)
            return await self._resumed(before, request)
        place = secrets.token_hex(16)
        if admit is not None:
            await admit(account, place, ANONYMOUS)
        fresh = await self._at(account, place, ANONYMOUS, request)
        return await self._started(fresh, resumed=False)

    async def end(self, token: str, *, check: Callable[[Visit], object]) -> None:
        """Sign out: no token of the session is accepted any more, by any process. May be repeated. ``check`` may refuse
        by raising. Raises Unauthorized (forged or expired), BusUnavailable, StateUnavailable, StateLost."""
        visit = self._proven(token)
        check(visit)
        if visit.expires_at <= self._clock():
            raise Unauthorized("the visitor token is expired")
        if await self.is_over(visit):
            return
        now = self._clock()
        ended = SessionEnded(session=visit.session, until=now + LIFETIME, at=now)
        event = envelope(
            topics.SESSION_ENDED,
            ended,
            id=ids.derived_id(visit.session, "ended"),
            time=now,
            source=f"/connectors/web/{visit.tenant}/{visit.account.name}",
            tenant=visit.tenant,
            channel="web",
            account=visit.account.name,
            conversation=visit.conversation,
        )
        await self._bus.append([event])
        await self._state.tokens.revoke(visit.conversation, visit.session, until=ended.until, now=now)
        await conversation_signals.publish_session_end(self._state.signals, visit.conversation, visit.session)

    async def is_over(self, visit: Visit) -> bool:
        """Whether it was signed out. Raises StateUnavailable, StateLost."""
        return await self._state.tokens.is_revoked(visit.conversation, visit.session, now=self._clock())

    async def _check(self, visit: Visit) -> None:
        if visit.settings.identity == "required" and visit.assurance != "verified":
            raise Unauthorized("this account requires a signed identity")
        if visit.expires_at <= self._clock():
            is_signed_in = visit.assurance == "verified"
            raise Unauthorized(
                "the identity of this visitor has expired; begin a session with a fresh one"
                if is_signed_in
                else "the visitor token is expired"
            )
        if await self.is_over(visit):
            raise Unauthorized("the visitor has signed out")

    async def _signed_in(
        self, account: Account, who: Identity, request: SessionRequest, before: Visit | None
    ) -> Started:
        expires = datetime.fromtimestamp(int(who.expires_at), UTC)
        visit = await self._at(account, f"{SIGNED_IN}{who.subject}", "verified", request, before)
        visit = replace(visit, expires_at=expires, name=who.name)
        resumed = before is not None and before.place == visit.place
        if before is not None:
            # A repeat whose answer was lost must lead to the same session.
            visit = replace(visit, session=before.session if resumed else _derived(before.session, visit.place))
            if await self.is_over(visit):
                visit = replace(visit, session=secrets.token_hex(16))
                resumed = False
        if who.token_id:
            used = hashlib.sha256(f"{account.tenant}/{account.name}/{who.token_id}".encode()).hexdigest()
            first = await self._state.tokens.bind(used, visit.session, until=expires, now=self._clock())
            if first != visit.session:
                raise Unauthorized("identity: another visitor has used this token; sign a new one for each page view")
        return await self._started(visit, resumed=resumed)

    async def _resumed(self, before: Visit, request: SessionRequest) -> Started:
        # Only the site can prolong what it vouched for.
        expires = before.expires_at if before.assurance == "verified" else self._clock() + LIFETIME
        locale = request.locale or before.locale
        return await self._started(replace(before, expires_at=expires, locale=locale), resumed=True)

    async def _at(
        self,
        account: Account,
        place: str,
        assurance: Assurance,
        request: SessionRequest,
        before: Visit | None = None,
    ) -> Visit:
        """A new session at a place. The contact may not exist yet."""
        now = self._clock()
        addresses = [Address(channel="web", value=place, assurance=assurance)]
        contact, conversation = await self._state.contacts.preview(
            account.tenant, account.channel, account.name, place, addresses, now=now
        )
        return Visit(
            account=account,
            place=place,
            conversation=conversation,
            contact_id=contact.id,
            assurance=assurance,
            locale=request.locale or (before.locale if before is not None else ""),
            expires_at=now + LIFETIME,
            session=secrets.token_hex(16),
        )

    async def _started(self, visit: Visit, *, resumed: bool) -> Started:
        claims = _Claims(
            tenant=visit.tenant,
            account=visit.account.name,
            place=visit.place,
            conversation=visit.conversation,
            contact=visit.contact_id,
            assurance=visit.assurance,
            locale=visit.locale,
            name=visit.name,
            sid=visit.session,
            exp=int(visit.expires_at.timestamp()),
        )
        token = jwt.encode(claims.model_dump(), self._key, algorithm="HS256", headers={"typ": "visitor"})
        return Started(token, visit, await self._state.transcript.head(visit.conversation), resumed)

    def _account(self, tenant: str, name: str) -> Account:
        account = self._accounts(tenant, "web", name)
        if account is None:
            raise NotFound("no such tenant or web account")
        return account

    def _proven(self, token: str) -> Visit:
        """What a token says, if we made it; it may be over. Raises Unauthorized."""
        claims = self._claims(token)
        account = self._accounts(claims.tenant, "web", claims.account)
        if account is None:
            raise Unauthorized("the visitor token is of an account that does not exist any more")
        if not claims.sid and claims.assurance == "verified":
            # Made by a release whose tokens outlived the identity by weeks.
            claims = claims.model_copy(update={"exp": 0})
        return Visit(
            account=account,
            place=claims.place,
            conversation=claims.conversation,
            contact_id=claims.contact,
            assurance=claims.assurance,
            locale=claims.locale,
            expires_at=datetime.fromtimestamp(claims.exp, UTC),
            session=claims.sid or _derived("", claims.place),
            name=claims.name,
        )

    def _claims(self, token: str) -> _Claims:
        options: Any = {
            "verify_exp": False,  # against our own clock, in _check()
            "verify_iat": False,
            "verify_nbf": False,
            "verify_aud": False,
        }
        try:
            claims = jwt.decode(token[: MAX_TOKEN + 1], self._key, algorithms=["HS256"], options=options)
            return _Claims.model_validate(claims)
        except (jwt.PyJWTError, ValidationError, ValueError, TypeError):
            raise Unauthorized("the visitor token is not valid") from None


def _derived(session: str, place: str) -> str:
    """The session of a visitor who signs in, from the one that they had before."""
    return hashlib.sha256(f"{session}\n{place}".encode()).hexdigest()[:32]
