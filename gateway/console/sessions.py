"""Sessions of the console: signed cookies with operator and expiry, and a record of ended sessions."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from gateway.config.operators import ADMIN_NAME, DUMMY_HASH, verify_password
from gateway.config.secret_keys import SigningKeys
from gateway.console.authenticator_codes import AuthenticatorCodes
from gateway.wiring.process_services import ProcessServices
from schemas.access import PERMISSIONS_BY_ROLE, Permission, Role
from schemas.audit.trail import AuditTrail
from schemas.errors import Unauthorized
from schemas.handoff.rules import SHARED_PERSON, Actor, name_operator

LIFETIME = timedelta(hours=12)
RENEW_AFTER = timedelta(minutes=1)
"""A session that is used notes this in its cookie at most so often."""
COOKIE = "parley_console"
BROWSER_COOKIE = "parley_console_browser"
BROWSER_LIFETIME = timedelta(days=180)
SOURCE = "parley/console"
SURFACE = "console"
_ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Operator:
    """A signed-in operator. ``csrf`` must be in every form that they send. ``active_at``: when the session was used, to
    within a minute."""

    key: str
    session: str
    expires_at: datetime
    active_at: datetime
    csrf: str
    name: str
    tenants: tuple[str, ...]
    role: Role
    sees_all: bool

    @property
    def label(self) -> str:
        return self.name or "Admin token"

    @property
    def actor(self) -> Actor:
        person = SHARED_PERSON if self.key == ADMIN_NAME else name_operator(self.key)
        return Actor(f"console:{self.key}", SOURCE, self.name, role=self.role, person_id=person)

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS_BY_ROLE[self.role]


class ConsoleSessions:
    """Starts, verifies and ends the sessions of operators."""

    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._config = services.config
        self._idle = timedelta(minutes=services.config.console.idle_minutes)
        self._is_secure = services.config.console_url.startswith("https://")
        self._keys = SigningKeys(services.secret_key, "console session")
        self._form_keys = SigningKeys(services.secret_key, "console form")
        self._browser_keys = SigningKeys(services.secret_key, "console browser")
        self._codes = AuthenticatorCodes(services.state.limiter)
        # Checking a password takes much memory, so few checks run at once.
        self._password_checks = asyncio.Semaphore(2)

    async def check_secret(self, key: str, secret: str, code: str = "") -> bool:
        """Check the admin token, or an operator's password and the code of their authenticator app. An unknown name
        takes as long as a known one."""
        if key == ADMIN_NAME:
            return self._is_token(secret) and not self._config.console.require_codes
        return await self._is_password(key, secret) and await self._is_code(key, code)

    def start(self, key: str) -> tuple[Operator, str] | None:
        """Start a session and return it with its cookie; None if there is no such operator."""
        now = self._services.clock()
        operator = self._build_operator(key, secrets.token_urlsafe(18), now + LIFETIME, now)
        return (operator, self._encode_cookie(operator, now)) if operator is not None else None

    def renew(self, operator: Operator, response: web.StreamResponse) -> None:
        """Note in the cookie that the session is used, which keeps it from ending while nobody uses it."""
        now = self._services.clock()
        if now >= operator.active_at + RENEW_AFTER and not response.prepared:
            self.set_cookie(response, COOKIE, self._encode_cookie(operator, now), operator.expires_at - now, "/console")

    def set_cookie(self, response: web.StreamResponse, name: str, value: str, lifetime: timedelta, path: str) -> None:
        seconds = int(lifetime.total_seconds())
        response.set_cookie(
            name, value, max_age=seconds, path=path, httponly=True, samesite="Strict", secure=self._is_secure
        )

    def delete_cookie(self, response: web.StreamResponse) -> None:
        response.del_cookie(COOKIE, path="/console", httponly=True, samesite="Strict", secure=self._is_secure)

    def find_operator(self, identity: str) -> str:
        """Return the key of the operator with this identity at the OpenID provider, or an empty text."""
        wanted = identity.casefold()
        operators = self._config.operators.items()
        return next((key for key, each in operators if each.identity and each.identity.casefold() == wanted), "")

    def find_known_browser(self, request: web.Request, key: str) -> str:
        """Return the id of a browser that has signed in to this account before, or an empty text."""
        browser, _, signature = request.cookies.get(BROWSER_COOKIE, "").partition(".")
        is_known = browser.isascii() and signature.isascii() and self._browser_keys.verify(signature, key, browser)
        return browser if is_known else ""

    def build_browser_cookie(self, key: str, browser: str = "") -> str:
        browser = browser or secrets.token_urlsafe(18)
        return f"{browser}.{self._browser_keys.sign(key, browser)}"

    def is_own_form(self, operator: Operator, csrf: str) -> bool:
        """Whether a form was shown in this session."""
        return self._form_keys.verify(csrf, operator.session)

    async def admit(self, request: web.Request) -> Operator:
        """Return the operator that the cookie proves. Raises Unauthorized if it is absent, forged, expired, unused for
        too long, ended, or from before a change of the password."""
        operator = self._decode_cookie(request.cookies.get(COOKIE, ""))
        if operator is None or await self._count_end(operator, 0):
            raise Unauthorized("sign in")
        return operator

    async def end(self, operator: Operator) -> None:
        """End the session: its cookie and all copies become invalid."""
        await self._count_end(operator, 1)

    async def _count_end(self, operator: Operator, added: int) -> int:
        name, now = f"console:ended:{operator.session}", self._services.clock()
        ttl = LIFETIME.total_seconds()
        return (await self._services.state.limiter.add(name, {_ENDED: added}, keep=ttl, now=now))[_ENDED]

    def _decode_cookie(self, cookie: str) -> Operator | None:
        pieces = cookie.split(".")
        if len(pieces) != 5 or not cookie.isascii():
            return None
        key, *signed, signature = pieces
        is_genuine = [self._keys.verify(signature, key, *signed, each) for each in self._list_digests(key)]
        session, expires, active = signed
        if True not in is_genuine or not (expires.isdigit() and active.isdigit()):
            return None
        expires_at, active_at = (datetime.fromtimestamp(int(each), UTC) for each in (expires, active))
        is_over = self._services.clock() >= min(expires_at, active_at + self._idle)
        return None if is_over else self._build_operator(key, session, expires_at, active_at)

    def _build_operator(self, key: str, session: str, expires_at: datetime, active_at: datetime) -> Operator | None:
        tenants, csrf = tuple(self._config.tenants), self._form_keys.sign(session)
        if key == ADMIN_NAME and not self._config.console.require_codes:
            return Operator(key, session, expires_at, active_at, csrf, "", tenants, "owner", sees_all=True)
        account = self._config.operators.get(key)
        if account is None:
            return None
        visible = tuple(name for name in tenants if not account.tenants or name in account.tenants)
        name = account.name or key.capitalize()
        sees_all = not account.tenants
        return Operator(key, session, expires_at, active_at, csrf, name, visible, account.role, sees_all=sees_all)

    def _encode_cookie(self, operator: Operator, active_at: datetime) -> str:
        times = (str(int(each.timestamp())) for each in (operator.expires_at, active_at))
        signed = (operator.key, operator.session, *times)
        return ".".join((*signed, self._keys.sign(*signed, self._list_digests(operator.key)[0])))

    def _list_digests(self, key: str) -> list[str]:
        """Return the digests of the password hash, or of the admin tokens, the current one first. Cookies are signed
        with them, so that changing the secret ends all sessions."""
        account = self._config.operators.get(key)
        tokens = self._services.admin_token.keys or ("",)
        credentials = tokens if account is None else (f"{account.password_hash.get_secret_value()}|{account.identity}",)
        return [hashlib.sha256(each.encode()).hexdigest() for each in credentials]

    def _is_token(self, secret: str) -> bool:
        return self._services.admin_token.matches(secret.strip())

    async def _is_password(self, key: str, secret: str) -> bool:
        account = self._config.operators.get(key)
        secret_hash = account.password_hash.get_secret_value() if account is not None else ""
        secret_hash, is_known = secret_hash or DUMMY_HASH, bool(secret_hash)
        async with self._password_checks:
            return await asyncio.to_thread(verify_password, secret, secret_hash) and is_known

    async def _is_code(self, key: str, code: str) -> bool:
        """Whether the code is right, or none is needed."""
        totp_secret = self._config.operators[key].totp_secret
        if not totp_secret.keys:
            return True
        return await self._codes.check(key, totp_secret, code, self._services.clock())


async def record_act(audit: AuditTrail, operator: Operator, tenant: str, action: str, subject: str) -> None:
    """Record in the audit trail what an operator is about to do. Raises Unavailable: then it must not happen."""
    await audit.record(tenant, action, actor=operator.actor.by, surface=SURFACE, subject=subject)


def parse_account(name: str) -> str:
    """Return the operator's key for a name; an empty name means the admin token."""
    return name.strip().lower() or ADMIN_NAME
