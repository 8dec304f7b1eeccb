"""What Twilio's answers mean. Its numbers are told apart, never its sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.retry_after import GAVE_UP_WAITING
from schemas.errors import CredentialsRevoked, DeliveryError, SendDelayed, SendRefused, SendUnknown
from schemas.ports import Reply

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
FAILING = frozenset({63009, 63010, 63012})
"""WhatsApp itself was in trouble, and did not take it."""
FULL_FOR_TODAY = 63038
AN_HOUR_MS = 3_600_000
FAILED = frozenset({"failed", "undelivered", "canceled"})


def reason(code: str | int | None) -> str:
    """A short word for it, or the number."""
    known = number(str(code or ""))
    return REASONS.get(known) or (f"twilio_{known}" if known else "failed")


def number(text: str) -> int:
    """0 for what is none, or is absurd."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def is_passing(code: str) -> bool:
    """Whether the same message may go through later."""
    return code in {str(each) for each in BUSY | FAILING}


def shown(reply: Reply) -> str:
    """The id of a message that Twilio took. Raises a DeliveryError."""
    body: Mapping[str, Any] = reply.body if isinstance(reply.body, dict) else {}
    if reply.status in (200, 201):
        sid = body.get("sid")
        if not isinstance(sid, str) or not sid:
            raise SendUnknown("the answer tells no id")
        if body.get("status") in FAILED:
            raise _failure(_code(body.get("error_code")), reply)
        return sid
    code = _code(body.get("code"))
    if 400 <= reply.status < 500 and reply.status != 408:
        raise _failure(code or reply.status, reply)
    raise SendUnknown(f"Twilio answered {reply.status}", slow=reply.status in GAVE_UP_WAITING)


def _failure(code: int, reply: Reply) -> DeliveryError:
    if code in REVOKED or code in (401, 403):
        return CredentialsRevoked("Twilio does not know these credentials")
    if code == FULL_FOR_TODAY:
        return SendDelayed("the day's limit", retry_after_ms=AN_HOUR_MS, of_account=True)
    if reply.status == 429 or code in BUSY:
        is_all = code not in (63017, 63018)
        return SendDelayed("Twilio asks to wait", retry_after_ms=_retry_after(reply), of_account=is_all)
    if code in FAILING:
        return SendDelayed("WhatsApp did not take it")
    return SendRefused(reason(code))


def _code(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _retry_after(reply: Reply) -> int | None:
    return number(reply.headers.get("retry-after", "")) * 1000 or None
