"""Meaning of Twilio's answers. Only error numbers are evaluated, never texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.retry_after import GATEWAY_TIMEOUTS
from schemas.errors import CredentialsRevoked, DeliveryError, RetryLater, SendRefused, SendUnknown
from schemas.ports import VendorResponse

REVOKED = frozenset({20003, 20005, 20006, 20008})
REASONS: dict[int, str] = {
    21211: "not_found",
    21614: "not_found",
    63003: "not_found",
    63024: "not_found",
    21610: "opted_out",
    63032: "blocked",
    63033: "blocked",
    63016: "window_closed",
    21617: "too_long",
    21655: "template",
    21656: "template",
    63027: "template",
    63028: "template",
    63029: "template",
    63040: "template",
    63041: "template",
    63005: "content",
    63013: "content",
    63021: "content",
    21620: "file",
    21623: "file",
    63019: "file",
    63034: "file",
    63037: "file",
    21603: "sender",
    21910: "sender",
    63001: "sender",
    63007: "sender",
    63015: "sandbox",
}
BUSY = frozenset({20429, 63017, 63018})
WHATSAPP_DOWN = frozenset({63009, 63010, 63012})
"""WhatsApp itself failed and did not accept the message."""
DAILY_LIMIT = 63038
HOUR_MS = 3_600_000
FAILED = frozenset({"failed", "undelivered", "canceled"})


def get_reason(code: str | int | None) -> str:
    """Return a short word for the code, else the number."""
    number = parse_number(str(code or ""))
    return REASONS.get(number) or (f"twilio_{number}" if number else "failed")


def parse_number(text: str) -> int:
    """Return 0 for text that is no sensible number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def is_temporary(code: str) -> bool:
    """Return whether the same message may succeed later."""
    return code in {str(each) for each in BUSY | WHATSAPP_DOWN}


def require_external_id(reply: VendorResponse) -> str:
    """Return the id of a message that Twilio accepted. Raises a DeliveryError."""
    body: Mapping[str, Any] = reply.body if isinstance(reply.body, dict) else {}
    if reply.status in (200, 201):
        sid = body.get("sid")
        if not isinstance(sid, str) or not sid:
            raise SendUnknown("the answer contains no id")
        if body.get("status") in FAILED:
            raise _build_error(_get_code(body.get("error_code")), reply)
        return sid
    code = _get_code(body.get("code"))
    if 400 <= reply.status < 500 and reply.status != 408:
        raise _build_error(code or reply.status, reply)
    raise SendUnknown(f"Twilio answered {reply.status}", slow=reply.status in GATEWAY_TIMEOUTS)


def _build_error(code: int, reply: VendorResponse) -> DeliveryError:
    if code in REVOKED or code in (401, 403):
        return CredentialsRevoked("Twilio does not accept these credentials")
    if code == DAILY_LIMIT:
        return RetryLater("the day's limit", retry_after_ms=HOUR_MS, of_account=True)
    if reply.status == 429 or code in BUSY:
        is_all = code not in (63017, 63018)
        return RetryLater("Twilio asks to wait", retry_after_ms=_get_retry_after(reply), of_account=is_all)
    if code in WHATSAPP_DOWN:
        return RetryLater("WhatsApp did not accept it")
    return SendRefused(get_reason(code))


def _get_code(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _get_retry_after(reply: VendorResponse) -> int | None:
    return parse_number(reply.headers.get("retry-after", "")) * 1000 or None
