"""Twilio's signature: over the address as it is configured and the sorted parameters, or the hash of a JSON body."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Signer:
    """``key``: the id of a shared key. With one, a header names key and algorithm, and ``secret`` is the key's; without
    one, ``secret`` is the account's token and the algorithm SHA-1."""

    secret: str
    key: str = ""
    algorithm: str = "HMAC_SHA1"

    def headers(self, url: str, pairs: Pairs) -> dict[str, str]:
        """A fragment is no part of what is signed, and neither of what is sent."""
        text = url.partition("#")[0] + "".join(name + value for name, value in sorted(set(pairs)))
        digest = hashlib.sha256 if self.algorithm == "HMAC_SHA256" else hashlib.sha1
        signature = base64.b64encode(hmac.new(self.secret.encode(), text.encode(), digest).digest()).decode()
        told = {"X-Twilio-Signature": signature}
        if self.key:
            told["X-Twilio-Webhooks-Signature-Settings"] = f"key={self.key},algorithm={self.algorithm}"
        return told


def with_body_hash(url: str, body: bytes) -> str:
    """The address of a JSON webhook, which carries what its body hashes to."""
    base, mark, fragment = url.partition("#")
    joint = "&" if "?" in base else "?"
    return f"{base}{joint}bodySHA256={hashlib.sha256(body).hexdigest()}{mark}{fragment}"
