"""Notion's webhooks: the token that verifies a subscription, and signed notifications of changes.

https://developers.notion.com/reference/webhooks
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from pydantic import BaseModel, Field, ValidationError

from schemas.errors import InvalidRequest, Unauthorized
from schemas.ports import SourceNotification

SIGNATURE = "x-notion-signature"
_NO_TOKEN_FIX = "set `webhook_token` in the options of the source to the verification token"


class _NotificationBody(BaseModel):
    """``type``: what happened, such as ``page.content_updated``. The first request of a subscription has none."""

    verification_token: str = Field("", max_length=200)
    type: str = ""


def parse_notification(headers: Mapping[str, str], body: bytes, token: str) -> SourceNotification:
    """``token`` is the verification token of the subscription, with which Notion signs; empty if it is not known yet.
    Raises Unauthorized, InvalidRequest."""
    signature = headers.get(SIGNATURE, "")
    if token and signature:
        expected = "sha256=" + hmac.new(token.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            raise Unauthorized("the signature does not match", fix=_NO_TOKEN_FIX)
    parsed = _parse_body(body)
    if parsed.verification_token:
        return SourceNotification(parsed.verification_token)
    if not token or not signature:
        raise Unauthorized("the notification cannot be verified", fix=_NO_TOKEN_FIX)
    if not parsed.type:
        raise InvalidRequest("this is no notification of Notion")
    return SourceNotification()


def _parse_body(body: bytes) -> _NotificationBody:
    try:
        return _NotificationBody.model_validate_json(body)
    except ValidationError:
        raise InvalidRequest("this is no notification of Notion") from None
