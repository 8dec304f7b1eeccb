"""Codes of an authenticator app (TOTP, RFC 6238), which operators give besides their password."""

from __future__ import annotations

from datetime import datetime

import pyotp

from schemas.key_ring import KeyRing, is_any
from schemas.ports import Limiter

TOLERANCE = (-1, 0, 1)
"""Intervals of 30 seconds by which the clock of a phone may differ from ours."""
KEEP_SECONDS = 300.0
"""A code that was used is remembered for longer than it is valid."""
_USED = "used"


def generate_secret() -> str:
    return pyotp.random_base32()


def build_enrolment_uri(secret: str, name: str) -> str:
    """The address that an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Parley")


class AuthenticatorCodes:
    """Checks codes. Each is accepted once, in all processes, so that somebody who sees one cannot use it, too."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    async def check(self, operator: str, secrets: KeyRing, code: str, now: datetime) -> bool:
        interval = find_interval(secrets, code, now)
        if interval is None:
            return False
        name = f"console:code:{operator}:{interval}"
        return (await self._limiter.add(name, {_USED: 1}, keep=KEEP_SECONDS, now=now))[_USED] == 1


def find_interval(secrets: KeyRing, code: str, now: datetime) -> int | None:
    """Find the number of the interval that a code belongs to; None if it is wrong or too old."""
    given, found = "".join(code.split()), None
    for secret in secrets.keys:
        app = pyotp.TOTP(secret)
        for interval in (app.timecode(now) + offset for offset in TOLERANCE):
            if is_any(given, [app.generate_otp(interval)]):
                found = interval
    return found
