"""One-time codes of six digits, stored only as a slow hash. A code is valid for ten minutes, five attempts and one
use."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from schemas.actions import PendingCode
from schemas.messages import Address

LIFE = timedelta(minutes=10)
ATTEMPTS = 5
_ROUNDS = 100_000
"""Trying a million codes against a stolen hash takes hours, and the code is valid for minutes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``address`` is proven when the code was right; ``pending`` is the state to store."""

    kind: Literal["right", "wrong", "expired", "used_up", "none"]
    pending: PendingCode | None = None
    address: Address | None = None

    @property
    def attempts_left(self) -> int:
        return ATTEMPTS - self.pending.attempts if self.pending is not None else 0


async def issue(address: Address | None, now: datetime) -> tuple[str, PendingCode]:
    """A new code and the state to store. Without an address no code is ever right, and nobody can tell."""
    code = f"{secrets.randbelow(1_000_000):06}"
    salt = secrets.token_hex(16)
    return code, PendingCode(address=address, salt=salt, hash=await _hash(code, salt), expires_at=now + LIFE)


async def check(pending: PendingCode | None, code: str, now: datetime) -> Verdict:
    """Every attempt counts, whatever its result."""
    if pending is None:
        return Verdict("none")
    if now >= pending.expires_at:
        return Verdict("expired")
    right = hmac.compare_digest(await _hash(code, pending.salt), pending.hash)
    if right and pending.address is not None:
        return Verdict("right", None, pending.address)
    tried = pending.model_copy(update={"attempts": pending.attempts + 1})
    return Verdict("wrong", tried) if tried.attempts < ATTEMPTS else Verdict("used_up")


async def _hash(code: str, salt: str) -> str:
    digest = await asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", code.encode(), bytes.fromhex(salt), _ROUNDS)
    return digest.hex()
