"""Twilio's signature: over the called address and the sorted parameters, or over the hash of a JSON body.

Not taken from Twilio's library, because that raises TypeError without a signature, and because only the account may
choose the algorithm, not a header.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlsplit

from connectors.whatsapp.settings import TwilioAccount
from schemas.errors import InvalidRequest, Unauthorized
from schemas.key_ring import KeyRing
from schemas.ports import RawRequest

MAX_PARAMETERS = 500
"""Twilio sends about thirty, and more every year."""
Pairs = Sequence[tuple[str, str]]


def verify(request: RawRequest, settings: TwilioAccount) -> None:
    """Raises Unauthorized, InvalidRequest (a form that cannot be parsed)."""
    pairs = [] if is_json(request) else parse_parameters(request)
    given = request.headers.get("x-twilio-signature", "").encode("utf-8", "surrogateescape")
    secret, algorithm = _find_secret(request.headers.get("x-twilio-webhooks-signature-settings", ""), settings)
    joined = "".join(name + value for name, value in sorted(set(pairs)))
    texts = [address + joined for address in _list_addresses(request.url)]
    expected = [_sign(key, algorithm, text) for text in texts for key in secret.keys]
    if True not in [hmac.compare_digest(given, each) for each in expected]:
        raise Unauthorized("the signature does not match")
    if is_json(request):
        return _verify_body(request)
    if {value for name, value in pairs if name == "AccountSid"} != {settings.account_sid}:
        raise Unauthorized("this belongs to another account")


def is_json(request: RawRequest) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def parse_parameters(request: RawRequest) -> Pairs:
    """Return the form's fields, including blank ones. Invalid bytes become U+FFFD. Raises InvalidRequest."""
    text = request.body.decode("utf-8", "replace")
    try:
        return parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MAX_PARAMETERS)
    except ValueError as error:
        raise InvalidRequest("the form has too many fields") from error


def _verify_body(request: RawRequest) -> None:
    """The address, which is signed, contains the body's hash."""
    given = parse_qs(request.url.partition("?")[2]).get("bodySHA256", [""])[-1]
    if not hmac.compare_digest(given.lower().encode(), hashlib.sha256(request.body).hexdigest().encode()):
        raise Unauthorized("the body is not the one that was signed")


def _find_secret(header: str, settings: TwilioAccount) -> tuple[KeyRing, Any]:
    """Return keys and hash algorithm. Raises Unauthorized: a header may choose only what the account allows."""
    if not settings.webhook_keys and not header:
        return settings.auth_token, hashlib.sha1
    options = dict(part.strip().partition("=")[::2] for part in header.split(","))
    secret = settings.webhook_keys.get(options.get("key", ""))
    if secret is None or options.get("algorithm", "").upper() != "HMAC_SHA256":
        raise Unauthorized("the account does not allow this signature")
    return secret, hashlib.sha256


def _sign(secret: str, algorithm: Any, text: str) -> bytes:
    signed = text.encode("utf-8", "surrogateescape")
    return base64.b64encode(hmac.new(secret.encode(), signed, algorithm).digest())


def _list_addresses(url: str) -> Iterator[str]:
    """Twilio sometimes signs the address with the port, sometimes without."""
    url = url.partition("#")[0]
    yield url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return  # an invalid Host header
    yield _replace_host(
        parts, parts.netloc.rpartition(":")[0] if port else f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"
    )


def _replace_host(parts: SplitResult, place: str) -> str:
    rest = parts._replace(scheme="", netloc="").geturl()
    return f"{parts.scheme}://{place}{rest}"
