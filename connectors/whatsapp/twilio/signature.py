"""Twilio's signature: over the address as it was called and the sorted parameters, or over the hash of a JSON body.

Written out instead of taken from Twilio's library, because that raises TypeError without a signature, and because the
algorithm may only be what the account allows, whatever a header says.
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
from schemas.ports import RawRequest

MOST_PARAMETERS = 500
"""Twilio sends some thirty, and more every year."""
Pairs = Sequence[tuple[str, str]]


def verify(request: RawRequest, settings: TwilioAccount) -> None:
    """Raises Unauthorized, InvalidRequest (a form that cannot be read)."""
    pairs = [] if is_json(request) else parameters(request)
    given = request.headers.get("x-twilio-signature", "").encode("utf-8", "surrogateescape")
    secret, algorithm = _key(request.headers.get("x-twilio-webhooks-signature-settings", ""), settings)
    joined = "".join(name + value for name, value in sorted(set(pairs)))
    wanted = [_signature(secret, algorithm, address + joined) for address in _addresses(request.url)]
    if True not in [hmac.compare_digest(given, each) for each in wanted]:
        raise Unauthorized("the signature does not fit")
    if is_json(request):
        return _verify_body(request)
    if {value for name, value in pairs if name == "AccountSid"} != {settings.account_sid}:
        raise Unauthorized("this is of another account")


def is_json(request: RawRequest) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def parameters(request: RawRequest) -> Pairs:
    """Of the form, blank ones too. Bytes that are no text become U+FFFD. Raises InvalidRequest."""
    text = request.body.decode("utf-8", "replace")
    try:
        return parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        raise InvalidRequest("the form has too many fields") from error


def _verify_body(request: RawRequest) -> None:
    """The address, which is signed, tells what the body hashes to."""
    told = parse_qs(request.url.partition("?")[2]).get("bodySHA256", [""])[-1]
    if not hmac.compare_digest(told.lower().encode(), hashlib.sha256(request.body).hexdigest().encode()):
        raise Unauthorized("the body is not the one that was signed")


def _key(told: str, settings: TwilioAccount) -> tuple[str, Any]:
    """Secret and hash. Raises Unauthorized: a header chooses among what the account allows, and nothing else."""
    if not settings.webhook_keys and not told:
        return settings.auth_token.get_secret_value(), hashlib.sha1
    about = dict(part.strip().partition("=")[::2] for part in told.split(","))
    secret = settings.webhook_keys.get(about.get("key", ""))
    if secret is None or about.get("algorithm", "").upper() != "HMAC_SHA256":
        raise Unauthorized("the account does not allow this signature")
    return secret.get_secret_value(), hashlib.sha256


def _signature(secret: str, algorithm: Any, text: str) -> bytes:
    signed = text.encode("utf-8", "surrogateescape")
    return base64.b64encode(hmac.new(secret.encode(), signed, algorithm).digest())


def _addresses(url: str) -> Iterator[str]:
    """Twilio is not of one mind about whether the port is a part of it."""
    url = url.partition("#")[0]
    yield url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return  # what a forger put into the Host header
    yield _at(
        parts, parts.netloc.rpartition(":")[0] if port else f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"
    )


def _at(parts: SplitResult, place: str) -> str:
    rest = parts._replace(scheme="", netloc="").geturl()
    return f"{parts.scheme}://{place}{rest}"
