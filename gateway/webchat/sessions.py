"""Sessions of the web chat: creation, verification and revocation of visitor tokens.

A token is bound to tenant, account, place and conversation. An anonymous token stays at its own random place; the place
of a signed-in visitor (``id:<sub>``) requires an identity that the site has signed, and only while that identity is
valid. Nothing about a visitor is stored before their first message. All tokens of a session carry its id, by which
signing out revokes them.
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
from gateway.config.secret_keys import SigningKeys
from gateway.webchat.identity import Identity, verify_identity
from gateway.wiring.process_services import AccountLookup
from schemas import ids, topics
from schemas.conversation import SIGNED_IN
from schemas.conversation_activity import SessionEnded
from schemas.envelope import envelope
from schemas.errors import NotFound, Unauthorized
from schemas.key_ring import KeyRing
from schemas.messages import Address, Assurance, Printable
from schemas.ports import Account, Bus, Clock, State
from schemas.validation import problems

ANONYMOUS_LIFETIME = timedelta(days=30)
"""Lifetime of an anonymous token; that of a signed-in visitor expires together with the identity."""
MAX_TOKEN = 8_000
VERIFIED: Assurance = "verified"
ANONYMOUS: Assurance = "anonymous"
AdmitSession = Callable[[Account, str, Assurance], Awaitable[None]]
"""Takes account, place and assurance; raises RateLimited."""
LOCALE_PATTERN = problems.LOCALE


class SessionRequest(BaseModel):
    """Body of ``POST …/sessions``; unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)

    visitor_token: Annotated[Printable, Field(max_length=MAX_TOKEN)] | None = None
    identity: Annotated[Printable, Field(max_length=MAX_TOKEN)] | None = None
    account: Annotated[Printable, Field(max_length=100)] | None = None
    locale: Annotated[str, Field(pattern=LOCALE_PATTERN)] | None = None


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
    """The session id. Tokens of earlier releases have none."""
    exp: int


@dataclass(frozen=True, slots=True)
class Visit:
    """A visitor at an account, as proven by a token. ``session`` is the same in all tokens that continue one another.
    ``name`` comes from the site."""

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
    """The client address, see gateway/http/client_address.py."""

    @property
    def tenant(self) -> str:
        return self.account.tenant

    @property
    def counted_address(self) -> str:
        """The client address if the visitor is counted by it; empty for a signed-in visitor, whose site vouches for
        them: a whole office or mobile carrier may share their address."""
        return "" if self.assurance == VERIFIED else self.address

    @property
    def settings(self) -> WebAccount:
        settings: WebAccount = self.account.settings
        return settings


@dataclass(frozen=True, slots=True)
class SessionStart:
    """The result of ``POST …/sessions``."""

    visitor_token: str
    visit: Visit
    seq: int
    resumed: bool


