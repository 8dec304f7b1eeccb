"""API tokens of tenants: create, list, revoke, verify.

A token is ``parley_<tenant>_<id>_<secret>``; only its hash is stored. Every change goes to the log before the state
store, so that a rebuild restores it. Every request looks its token up in the state store that all processes share, so a
token is refused from the first request after it was revoked."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from gateway.wiring.process_services import ProcessServices
from schemas import topics
from schemas.access import AccessToken, Scope
from schemas.envelope import envelope
from schemas.errors import Conflict, InvalidRequest, NotFound

DEFAULT_LIFETIME = timedelta(days=90)
MAX_LIFETIME = timedelta(days=366)
MAX_TOKENS = 500
"""Tokens of one tenant that are stored, including those of the last ``KEEP_ENDED``."""
KEEP_ENDED = timedelta(days=30)
"""The time for which an expired or revoked token is still listed."""
SOURCE = "parley/access"
_PATTERN = re.compile(r"parley_([a-z0-9][a-z0-9_-]{0,62})_([0-9a-f]{16})_([0-9a-f]{64})")


class TokenService:
    def __init__(self, services: ProcessServices) -> None:
        self._bus = services.bus
        self._tokens = services.state.access_tokens
        self._tenants = frozenset(services.config.tenants)
        self._clock = services.clock
        self._audit = services.audit

    async def create(
        self, tenant: str, name: str, scopes: Sequence[Scope], expires_at: datetime | None, *, by: str, surface: str
    ) -> tuple[AccessToken, str]:
        """Create a token and return it with its text, which cannot be shown again. Raises InvalidRequest, Conflict (too
        many tokens)."""
        now = self._clock()
        expires_at = now + DEFAULT_LIFETIME if expires_at is None else expires_at
        if not now < expires_at <= now + MAX_LIFETIME:
            raise InvalidRequest(f"expires_at: must be in the future, at most {MAX_LIFETIME.days} days from now")
        await self._make_room(tenant, now)
        id_ = secrets.token_hex(8)
        text = f"parley_{tenant}_{id_}_{secrets.token_hex(32)}"
        token = AccessToken(
            id=id_,
            tenant=tenant,
            name=name,
            scopes=tuple(sorted(set(scopes))),
            hash=_hash(text),
            created_at=now,
            created_by=by,
            expires_at=expires_at,
        )
        await self._audit.record(tenant, "token.create", actor=by, surface=surface, subject=f"token:{id_}")
        await self._store(token)
        return token, text

    async def list_tokens(self, tenant: str) -> list[AccessToken]:
        """List the tenant's tokens, the newest first. Those that ended long ago are left out."""
        oldest = self._clock() - KEEP_ENDED
        return [token for token in await self._tokens.list_all(tenant) if _find_end(token) > oldest]

    async def revoke(self, tenant: str, id: str, *, by: str, surface: str) -> AccessToken:
        """Revoke a token for good, in all processes once this returns. Raises NotFound."""
        token = await self._tokens.get(tenant, id)
        if token is None:
            raise NotFound("no such token")
        if token.revoked_at is not None:
            return token
        await self._audit.record(tenant, "token.revoke", actor=by, surface=surface, subject=f"token:{id}")
        revoked = token.model_copy(update={"revoked_at": self._clock(), "revoked_by": by})
        await self._store(revoked)
        return revoked

    async def verify(self, text: str) -> AccessToken | None:
        """Return the token with this text; None if it is unknown, expired or revoked."""
        match = _PATTERN.fullmatch(text)
        if match is None or match[1] not in self._tenants:
            return None
        token = await self._tokens.get(match[1], match[2])
        if token is None or not hmac.compare_digest(token.hash, _hash(text)):
            return None
        return token if token.is_valid(self._clock()) else None

    async def _make_room(self, tenant: str, now: datetime) -> None:
        tokens = await self._tokens.list_all(tenant)
        ended = [token for token in tokens if _find_end(token) <= now - KEEP_ENDED]
        if len(tokens) - len(ended) >= MAX_TOKENS:
            raise Conflict(
                f"the tenant has {MAX_TOKENS} tokens already", fix="revoke some; they are gone after 30 days"
            )
        for token in ended:
            tombstone = envelope(
                topics.TOKEN_SNAPSHOT,
                None,
                id=str(uuid4()),
                time=now,
                source=SOURCE,
                tenant=tenant,
                subject=f"token:{token.id}",
            )
            await self._bus.append([tombstone])
            await self._tokens.remove(tenant, token.id)

    async def _store(self, token: AccessToken) -> None:
        event = envelope(
            topics.TOKEN_SNAPSHOT,
            token,
            id=str(uuid4()),
            time=self._clock(),
            source=SOURCE,
            tenant=token.tenant,
            subject=f"token:{token.id}",
        )
        await self._bus.append([event])
        await self._tokens.put(token)


def _hash(text: str) -> str:
    """A fast hash is enough, because the secret has 256 random bits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _find_end(token: AccessToken) -> datetime:
    """The time at which the token stopped working, or is going to."""
    return min(token.expires_at, token.revoked_at or token.expires_at)
