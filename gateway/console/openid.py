"""Signing in with an OpenID provider: the authorization code flow with PKCE (S256), a nonce and a state."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

import aiohttp
import orjson
import structlog
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from connectors.http import CONNECTION_ERRORS, needs_proxies
from gateway.config.operators import OpenIdSettings
from gateway.config.secret_keys import SigningKeys
from gateway.wiring.process_services import ProcessServices
from schemas.errors import Unauthorized, Unavailable

log = structlog.get_logger("parley.console")

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
"""Signatures with keys that only the provider has."""
TIMEOUT = aiohttp.ClientTimeout(total=10)
LIFETIME = timedelta(minutes=10)
"""Time to sign in at the provider."""
LEEWAY = 60
"""Seconds by which the provider's clock may differ from ours."""
REFRESH = timedelta(minutes=10)
"""Age of the provider's description and keys at which they are read again."""
MAX_ANSWER = 256 * 1024
CALLBACK_PATH = "/console/openid/callback"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in that has begun, as the browser's cookie holds it."""

    state: str
    nonce: str
    verifier: str
    expires: str
    return_path: str

    @classmethod
    def begin(cls, now: datetime, return_path: str) -> Attempt:
        state, nonce, verifier = (secrets.token_urlsafe(size) for size in (24, 24, 48))
        return cls(state, nonce, verifier, str(int((now + LIFETIME).timestamp())), return_path)

    @property
    def parts(self) -> tuple[str, ...]:
        """Texts without a dot, which separates them in the cookie."""
        return_path = quote(self.return_path, safe="").replace(".", "%2E")
        return self.state, self.nonce, self.verifier, self.expires, return_path


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider's description of itself, with its keys, as of ``read_at``."""

    metadata: Mapping[str, Any]
    keys: KeySet
    read_at: datetime


