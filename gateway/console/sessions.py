"""Sessions of the console: a signed cookie that says who it is and until when, and a note of those that were ended."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from gateway.config.operators import ADMIN_NAME, DUMMY_HASH, verify_password
from gateway.config.secret_keys import derive_key, sign, verify_signature
from gateway.wiring.parts import Parts
from schemas.errors import Unauthorized
from schemas.handoff.rules import Actor

LIFETIME = timedelta(hours=12)
COOKIE = "parley_console"
BROWSER_COOKIE = "parley_console_browser"
BROWSER_LIFETIME = timedelta(days=180)
SOURCE = "parley/console"
_ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Operator:
    """Who is signed in, and for which tenants. ``csrf`` has to come back with everything they change."""

    key: str
    session: str
    until: datetime
    csrf: str
    name: str
    tenants: tuple[str, ...]
    sees_all: bool

    @property
    def label(self) -> str:
        return self.name or "Admin token"

    @property
    def actor(self) -> Actor:
        return Actor(by=f"console:{self.key}", source=SOURCE, name=self.name)


class ConsoleSessions:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._config = parts.config
        self._key = derive_key(parts.secret_key, "console session")
        self._csrf_key = derive_key(parts.secret_key, "console form")
        self._browser_key = derive_key(parts.secret_key, "console browser")
        # Each guess takes memory: more of them at once than this wait for each other.
        self._guessing = asyncio.Semaphore(2)

    async def fits(self, key: str, secret: str) -> bool:
        """True for the admin token, or for the operator's password. Takes as long for names that nobody has."""
        return self._is_token(secret) if key == ADMIN_NAME else await self._is_password(key, secret)

    def signed_in(self, key: str) -> tuple[Operator, str] | None:
        """A new session of whoever proved who they are, and its cookie; None for an operator who sees nothing."""
        session, until = secrets.token_urlsafe(18), self._parts.clock() + LIFETIME
        operator = self._operator(key, session, until)
        if operator is None:
            return None
        expires = str(int(until.timestamp()))
        return operator, ".".join((key, session, expires, self._signature(key, session, expires)))

    def known_browser(self, request: web.Request, key: str) -> str:
        """The id of a browser that has signed in to this account before; empty for any other."""
        browser, _, signature = request.cookies.get(BROWSER_COOKIE, "").partition(".")
        known = (
            browser.isascii() and signature.isascii() and verify_signature(signature, self._browser_key, key, browser)
        )
        return browser if known else ""

    def browser_cookie(self, key: str, browser: str = "") -> str:
        browser = browser or secrets.token_urlsafe(18)
        return f"{browser}.{sign(self._browser_key, key, browser)}"

    async def admit(self, request: web.Request) -> Operator:
        """Who the cookie speaks for. Raises Unauthorized: none, forged, expired, ended, or of another password."""
        operator = self._read(request.cookies.get(COOKIE, ""))
        if operator is None or await self._ended(operator, 0):
            raise Unauthorized("sign in")
        return operator

    async def end(self, operator: Operator) -> None:
        """From now on the cookie opens nothing, whoever has a copy."""
        await self._ended(operator, 1)

    async def _ended(self, operator: Operator, more: int) -> int:
        name, now = f"console:ended:{operator.session}", self._parts.clock()
        kept = LIFETIME.total_seconds()
        return (await self._parts.state.limiter.add(name, {_ENDED: more}, keep=kept, now=now))[_ENDED]

    def _read(self, cookie: str) -> Operator | None:
        pieces = cookie.split(".")
        if len(pieces) != 4 or not cookie.isascii():
            return None
        key, session, expires, signature = pieces
        if (
            not verify_signature(signature, self._key, key, session, expires, self._credential(key))
            or not expires.isdigit()
        ):
            return None
        until = datetime.fromtimestamp(int(expires), UTC)
        return self._operator(key, session, until) if self._parts.clock() < until else None

    def _operator(self, key: str, session: str, until: datetime) -> Operator | None:
        tenants, csrf = tuple(self._config.tenants), sign(self._csrf_key, session)
        if key == ADMIN_NAME:
            return Operator(key, session, until, csrf, "", tenants, sees_all=True)
        found = self._config.operators.get(key)
        if found is None:
            return None
        seen = tuple(name for name in tenants if not found.tenants or name in found.tenants)
        return Operator(key, session, until, csrf, found.name or key.capitalize(), seen, sees_all=not found.tenants)

    def _signature(self, key: str, session: str, expires: str) -> str:
        return sign(self._key, key, session, expires, self._credential(key))

    def _credential(self, key: str) -> str:
        """Signed with the session, so that a changed password or token ends all that were opened with the old one."""
        found = self._config.operators.get(key)
        kept = found.password_hash.get_secret_value() if found is not None else self._parts.admin_token
        return hashlib.sha256(kept.encode()).hexdigest()

    def _is_token(self, secret: str) -> bool:
        token = self._parts.admin_token.encode()
        return hmac.compare_digest(secret.strip().encode("utf-8", "replace"), token) and bool(token)

    async def _is_password(self, key: str, secret: str) -> bool:
        found = self._config.operators.get(key)
        kept = found.password_hash.get_secret_value() if found is not None else DUMMY_HASH
        async with self._guessing:
            return await asyncio.to_thread(verify_password, secret, kept) and found is not None


def account_of(name: str) -> str:
    """The key of the operator who calls themselves so; an empty name means the admin token."""
    return name.strip().lower() or ADMIN_NAME
