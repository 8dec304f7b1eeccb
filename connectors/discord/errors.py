"""Meaning of Discord's answers. Its error code is more precise than the status, and the body's pause than the header's.

https://docs.discord.com/developers/topics/opcodes-and-status-codes
"""

from __future__ import annotations

from typing import Any

from connectors.retry_after import parse_retry_after
from schemas.errors import CredentialsRevoked, DeliveryError, RetryLater, SendRefused, SendUnknown
from schemas.ports import VendorResponse

REFUSALS = {
    10003: "not_found",
    10008: "not_found",
    10013: "not_found",
    30015: "too_many_files",
    40005: "file_too_large",
    50001: "missing_permission",
    50006: "empty",
    50007: "blocked",
    50008: "not_a_text_channel",
    50009: "missing_permission",
    50013: "missing_permission",
    50083: "archived",
    50278: "blocked",
    160002: "missing_permission",
    160005: "locked",
    200000: "moderated",
    200001: "moderated",
}
BLOCKED_MS = 60_000
"""Cloudflare's error pages mostly do not say when the block ends, and further requests prolong it."""


def require_external_id(reply: VendorResponse) -> str:
    """Return the id of the message. Raises a DeliveryError."""
    raise_for_error(reply)
    id_ = reply.body.get("id") if isinstance(reply.body, dict) else None
    if not isinstance(id_, str) or not id_:
        raise SendUnknown("the answer cannot be read")
    return id_


def raise_for_error(reply: VendorResponse) -> None:
    """Raises a DeliveryError unless the answer is a success."""
    if reply.status >= 400:
        raise _build_error(reply)
    if not 200 <= reply.status < 300:
        raise SendUnknown(f"status {reply.status}")


def _build_error(reply: VendorResponse) -> DeliveryError:
    if reply.status >= 500 or reply.status == 408:
        return SendUnknown(f"status {reply.status}")
    if reply.status == 429:
        return _build_delay(reply)
    if reply.status == 401:
        return CredentialsRevoked("the bot's token is not accepted")
    if reply.status == 403 and (not isinstance(reply.body, dict) or _get_code(reply.body) == 40333):
        return RetryLater("blocked in front of Discord", retry_after_ms=BLOCKED_MS, of_account=True)
    return SendRefused(_get_reason(reply))


def _build_delay(reply: VendorResponse) -> RetryLater:
    if not isinstance(reply.body, dict):
        wait = max(BLOCKED_MS, parse_retry_after(reply.headers.get("retry-after")) or 0)
        return RetryLater("blocked in front of Discord", retry_after_ms=wait, of_account=True)
    wait_ms = parse_retry_after(reply.body.get("retry_after"))
    if wait_ms is None:
        wait_ms = parse_retry_after(reply.headers.get("retry-after"))
    scope = reply.headers.get("x-ratelimit-scope")
    of_account = reply.body.get("global") is True or scope == "global"
    return RetryLater("rate-limited by Discord", retry_after_ms=wait_ms, of_account=of_account)


def _get_reason(reply: VendorResponse) -> str:
    code = _get_code(reply.body)
    if code == 50035:
        return "too_long" if _is_too_long(reply.body.get("errors")) else "invalid"
    if reply.status == 413:
        return "file_too_large"
    return REFUSALS.get(code, f"refused_{code or reply.status}")


def _is_too_long(errors: Any) -> bool:
    content = errors.get("content") if isinstance(errors, dict) else None
    problems = content.get("_errors") if isinstance(content, dict) else None
    return any(isinstance(each, dict) and each.get("code") == "BASE_TYPE_MAX_LENGTH" for each in problems or [])


def _get_code(body: Any) -> int:
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, int) else 0