class VisitorSessions:
    """Issues, verifies and revokes visitor tokens."""

    def __init__(self, *, secret_key: KeyRing, accounts: AccountLookup, bus: Bus, state: State, clock: Clock) -> None:
        # Imported now, so that the first visitor does not wait, and not with this module, since cryptography takes 7 MB
        # of memory.
        importlib.import_module("jwt")
        self._keys = SigningKeys(secret_key, "visitor")
        self._accounts = accounts
        self._bus = bus
        self._state = state
        self._clock = clock

    async def authenticate(self, token: str) -> Visit:
        """Return the visit that a token proves. Raises Unauthorized (forged, expired, revoked, of a removed account, or
        anonymous where the account requires an identity), StateUnavailable, StateLost."""
        visit = self._decode_token(token)
        await self._check_valid(visit)
        return visit

    async def start(
        self,
        tenant: str,
        request: SessionRequest,
        *,
        check: Callable[[WebAccount], None] = lambda _settings: None,
        admit: AdmitSession | None = None,
    ) -> SessionStart:
        """Start or resume a session. ``check`` may refuse the account (by its origins) and ``admit`` the session,
        before anything is stored. Raises NotFound (tenant or account), Unauthorized (token or identity)."""
        previous = None
        if request.visitor_token:
            previous = self._decode_token(request.visitor_token)
            if previous.tenant != tenant or request.account not in (None, previous.account.name):
                raise Unauthorized("the visitor token belongs to another tenant or account")
        account = self._find_account(tenant, request.account or (previous.account.name if previous else "main"))
        settings: WebAccount = account.settings
        check(settings)
        if request.identity:
            identity = verify_identity(request.identity, settings, self._clock(), audience=f"{tenant}/{account.name}")
            if admit is not None:
                await admit(account, f"{SIGNED_IN}{identity.subject}", VERIFIED)
            # With a valid identity the token may be expired or absent.
            return await self._start_signed_in(account, identity, request, previous)
        if settings.identity == "required":
            raise Unauthorized("this account requires a signed identity")
        if previous is not None:
            if admit is not None:
                await admit(account, previous.place, previous.assurance)
            await self._check_valid(previous)
            return await self._resume(previous, request)
        place = secrets.token_hex(16)
        if admit is not None:
            await admit(account, place, ANONYMOUS)
        fresh = await self._build_visit(account, place, ANONYMOUS, request)
        return await self._issue_token(fresh, resumed=False)

    async def end(self, token: str, *, check: Callable[[Visit], object]) -> None:
        """Sign out: revoke all tokens of the session for all processes. May be repeated. ``check`` may raise to refuse.
        Raises Unauthorized (forged or expired), BusUnavailable, StateUnavailable, StateLost."""
        visit = self._decode_token(token)
        check(visit)
        if visit.expires_at <= self._clock():
            raise Unauthorized("the visitor token is expired")
        if await self.is_ended(visit):
            return
        now = self._clock()
        ended = SessionEnded(session=visit.session, until=now + ANONYMOUS_LIFETIME, at=now)
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

    async def is_ended(self, visit: Visit) -> bool:
        """Whether the visitor has signed out. Raises StateUnavailable, StateLost."""
        return await self._state.tokens.is_revoked(visit.conversation, visit.session, now=self._clock())

    async def _check_valid(self, visit: Visit) -> None:
        if visit.settings.identity == "required" and visit.assurance != "verified":
            raise Unauthorized("this account requires a signed identity")
        if visit.expires_at <= self._clock():
            if visit.assurance == "verified":
                raise Unauthorized("the identity of this visitor has expired; start a session with a fresh one")
            raise Unauthorized("the visitor token is expired")
        if await self.is_ended(visit):
            raise Unauthorized("the visitor has signed out")

    async def _start_signed_in(
        self, account: Account, identity: Identity, request: SessionRequest, previous: Visit | None
    ) -> SessionStart:
        expires = datetime.fromtimestamp(int(identity.expires_at), UTC)
        visit = await self._build_visit(account, f"{SIGNED_IN}{identity.subject}", "verified", request, previous)
        visit = replace(visit, expires_at=expires, name=identity.name)
        resumed = previous is not None and previous.place == visit.place
        if previous is not None:
            # A repeated request, whose response was lost, must lead to the same session.
            visit = replace(
                visit, session=previous.session if resumed else _derive_session_id(previous.session, visit.place)
            )
            if await self.is_ended(visit):
                visit = replace(visit, session=secrets.token_hex(16))
                resumed = False
        if identity.token_id:
            token_hash = hashlib.sha256(f"{account.tenant}/{account.name}/{identity.token_id}".encode()).hexdigest()
            session = await self._state.tokens.bind(token_hash, visit.session, until=expires, now=self._clock())
            if session != visit.session:
                raise Unauthorized("identity: another visitor has used this token; sign a new one for each page view")
        return await self._issue_token(visit, resumed=resumed)

    async def _resume(self, previous: Visit, request: SessionRequest) -> SessionStart:
        # Only the site can extend a signed identity.
        expires = previous.expires_at if previous.assurance == "verified" else self._clock() + ANONYMOUS_LIFETIME
        locale = request.locale or previous.locale
        return await self._issue_token(replace(previous, expires_at=expires, locale=locale), resumed=True)

    async def _build_visit(
        self,
        account: Account,
        place: str,
        assurance: Assurance,
        request: SessionRequest,
        previous: Visit | None = None,
    ) -> Visit:
        """Create a session at a place. Its contact may not exist yet."""
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
            locale=request.locale or (previous.locale if previous is not None else ""),
            expires_at=now + ANONYMOUS_LIFETIME,
            session=secrets.token_hex(16),
        )

    async def _issue_token(self, visit: Visit, *, resumed: bool) -> SessionStart:
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
        token = jwt.encode(claims.model_dump(), self._keys.current_key, algorithm="HS256", headers={"typ": "visitor"})
        seq = await self._state.transcript.head(visit.conversation)
        # A signed-in visitor comes back to the same conversation without the token of before.
        return SessionStart(token, visit, seq, resumed or seq > 0)

    def _find_account(self, tenant: str, name: str) -> Account:
        account = self._accounts(tenant, "web", name)
        if account is None:
            raise NotFound("no such tenant or web account")
        return account

    def _decode_token(self, token: str) -> Visit:
        """Decode a token that we have issued, which may be expired or revoked. Raises Unauthorized."""
        claims = self._decode_claims(token)
        account = self._accounts(claims.tenant, "web", claims.account)
        if account is None:
            raise Unauthorized("the account of this visitor token does not exist any more")
        if not claims.sid and claims.assurance == "verified":
            # Issued by a release whose tokens outlived the identity by weeks.
            claims = claims.model_copy(update={"exp": 0})
        return Visit(
            account=account,
            place=claims.place,
            conversation=claims.conversation,
            contact_id=claims.contact,
            assurance=claims.assurance,
            locale=claims.locale,
            expires_at=datetime.fromtimestamp(claims.exp, UTC),
            session=claims.sid or _derive_session_id("", claims.place),
            name=claims.name,
        )

    def _decode_claims(self, token: str) -> _Claims:
        options: Any = {
            "verify_exp": False,  # _check_valid() uses our own clock
            "verify_iat": False,
            "verify_nbf": False,
            "verify_aud": False,
        }
        for key in self._keys.valid_keys:
            try:
                claims = jwt.decode(token[: MAX_TOKEN + 1], key, algorithms=["HS256"], options=options)
                return _Claims.model_validate(claims)
            except jwt.InvalidSignatureError:
                continue
            except (jwt.PyJWTError, ValidationError, ValueError, TypeError):
                break
        raise Unauthorized("the visitor token is not valid")


def _derive_session_id(session: str, place: str) -> str:
    """Derive the session of a visitor who signs in from their previous one."""
    return hashlib.sha256(f"{session}\n{place}".encode()).hexdigest()[:32]
