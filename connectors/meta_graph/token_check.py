"""Check of an access token: whether it works, what it may do, and when it expires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.meta_graph.client import GraphClient
from connectors.meta_graph.errors import build_delivery_error
from schemas.ports import AccountFinding

EXPIRES_SOON = timedelta(days=14)
RENEW_FIX = "create a new token; the token of a system user does not expire"


async def check_token(
    graph: GraphClient, token: str, us: str, required_scopes: frozenset[str], now: datetime
) -> list[AccountFinding]:
    """Check the token. ``us``: our node, which it must be able to read. Raises a DeliveryError."""
    reply = await graph.get(us, fields="id")
    if reply.status != 200:
        error = build_delivery_error(reply)
        return [
            AccountFinding(
                "fail", f"Meta refuses the account: {error.message}", "check access_token and the account's id"
            )
        ]
    answer = await graph.get("debug_token", input_token=token)
    data = answer.body.get("data") if answer.status == 200 and isinstance(answer.body, dict) else None
    if not isinstance(data, dict):
        return [AccountFinding("ok", "the token works; Meta does not say when it expires")]
    return [*_check_scopes(data, required_scopes), _check_expiry(data.get("expires_at"), now)]


def _check_scopes(data: dict[str, Any], required_scopes: frozenset[str]) -> list[AccountFinding]:
    granted = data.get("scopes")
    missing = sorted(required_scopes - set(granted)) if isinstance(granted, list) else []
    if not missing:
        return []
    return [AccountFinding("fail", f"the token lacks {', '.join(missing)}", "give the app these permissions")]


def _check_expiry(stamp: Any, now: datetime) -> AccountFinding:
    if not isinstance(stamp, int) or stamp <= 0:
        return AccountFinding("ok", "the token works and does not expire")
    expires_at = datetime.fromtimestamp(stamp, UTC)
    detail = f"the token works until {expires_at:%Y-%m-%d %H:%M} UTC"
    return (
        AccountFinding("warn", detail, RENEW_FIX) if expires_at - now < EXPIRES_SOON else AccountFinding("ok", detail)
    )
