"""Meta's webhook bytes and the signature over them."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

ESCAPES = {"/": "\\/", "<": "\\u003C", "%": "\\u0025", "@": "\\u0040"}


def encode_payload(payload: Any) -> bytes:
    """ASCII only: everything else is escaped, and so are the slash and what could end a script or a format."""
    text = json.dumps(payload, ensure_ascii=True, separators=(",", ":"))
    for plain, escape in ESCAPES.items():
        text = text.replace(plain, escape)
    return text.encode("ascii")


def signatures(secret: str, body: bytes) -> dict[str, str]:
    """Both headers that Meta sends; the SHA-1 one is a legacy that nobody should trust."""
    key = secret.encode()
    return {
        "X-Hub-Signature": "sha1=" + hmac.new(key, body, hashlib.sha1).hexdigest(),
        "X-Hub-Signature-256": "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest(),
    }
