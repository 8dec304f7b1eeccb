"""Whether a request is really Slack's.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime

from schemas.errors import Unauthorized
from schemas.ports import RawRequest

TOLERANCE = 300
"""Seconds that a request may be old, or ahead of us."""
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


def check(request: RawRequest, secret: str, now: datetime) -> None:
    """Raises Unauthorized."""
    stamp = request.headers.get("x-slack-request-timestamp", "")
    # Without a secret (socket mode) anybody could compute the signature.
    if not secret or not _SECONDS.fullmatch(stamp) or abs(now.timestamp() - int(stamp)) > TOLERANCE:
        raise Unauthorized("the signature is missing or too old")
    made = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + request.body, hashlib.sha256).hexdigest()
    sent = request.headers.get("x-slack-signature", "")
    if not hmac.compare_digest(f"v0={made}".encode(), sent.encode("utf-8", "surrogateescape")):
        raise Unauthorized("the signature does not fit")
