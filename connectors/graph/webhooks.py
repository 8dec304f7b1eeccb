"""Meta's webhooks: the signature, the handshake, and the envelope around updates.

An account's settings have ``app_secret`` and ``verify_token``."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import structlog

from connectors.graph.models import Entry, read
from schemas.errors import InvalidRequest, Unauthorized
from schemas.ports import Account, RawRequest

log = structlog.get_logger("parley.inbound")


def verify(request: RawRequest, account: Account) -> None:
    """Over the bytes as they came: Meta escapes what is not ASCII, and nobody writes the same JSON twice. The SHA-1
    header counts for nothing. Raises Unauthorized."""
    secret = account.settings.app_secret.get_secret_value()
    wanted = "sha256=" + hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    if not _same(request.headers.get("x-hub-signature-256", ""), wanted):
        raise Unauthorized("the signature does not fit")


def answer(request: RawRequest, account: Account) -> str | None:
    """The challenge, when Meta asks whether the address is ours. Raises Unauthorized, InvalidRequest."""
    asked = request.query
    if request.method != "GET" or "hub.mode" not in asked:
        return None
    token = account.settings.verify_token.get_secret_value()
    if asked["hub.mode"] != "subscribe" or not _same(asked.get("hub.verify_token", ""), token):
        raise Unauthorized("the verify token does not fit")
    if not asked.get("hub.challenge"):
        raise InvalidRequest("hub.challenge is missing")
    return asked["hub.challenge"]


def entries(request: RawRequest, account: Account, kind: str) -> Iterator[Entry]:
    """The entries of a batch of this ``object``; of another object there are none. Raises InvalidRequest."""
    body = _decoded(request.body)
    if body.get("object") != kind:
        log.warning("object_unknown", tenant=account.tenant, channel=account.channel, account=account.name)
        return
    found = body.get("entry")
    if not isinstance(found, list):
        raise InvalidRequest("entry must be a list")
    for each in found:
        entry = read(Entry, each, account)
        if entry is not None:
            yield entry


def owner(called: Account, is_its: Callable[[Any], bool]) -> Account | None:
    """The account that an update belongs to: the one that was called, or a sibling. Who knows the secret of one app
    may speak for the accounts of that app only."""
    if is_its(called.settings):
        return called
    secret = called.settings.app_secret.get_secret_value()
    for sibling in called.siblings():
        theirs = getattr(sibling.settings, "app_secret", None)
        if theirs is not None and _same(theirs.get_secret_value(), secret) and is_its(sibling.settings):
            return sibling
    log.warning("account_unknown", tenant=called.tenant, channel=called.channel, account=called.name)
    return None


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidRequest("the body is not JSON") from None
    if not isinstance(found, dict):
        raise InvalidRequest("the body must be a JSON object")
    return found


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode())
