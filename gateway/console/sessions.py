"""Sessions of the console: signed cookies with operator and expiry, and a record of ended sessions."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from gateway.config.operators import ADMIN_NAME, DUMMY_HASH, verify_password
from gateway.config.secret_keys import DerivedKeys
from gateway.wiring.process_services import ProcessServices
from schemas.access import PERMISSIONS_BY_ROLE, Permission, Role
from schemas.audit.trail import AuditTrail
from schemas.errors import Unauthorized
from schemas.handoff.rules import SHARED_PERSON, Actor, name_operator

LIFETIME = timedelta(hours=12)
COOKIE = "parley_console"
BROWSER_COOKIE = "parley_console_browser"
BROWSER_LIFETIME = timedelta(days=180)
SOURCE = "parley/console"
SURFACE = "console"
_ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Operator:
    """A signed-in operator. ``csrf`` must be in every form that they send."""

    key: str
    session: str
    expires_at: datetime
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
        self._keys = DerivedKeys(services.secret_key, "console session")
        self._form_keys = DerivedKeys(services.secret_key, "console form")
        self._browser_keys = DerivedKeys(services.secret_key, "console browser")
        # Checking a password takes much memory, so few checks run at once.
        self._password_checks = asyncio.Semaphore(2)

    async def check_secret(self, key: str, secret: str) -> bool:
        """Check the admin token or an operator's password. An unknown name takes as long as a known one."""
        return self._is_token(secret) if key == ADMIN_NAME else await self._is_password(key, secret)

    def start(self, key: str) -> tuple[Operator, str] | None:
        """Start a session and return it with its cookie; None if there is no such operator."""
        session, expires_at = secrets.token_urlsafe(18), self._services.clock() + LIFETIME
        operator = self._build_operator(key, session, expires_at)
        if operator is None:
            return None
        expires = str(int(expires_at.timestamp()))
        return operator, ".".join((key, session, expires, self._sign(key, session, expires)))

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
        """Return the operator that the cookie proves. Raises Unauthorized if it is absent, forged, expired, ended, or
        from before a change of the password."""
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
        if len(pieces) != 4 or not cookie.isascii():
            return None
        key, session, expires, signature = pieces
        is_genuine = [self._keys.verify(signature, key, session, expires, each) for each in self._list_digests(key)]
        if True not in is_genuine or not expires.isdigit():
            return None
        expires_at = datetime.fromtimestamp(int(expires), UTC)
        return self._build_operator(key, session, expires_at) if self._services.clock() < expires_at else None

    def _build_operator(self, key: str, session: str, expires_at: datetime) -> Operator | None:
        tenants, csrf = tuple(self._config.tenants), self._form_keys.sign(session)
        if key == ADMIN_NAME:
            return Operator(key, session, expires_at, csrf, "", tenants, "owner", sees_all=True)
        account = self._config.operators.get(key)
        if account is None:
            return None
        visible = tuple(name for name in tenants if not account.tenants or name in account.tenants)
        name = account.name or key.capitalize()
        return Operator(key, session, expires_at, csrf, name, visible, account.role, sees_all=not account.tenants)

    def _sign(self, key: str, session: str, expires: str) -> str:
        return self._keys.sign(key, session, expires, self._list_digests(key)[0])

    def _list_digests(self, key: str) -> list[str]:
        """Return the digests of the password hash, or of the admin tokens, the current one first. Cookies are signed
        with them, so that changing the secret ends all sessions."""
        account = self._config.operators.get(key)
        tokens = self._services.admin_token.keys or ("",)
        hashes = tokens if account is None else (account.password_hash.get_secret_value(),)
        return [hashlib.sha256(each.encode()).hexdigest() for each in hashes]

    def _is_token(self, secret: str) -> bool:
        return self._services.admin_token.matches(secret.strip())

    async def _is_password(self, key: str, secret: str) -> bool:
        account = self._config.operators.get(key)
        secret_hash = account.password_hash.get_secret_value() if account is not None else ""
        secret_hash, is_known = secret_hash or DUMMY_HASH, bool(secret_hash)
        async with self._password_checks:
            return await asyncio.to_thread(verify_password, secret, secret_hash) and is_known


async def record_act(audit: AuditTrail, operator: Operator, tenant: str, action: str, subject: str) -> None:
    """Record in the audit trail what an operator is about to do. Raises Unavailable: then it must not happen."""
    await audit.record(tenant, action, actor=operator.actor.by, surface=SURFACE, subject=subject)


def parse_account(name: str) -> str:
    """Return the operator's key for a name; an empty name means the admin token."""
    return name.strip().lower() or ADMIN_NAME
