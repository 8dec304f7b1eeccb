"""Meaning of Graph's errors. The code decides, because titles and HTTP statuses change."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.retry_after import GATEWAY_TIMEOUTS
from schemas.errors import CredentialsRevoked, DeliveryError, RetryLater, SendRefused, SendUnknown
from schemas.ports import VendorResponse

REVOKED = frozenset({0, 3, 10, 102, 104, 190, 368, 131005, 131031, 131037, 131042, 131045, 133010, *range(200, 300)})
"""Problems of the token, a permission, or the account: nothing can be sent until an operator has fixed it."""
TRY_LATER = frozenset({1, 2, 131000, 131016})
"""Meta failed and allows another attempt: its service is down or overloaded, or the cause is unknown. On Instagram code
2 has been seen after the message was shown, so a report that contradicts it still counts."""
ACCOUNT_LIMITS = {
    4: 60_000,
    17: 60_000,
    32: 60_000,
    613: 5_000,
    80007: 60_000,
    130429: 1_000,
    131048: 600_000,
    131057: 60_000,
    131064: 60_000,
    133016: 600_000,
}
"""Limits of the app, the business or the number: milliseconds to wait where the answer does not say."""
PAIR_LIMITS = {131056: 6_000}
"""The limit between one number and one contact."""
REASONS = {
    100: "invalid",
    551: "blocked",
    130472: "not_allowed",
    130497: "not_allowed",
    131008: "invalid",
    131009: "invalid",
    131021: "own_number",
    131026: "undeliverable",
    131030: "not_allowed",
    131047: "window_closed",
    131049: "limited",
    131050: "opted_out",
    131051: "unsupported_type",
    131052: "file_unusable",
    131053: "file_unusable",
    131062: "not_allowed",
    135000: "invalid",
    137000: "identity_changed",
    139100: "blocked",
    139101: "blocked",
    139102: "blocked",
    139103: "blocked",
    **dict.fromkeys(range(132000, 132070), "template_unusable"),
}
SUBCODES = {
    (10, 2534022): "window_closed",
    (100, 2534001): "not_found",
    (100, 2534014): "not_found",
    (100, 2018008): "file_unusable",
    (100, 33): "not_found",
    (200, 2534025): "already_answered",
}
NO_CONSENT = 230


def build_delivery_error(reply: VendorResponse) -> DeliveryError:
    """Return what an answer other than a success means."""
    code, subcode = _read_codes(reply.body)
    if code is None:
        return _build_uncoded_error(reply)
    if (code, subcode) in SUBCODES:
        return SendRefused(SUBCODES[code, subcode])
    if code == NO_CONSENT:
        return SendRefused("no_consent")
    if code in REVOKED:
        return CredentialsRevoked(f"Meta refuses the account (code {code})")
    if code in ACCOUNT_LIMITS or code in PAIR_LIMITS:
        default = ACCOUNT_LIMITS.get(code) or PAIR_LIMITS[code]
        return RetryLater(
            "limited", retry_after_ms=_get_retry_after(reply.headers, default), of_account=code in ACCOUNT_LIMITS
        )
    if code in TRY_LATER:
        return SendUnknown(f"Meta asks to try later (code {code})", denied=True)
    if code not in REASONS and reply.status >= 500:
        return SendUnknown(f"Meta failed (code {code})")
    return SendRefused(get_reason(code))


def get_reason(code: int) -> str:
    """Return a short word for a code, which also appears in ``failed`` statuses."""
    return REASONS.get(code, f"code_{code}")


def _build_uncoded_error(reply: VendorResponse) -> DeliveryError:
    """Return the meaning of an answer without a code, such as a proxy's page."""
    if reply.status == 429:
        return RetryLater("limited", retry_after_ms=_get_retry_after(reply.headers, 5_000), of_account=True)
    if reply.status == 401:
        return CredentialsRevoked("Meta refuses the token")
    if 400 <= reply.status < 500 and reply.status != 408:
        return SendRefused(f"status_{reply.status}")
    return SendUnknown(
        f"Meta's answer cannot be understood (status {reply.status})", slow=reply.status in GATEWAY_TIMEOUTS
    )


def _read_codes(body: Any) -> tuple[int | None, int]:
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        return None, 0
    subcode = error.get("error_subcode")
    return error["code"], subcode if isinstance(subcode, int) else 0


def _get_retry_after(headers: Mapping[str, str], default: int) -> int:
    """Return milliseconds. Graph sometimes gives minutes, in the usage header."""
    waits = [
        *_parse_seconds(headers.get("retry-after", "")),
        *_parse_usage(headers.get("x-business-use-case-usage", "")),
    ]
    return math.ceil(max(waits) * 1000) if waits else default


def _parse_seconds(text: str) -> Iterator[float]:
    if text.isdecimal() and text.isascii():
        yield float(text)


def _parse_usage(header: str) -> Iterator[float]:
    try:
        cases = [case for each in json.loads(header).values() for case in each]
        yield from (60.0 * minutes for case in cases if (minutes := case["estimated_time_to_regain_access"]) > 0)
    except (ValueError, AttributeError, TypeError, KeyError):
        return


def require_external_id(external_id: object) -> str:
    """Return the id of the message that was sent. Raises SendUnknown when a success names none."""
    if not isinstance(external_id, str) or not external_id:
        raise SendUnknown("Meta's answer names no message")
    return external_id
