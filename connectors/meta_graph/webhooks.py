"""Meta's webhooks: signature, handshake, and the envelope around updates.

The account's settings have ``app_secret`` and ``verify_token``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import structlog

from connectors.meta_graph.models import Entry, parse_items
from schemas.errors import InvalidRequest, Unauthorized
from schemas.key_ring import KeyRing, is_any
from schemas.ports import Account, RawRequest

log = structlog.get_logger("parley.inbound")


def verify(request: RawRequest, account: Account) -> None:
    """Check the signature over the raw bytes, because Meta escapes non-ASCII text in its own way. The SHA-1 header is
    ignored. Raises Unauthorized."""
    expected = [
        "sha256=" + hmac.new(key.encode(), request.body, hashlib.sha256).hexdigest()
        for key in account.settings.app_secret.keys
    ]
    if not is_any(request.headers.get("x-hub-signature-256", ""), expected):
        raise Unauthorized("the signature does not match")


def answer_challenge(request: RawRequest, account: Account) -> str | None:
    """Return the challenge when Meta asks whether the address is ours. Raises Unauthorized, InvalidRequest."""
    query = request.query
    if request.method != "GET":
        return None
    if "hub.mode" not in query:
        raise InvalidRequest("hub.mode is missing: Meta asks here whether the address is ours")
    token: KeyRing = account.settings.verify_token
    if query["hub.mode"] != "subscribe" or not token.matches(query.get("hub.verify_token", "")):
        raise Unauthorized("the verify token does not match")
    if not query.get("hub.challenge"):
        raise InvalidRequest("hub.challenge is missing")
    return query["hub.challenge"]


def iterate_entries(request: RawRequest, account: Account, kind: str) -> Iterator[Entry]:
    """Yield the entries of a batch about this ``object``; none for another object. Raises InvalidRequest."""
    body = _parse_json(request.body)
    if body.get("object") != kind:
        log.warning("object_unknown", tenant=account.tenant, channel=account.channel, account=account.name)
        return
    entries = body.get("entry")
    if not isinstance(entries, list):
        raise InvalidRequest("entry must be a list")
    yield from parse_items(Entry, entries, account)


def find_owner(called: Account, owns: Callable[[Any], bool]) -> Account | None:
    """Return the account that an update belongs to: the one that was called, or a sibling with the same app secret."""
    if owns(called.settings):
        return called
    secret: KeyRing = called.settings.app_secret
    for sibling in called.siblings():
        sibling_secret = getattr(sibling.settings, "app_secret", None)
        if (
            sibling_secret is not None
            and any(secret.matches(key) for key in sibling_secret.keys)
            and owns(sibling.settings)
        ):
            return sibling
    log.warning("account_unknown", tenant=called.tenant, channel=called.channel, account=called.name)
    return None


def _parse_json(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidRequest("the body is not JSON") from None
    if not isinstance(parsed, dict):
        raise InvalidRequest("the body must be a JSON object")
    return parsed
