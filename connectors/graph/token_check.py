"""What Meta says about a token: whether it works, what it may do, and when it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.graph.client import GraphClient
from connectors.graph.errors import failure
from schemas.ports import Remark

SOON = timedelta(days=14)
RENEW = "make a new token, of a system user where it is to last"


async def inspected(graph: GraphClient, token: str, us: str, wanted: frozenset[str], now: datetime) -> list[Remark]:
    """``us``: our node, which the token must be able to read. Raises a DeliveryError."""
    reply = await graph.get(us, fields="id")
    if reply.status != 200:
        error = failure(reply)
        return [Remark("fail", f"Meta refuses the account: {error.message}", "check access_token and the account's id")]
    told = await graph.get("debug_token", input_token=token)
    data = told.body.get("data") if told.status == 200 and isinstance(told.body, dict) else None
    if not isinstance(data, dict):
        return [Remark("ok", "the token works; Meta does not say until when")]
    return [*_scopes(data, wanted), _expiry(data.get("expires_at"), now)]


def _scopes(data: dict[str, Any], wanted: frozenset[str]) -> list[Remark]:
    has = data.get("scopes")
    lacking = sorted(wanted - set(has)) if isinstance(has, list) else []
    if not lacking:
        return []
    return [Remark("fail", f"the token lacks {', '.join(lacking)}", "give the app these permissions")]


def _expiry(stamp: Any, now: datetime) -> Remark:
    if not isinstance(stamp, int) or stamp <= 0:
        return Remark("ok", "the token works and does not end")
    ends = datetime.fromtimestamp(stamp, UTC)
    told = f"the token works until {ends:%Y-%m-%d %H:%M} UTC"
    return Remark("warn", told, RENEW) if ends - now < SOON else Remark("ok", told)