class OpenIdClient:
    """Sends people to the provider, and verifies what comes back."""

    def __init__(self, services: ProcessServices, settings: OpenIdSettings) -> None:
        self._settings = settings
        self._keys = SigningKeys(services.secret_key, "console openid")
        self._clock = services.clock
        self._limiter = services.state.limiter
        self._redirect_uri = (services.config.console_url or services.config.local_admin_url) + CALLBACK_PATH
        self._provider: Provider | None = None
        self._reading = asyncio.Lock()

    async def begin(self, return_path: str) -> tuple[str, str]:
        """Return the address at the provider, and the cookie for this browser. Raises Unavailable."""
        provider, attempt = await self._find_provider(), Attempt.begin(self._clock(), return_path)
        address: str = prepare_grant_uri(
            provider.metadata["authorization_endpoint"],
            self._settings.client_id,
            "code",
            redirect_uri=self._redirect_uri,
            scope=" ".join(self._settings.scopes),
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
        )
        return address, ".".join((*attempt.parts, self._keys.sign(*attempt.parts)))

    async def finish(self, query: Mapping[str, str], cookie: str) -> tuple[str, str]:
        """Return the value of the claim that names the person, and the page to show. Raises Unauthorized with the
        reason, and Unavailable."""
        attempt = self._decode_cookie(cookie)
        if attempt is None or not secrets.compare_digest(query.get("state", "").encode(), attempt.state.encode()):
            raise Unauthorized("the sign-in was not begun in this browser, or took longer than ten minutes")
        if not await self._is_first_use(attempt):
            raise Unauthorized("this sign-in was used already")
        if "error" in query:
            raise Unauthorized("the provider has refused the sign-in")
        if query.get("iss", self._settings.issuer) != self._settings.issuer:
            raise Unauthorized("the answer comes from another provider")
        tokens = await self._exchange_code(query.get("code", ""), attempt)
        claims = await self._verify(tokens, attempt)
        return self._find_identity(claims), attempt.return_path

    def _decode_cookie(self, cookie: str) -> Attempt | None:
        *parts, signature = cookie.split(".")
        if len(parts) != 5 or not cookie.isascii() or not self._keys.verify(signature, *parts):
            return None
        state, nonce, verifier, expires, return_path = parts
        attempt = Attempt(state, nonce, verifier, expires, unquote(return_path))
        return attempt if self._clock().timestamp() < int(attempt.expires) else None

    async def _is_first_use(self, attempt: Attempt) -> bool:
        keep = LIFETIME.total_seconds()
        name = f"console:openid:{attempt.state}"
        return (await self._limiter.add(name, {"used": 1}, keep=keep, now=self._clock()))["used"] == 1

    async def _exchange_code(self, code: str, attempt: Attempt) -> Mapping[str, Any]:
        provider, settings = await self._find_provider(), self._settings
        secret = settings.client_secret.get_secret_value()
        more = {"code": code, "code_verifier": attempt.verifier}
        if not secret:
            more["client_id"] = settings.client_id
        body = prepare_token_request("authorization_code", redirect_uri=self._redirect_uri, **more)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if secret:
            # RFC 6749, 2.3.1: both are encoded as in a form.
            user, password = (quote(each, safe="") for each in (settings.client_id, secret))
            headers["Authorization"] = aiohttp.encode_basic_auth(user, password)
        status, answer = await _request("POST", provider.metadata["token_endpoint"], data=body, headers=headers)
        if status != 200 or not isinstance(answer.get("id_token"), str):
            log.warning("openid_code_refused", status=status, code=str(answer.get("error", ""))[:100])
            raise Unauthorized("the provider does not accept the code")
        return answer

    async def _verify(self, tokens: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
        try:
            decoded = await self._decode(str(tokens["id_token"]))
            issuer, client_id = self._settings.issuer, self._settings.client_id
            expected = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}}
            known = {"nonce": attempt.nonce, "client_id": client_id, "access_token": tokens.get("access_token")}
            claims = CodeIDToken(decoded.claims, decoded.header, expected, known)
            claims.validate(now=int(self._clock().timestamp()), leeway=LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("openid_token_refused", error=type(error).__name__, claim=getattr(error, "claim_name", ""))
            raise Unauthorized("the provider's token is not valid") from None
        return decoded.claims

    async def _decode(self, token: str) -> jwt.Token:
        """Verify the signature. A key that is not known may be new, so the provider is asked once more."""
        provider = await self._find_provider()
        try:
            return jwt.decode(token, provider.keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            renewed = await self._find_provider(unless=provider)
            return jwt.decode(token, renewed.keys, algorithms=ALGORITHMS)

    def _find_identity(self, claims: Mapping[str, Any]) -> str:
        name = self._settings.claim
        value = claims.get(name)
        if not isinstance(value, str) or not value:
            raise Unauthorized(f"the provider's token has no {name}")
        if name == "email" and claims.get("email_verified", True) is not True:
            raise Unauthorized("the provider has not verified the e-mail address")
        return value

    async def _find_provider(self, *, unless: Provider | None = None) -> Provider:
        """The provider's description, read again if it is old, or if it is ``unless``. Raises Unavailable."""
        async with self._reading:
            known, now = self._provider, self._clock()
            if known is None or known is unless or now > known.read_at + REFRESH:
                known = self._provider = await self._read_provider(now)
            return known

    async def _read_provider(self, now: datetime) -> Provider:
        issuer = self._settings.issuer
        _, metadata = await _request("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if metadata.get("issuer") != issuer:
            raise Unavailable("the OpenID provider calls itself something else than `console.openid.issuer`")
        try:
            _, keys = await _request("GET", str(metadata["jwks_uri"]))
            for name in ("authorization_endpoint", "token_endpoint"):
                if not str(metadata[name]).startswith(("https://", "http://")):
                    raise ValueError(name)
            return Provider(metadata, KeySet.import_key_set(keys), now)  # type: ignore[arg-type]
        except (JoseError, KeyError, ValueError, TypeError) as error:
            raise Unavailable("the OpenID provider's description cannot be used") from error


async def _request(method: str, url: str, **more: Any) -> tuple[int, dict[str, Any]]:
    """Return status and JSON object, which is empty if there is none. Raises Unavailable."""
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, trust_env=needs_proxies()) as http,
            http.request(method, url, allow_redirects=False, **more) as response,
        ):
            body = await response.content.read(MAX_ANSWER)
            if response.status >= 500:
                raise Unavailable("the OpenID provider fails")
            return response.status, _parse(body)
    except CONNECTION_ERRORS as error:
        raise Unavailable("the OpenID provider cannot be reached") from error


def _parse(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
