"""Errors of Slack's Web API. Most refusals are HTTP 200 with an error code.

https://docs.slack.dev/reference/methods/chat.postMessage#errors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.retry_after import GATEWAY_TIMEOUTS, parse_retry_after
from schemas.errors import CredentialsRevoked, DeliveryError, RetryLater, SendRefused, SendUnknown
from schemas.ports import VendorResponse

REVOKED = frozenset(
    (
        *("account_inactive", "invalid_auth", "missing_scope", "no_permission", "not_allowed_token_type", "not_authed"),
        *("org_login_required", "team_access_not_granted", "token_expired", "token_revoked"),
        "two_factor_setup_required",
    )
)
RATE_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
ACCOUNT_RATE_LIMITED = frozenset({"rate_limited", "message_limit_exceeded", "team_added_to_org"})
"""Limits of the whole app or workspace; ``ratelimited`` usually concerns one channel."""
NOT_DONE = frozenset({"request_timeout", "team_added_to_org"})
UNCERTAIN = frozenset({"fatal_error", "internal_error", "service_unavailable"})
"""Slack documents that with the first two some work may be done, and says nothing about the third."""
GONE = frozenset(
    (
        *("channel_not_found", "is_archived", "message_not_found", "not_in_channel", "thread_not_found"),
        *("user_not_found", "user_not_in_channel", "users_not_found", "file_not_found", "file_deleted"),
        "channel_is_limited_access",
    )
)
REASONS = {
    **dict.fromkeys(GONE, "not_found"),
    **dict.fromkeys(("msg_too_long", "msg_blocks_too_long", "metadata_too_large", "too_many_attachments"), "too_long"),
    **dict.fromkeys(("cannot_dm_bot", "messages_tab_disabled", "user_disabled", "user_is_restricted"), "blocked"),
    "no_text": "empty",
}
_CODE = re.compile(r"[a-z_]{1,60}")


def require_external_id(reply: VendorResponse) -> str:
    """Return the vendor's id of what a call showed. Raises a DeliveryError."""
    if (error := find_error(reply)) is not None:
        raise error
    files = reply.body.get("files")
    first = files[0] if isinstance(files, list) and files else None
    external_id = reply.body.get("ts") or (first.get("id") if isinstance(first, dict) else None)
    if not isinstance(external_id, str):
        raise SendUnknown("the answer names no message")
    return external_id


def find_error(reply: VendorResponse) -> DeliveryError | None:
    """Return what an answer means, None for a success."""
    body: Mapping[str, Any] = reply.body if isinstance(reply.body, dict) else {}
    code = str(body.get("error") or "")
    if reply.status == 429 or code in RATE_LIMITED:
        return _build_delay("the channel is full", reply, code)
    if reply.status >= 500 or code in UNCERTAIN:
        return SendUnknown(f"Slack failed with {reply.status}", slow=reply.status in GATEWAY_TIMEOUTS)
    if reply.status >= 300:
        return SendRefused(f"http_{reply.status}")
    if body.get("ok") is True:
        return None
    return _build_refusal(reply, code)


def _build_refusal(reply: VendorResponse, code: str) -> DeliveryError:
    if not code:
        return SendUnknown("the answer is not Slack's")
    if code in REVOKED:
        return CredentialsRevoked(f"Slack accepts nothing from this app: {code}")
    if code in NOT_DONE:
        return _build_delay("Slack is unavailable", reply, code)
    return SendRefused(REASONS.get(code) or (code if _CODE.fullmatch(code) else "refused"))


def _build_delay(message: str, reply: VendorResponse, code: str) -> RetryLater:
    wait = parse_retry_after(reply.headers.get("retry-after"))
    return RetryLater(message, retry_after_ms=wait, of_account=code in ACCOUNT_RATE_LIMITED)
