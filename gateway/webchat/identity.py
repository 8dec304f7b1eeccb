"""Who a visitor says they are: a short-lived JWT that the site signed (contract §2)."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt

from connectors.inbound.display_names import clean_display_name
from connectors.web.settings import WebAccount
from schemas.errors import Unauthorized

LONGEST = 3600.0
LEEWAY = 60.0
"""Seconds the site's clock may differ from ours."""
MAX_WORD = 200
"""Characters of ``sub`` and ``jti``."""


@dataclass(frozen=True, slots=True)
class Identity:
    """``subject``: the site's own word for them (``sub``); ``name``: for people to read, empty where it is not told.
    ``expires_at`` in seconds (``exp``). ``token_id``: the token's ``jti``, empty where it has none."""

    subject: str
    expires_at: float
    name: str = ""
    token_id: str = ""


def identity_of(token: str, account: WebAccount, now: datetime, *, audience: str = "") -> Identity:
    """What a valid identity token says. ``audience`` names the account where its settings name no other. Raises
    Unauthorized with what is wrong, for the site's developers."""
    keys = _keys(account)
    if account.identity == "off" or not keys:
        raise Unauthorized(
            "this account does not accept signed identities",
            fix="set identity_secret (HS256) or identity_public_key (ES256) of the web account",
        )
    claims = _verified(token, keys)
    expires_at = _expiry(claims, now.timestamp())
    _check_audience(claims.get("aud"), account.identity_audience, audience)
    subject = claims.get("sub", "")
    if not _is_word(subject):
        raise Unauthorized(f"identity: sub must be a text of 1-{MAX_WORD} characters")
    token_id = claims.get("jti", "")
    if "jti" in claims and not _is_word(token_id):
        raise Unauthorized(f"identity: jti must be a text of 1-{MAX_WORD} characters")
    name = claims.get("name")
    return Identity(subject, expires_at, clean_display_name(name) if isinstance(name, str) else "", token_id)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= MAX_WORD and value.isprintable()


def _check_audience(claimed: object, wanted: str, account: str) -> None:
    """A token that the site signed for something else proves nothing here."""
    if claimed is None and not wanted:
        return
    named = [claimed] if isinstance(claimed, str) else claimed
    if not isinstance(named, list) or (wanted or account) not in named:
        raise Unauthorized(f"identity: aud must be {wanted or account}")


def _keys(account: WebAccount) -> dict[str, str]:
    """One key an algorithm: a public key can never be taken for an HMAC secret."""
    keys = {"HS256": account.identity_secret.get_secret_value(), "ES256": account.identity_public_key}
    return {algorithm: key for algorithm, key in keys.items() if key}


def _verified(token: str, keys: dict[str, str]) -> dict[str, Any]:
    try:
        algorithm = jwt.get_unverified_header(token).get("alg", "")
        if algorithm not in keys:
            raise Unauthorized(f"identity: the algorithm must be {' or '.join(keys)}")
        with warnings.catch_warnings():
            # A short secret is the operator's business; `parley doctor` speaks about it, not every request.
            warnings.simplefilter("ignore")
            # Times are checked by us, against our own clock.
            claims: dict[str, Any] = jwt.decode(
                token,
                keys[algorithm],
                algorithms=[algorithm],
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
    except (jwt.PyJWTError, ValueError, TypeError):
        # ValueError and TypeError: what a hostile header can make of the parsers underneath.
        raise Unauthorized("identity: the signature does not match") from None
    return claims


def _expiry(claims: dict[str, Any], now: float) -> float:
    """When the token expires. Raises Unauthorized when it is not valid now."""
    expires = _seconds(claims, "exp")
    if expires is None:
        raise Unauthorized("identity: exp is missing or not a number")
    if expires <= now:
        raise Unauthorized("identity: the token is expired")
    issued = _seconds(claims, "iat")
    if expires > now + LONGEST + LEEWAY or (issued is not None and expires - issued > LONGEST + LEEWAY):
        raise Unauthorized("identity: exp must be at most one hour ahead")
    starts = _seconds(claims, "nbf")
    if (starts is not None and starts > now + LEEWAY) or (issued is not None and issued > now + LEEWAY):
        raise Unauthorized("identity: the token is not valid yet")
    return expires


def _seconds(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
