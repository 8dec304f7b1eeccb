"""Valid vendor signatures for request bodies of the tests."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl

from connectors.whatsapp.twilio.signature import is_json
from schemas.ports import Account, RawRequest
from tests.simulators.meta.signing import signatures
from tests.simulators.slack.http_delivery import signature
from tests.simulators.twilio.signing import Signer, with_body_hash


def sign_request(request: RawRequest, account: Account, *, at: float) -> RawRequest:
    """By the account's own secrets; ``at`` is the moment, where the vendor says it."""
    settings, proofs = account.settings, {}
    if account.channel == "slack":
        stamp, secret = str(int(at)), settings.signing_secret.get_secret_value()
        proofs = {"x-slack-request-timestamp": stamp, "x-slack-signature": signature(secret, stamp, request.body)}
    elif hasattr(settings, "app_secret"):
        proofs = signatures(settings.app_secret.get_secret_value(), request.body)
    elif hasattr(settings, "auth_token"):
        return _by_twilio(request, _signer(settings))
    return _with(request, proofs)


def _by_twilio(request: RawRequest, signer: Signer) -> RawRequest:
    if is_json(request):
        request = replace(request, url=with_body_hash(request.url.partition("?")[0], request.body))
        return _with(request, signer.headers(request.url, []))
    text = request.body.decode("utf-8", "replace")
    pairs = parse_qsl(text, keep_blank_values=True, errors="replace")
    return _with(request, signer.headers(request.url, pairs))


def _signer(settings: object) -> Signer:
    keys = getattr(settings, "webhook_keys", {})
    for key, secret in keys.items():
        return Signer(secret.get_secret_value(), key, "HMAC_SHA256")
    return Signer(settings.auth_token.get_secret_value())  # type: ignore[attr-defined]


def _with(request: RawRequest, headers: dict[str, str]) -> RawRequest:
    return replace(request, headers={**request.headers, **{name.lower(): value for name, value in headers.items()}})
