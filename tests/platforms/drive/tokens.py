"""Google's token endpoint, https://oauth2.googleapis.com/token.

- JWT bearer grant: RS256 by the service account's key, ``iss`` its address, ``aud`` the endpoint, ``exp`` at most an
  hour after ``iat``; ``sub`` only with domain-wide delegation
  (https://developers.google.com/identity/protocols/oauth2/service-account).
- Refresh token grant: the client must be the one that got the token, and the token must not be revoked
  (https://developers.google.com/identity/protocols/oauth2/web-server#offline).
- Errors are 400 ``invalid_grant``, 401 ``invalid_client`` and ``unauthorized_client``, with a description.
- Access tokens are valid for an hour."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

AUDIENCE = "https://oauth2.googleapis.com/token"
READONLY = "https://www.googleapis.com/auth/drive.readonly"
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass
class ServiceAccount:
    email: str
    key: rsa.RSAPrivateKey
    is_enabled: bool = True
    delegates: set[str] = field(default_factory=set)
    """Users in whose name it may read."""

    def key_file(self, token_uri: str) -> str:
        """The JSON that the console downloads."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "shop",
                "private_key_id": "k1",
                "private_key": pem.decode(),
                "client_email": self.email,
                "client_id": "117",
                "token_uri": token_uri,
                "universe_domain": "googleapis.com",
            }
        )


@dataclass
class UserConsent:
    account: str
    client_id: str
    client_secret: str
    is_revoked: bool = False


@dataclass
class AccessToken:
    account: str
    scopes: set[str]
    expires: float


class TokenServer:
    def __init__(self) -> None:
        self.service_accounts: dict[str, ServiceAccount] = {}
        self.grants: dict[str, UserConsent] = {}
        self.issued: dict[str, AccessToken] = {}
        self.granted_scopes = {READONLY}
        self.lifetime_s = 3600

    def add_service_account(self, email: str) -> ServiceAccount:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.service_accounts[email] = ServiceAccount(email, key)
        return self.service_accounts[email]

    def add_grant(self, account: str, client_id: str, client_secret: str) -> str:
        token = f"1//{secrets.token_urlsafe(24)}"
        self.grants[token] = UserConsent(account, client_id, client_secret)
        return token

    def revoke_access_tokens(self) -> None:
        self.issued.clear()

    def find(self, header: str) -> AccessToken | None:
        """The token of an Authorization header, if it is valid."""
        token = self.issued.get(header.removeprefix("Bearer ")) if header.startswith("Bearer ") else None
        return token if token is not None and token.expires > time.time() else None

    async def handle(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if form.get("grant_type") == _JWT_GRANT:
            return self._service_account(form.get("assertion", ""))
        if form.get("grant_type") == "refresh_token":
            return self._refresh(form)
        return _error(400, "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")

    def _service_account(self, assertion: str) -> web.Response:
        try:
            issuer = str(jwt.decode(assertion, options={"verify_signature": False}).get("iss"))
            account = self.service_accounts[issuer]
        except (jwt.InvalidTokenError, KeyError):
            return _error(400, "invalid_grant", "Invalid grant: account not found")
        try:
            claims = jwt.decode(
                assertion,
                account.key.public_key(),
                algorithms=["RS256"],
                audience=AUDIENCE,
                options={"require": ["iss", "aud", "exp", "iat", "scope"]},
            )
        except jwt.InvalidSignatureError:
            return _error(400, "invalid_grant", "Invalid JWT Signature.")
        except jwt.InvalidTokenError as error:
            return _error(400, "invalid_grant", f"Invalid JWT: {error}")
        if claims["exp"] - claims["iat"] > 3600:
            return _error(400, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes)")
        if not account.is_enabled:
            return _error(400, "invalid_grant", "Invalid grant: account not found")
        subject = str(claims.get("sub", ""))
        if subject and subject not in account.delegates:
            return _error(401, "unauthorized_client", "Client is unauthorized to retrieve access tokens")
        return self._issue(subject or account.email, set(str(claims["scope"]).split()))

    def _refresh(self, form: dict[str, str]) -> web.Response:
        grant = self.grants.get(form.get("refresh_token", ""))
        if grant is None or grant.is_revoked:
            return _error(400, "invalid_grant", "Token has been expired or revoked.")
        if (grant.client_id, grant.client_secret) != (form.get("client_id"), form.get("client_secret")):
            return _error(401, "invalid_client", "The provided client secret is invalid.")
        return self._issue(grant.account, self.granted_scopes)

    def _issue(self, account: str, scopes: set[str]) -> web.Response:
        token = f"ya29.{secrets.token_urlsafe(32)}"
        self.issued[token] = AccessToken(account, scopes, time.time() + self.lifetime_s)
        body: dict[str, Any] = {"access_token": token, "expires_in": self.lifetime_s, "token_type": "Bearer"}
        return web.json_response(body)


def _error(status: int, code: str, description: str) -> web.Response:
    return web.json_response({"error": code, "error_description": description}, status=status)
