"""One installation secret, many uses: each gets a key of its own, so that nothing signed for one passes for another."""

from __future__ import annotations

import base64
import hashlib
import hmac


def key_for(secret_key: str, use: str) -> bytes:
    """A 32-byte key for one use."""
    return hmac.new(secret_key.encode(), f"parley/{use}".encode(), hashlib.sha256).digest()


def sign(key: bytes, *parts: str) -> str:
    """URL-safe signature (24 bytes) over the parts in order."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    digest = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:24]).decode()


def matches(signature: str, key: bytes, *parts: str) -> bool:
    """Constant time, whatever was sent."""
    return hmac.compare_digest(signature.encode("utf-8", "replace"), sign(key, *parts).encode())
