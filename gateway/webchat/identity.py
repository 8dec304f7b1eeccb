"""Signed identities of visitors: short-lived JWTs that the site signs."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt

from connectors.inbound.display_names import clean_display_name
from connectors.web.settings import WebAccount
from schemas.errors import Unauthorized

MAX_LIFETIME = 3600.0
"""Seconds."""
LEEWAY = 60.0
"""Seconds by which the site's clock may differ from ours."""
MAX_ID = 200
"""Characters of ``sub`` and ``jti``."""


_UNCHECKED: Any = {f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "sub", "jti")}


@dataclass(frozen=True, slots=True)
class Identity:
    """The claims of a verified token: ``sub``, ``exp`` (in seconds), ``name`` (a display name, may be empty) and
    ``jti`` (empty if the token has none)."""

    subject: str
    expires_at: float
    name: str = ""
    token_id: str = ""


def verify_identity(token: str, account: WebAccount, now: datetime, *, audience: str = "") -> Identity:
    """Verify an identity token. ``audience`` is the expected one if the account's settings have none. Raises
    Unauthorized with a message for the site's developers."""
    keys = _get_keys(account)
    if account.identity == "off" or not keys:
        raise Unauthorized(
            "this account does not accept signed identities",
            fix="set identity_secret (HS256) or identity_public_key (ES256) of the web account",
        )
    claims = _decode_claims(token, keys)
    expires_at = _check_times(claims, now.timestamp())
    _check_audience(claims.get("aud"), account.identity_audience, audience)
    subject = claims.get("sub", "")
    if not _is_id(subject):
        raise Unauthorized(f"identity: sub must be a text of 1-{MAX_ID} characters")
    token_id = claims.get("jti", "")
    if "jti" in claims and not _is_id(token_id):
        raise Unauthorized(f"identity: jti must be a text of 1-{MAX_ID} characters")
    name = claims.get("name")
    return Identity(subject, expires_at, clean_display_name(name) if isinstance(name, str) else "", token_id)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= MAX_ID and value.isprintable()


def _check_audience(claimed: object, configured: str, account: str) -> None:
    """Reject a token that the site signed for another service."""
    if claimed is None and not configured:
        return
    audiences = [claimed] if isinstance(claimed, str) else claimed
    if not isinstance(audiences, list) or (configured or account) not in audiences:
        raise Unauthorized(f"identity: aud must be {configured or account}")


def _get_keys(account: WebAccount) -> dict[str, Sequence[str]]:
    """Return the keys by algorithm, so that a public key can never serve as an HMAC secret."""
    keys = {"HS256": account.identity_secret.keys, "ES256": (account.identity_public_key,)}
    return {algorithm: each for algorithm, each in keys.items() if any(each)}


def _decode_claims(token: str, keys: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    try:
        algorithm = jwt.get_unverified_header(token).get("alg", "")
        if algorithm not in keys:
            raise Unauthorized(f"identity: the algorithm must be {' or '.join(keys)}")
        for key in keys[algorithm]:
            with suppress(jwt.InvalidSignatureError):
                return _decode_with_key(token, key, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        # A malformed header can make the underlying parsers raise ValueError and TypeError.
        raise Unauthorized("identity: the signature does not match") from None
    raise Unauthorized("identity: the signature does not match")


def _decode_with_key(token: str, key: str, algorithm: str) -> dict[str, Any]:
    with warnings.catch_warnings():
        # `parley doctor` warns of short secrets; here it would happen with every request.
        warnings.simplefilter("ignore")
        # We check the times ourselves, against our own clock.
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=[algorithm], options=_UNCHECKED)
    return claims


def _check_times(claims: dict[str, Any], now: float) -> float:
    """Return the expiry time. Raises Unauthorized if the token is not valid now."""
    expires = _read_seconds(claims, "exp")
    if expires is None:
        raise Unauthorized("identity: exp is missing or not a number")
    if expires <= now:
        raise Unauthorized("identity: the token is expired")
    issued = _read_seconds(claims, "iat")
    if expires > now + MAX_LIFETIME + LEEWAY or (issued is not None and expires - issued > MAX_LIFETIME + LEEWAY):
        raise Unauthorized("identity: exp must be at most one hour ahead")
    starts = _read_seconds(claims, "nbf")
    if (starts is not None and starts > now + LEEWAY) or (issued is not None and issued > now + LEEWAY):
        raise Unauthorized("identity: the token is not valid yet")
    return expires


def _read_seconds(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        raise Unauthorized(f"identity: {name} is out of range") from None
    return seconds if math.isfinite(seconds) else None
