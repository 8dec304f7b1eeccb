"""Access tokens for brokers that take OAUTHBEARER: the client credentials grant (RFC 6749, section 4.4)."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import quote_plus

import aiohttp
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError
from pydantic import BaseModel, Field, ValidationError

_TIMEOUT = aiohttp.ClientTimeout(total=10)
_RENEWED_AT = 0.8
"""The share of a token's lifetime after which it is renewed."""
_DEFAULT_LIFETIME = 300.0
"""Seconds; the answer need not name them."""


class TokenRefused(KafkaConnectionError):  # type: ignore[misc]  # aiokafka has no types
    """The token endpoint gave no token. The client tries again, as after every lost connection."""


class _TokenAnswer(BaseModel):
    access_token: str = Field(min_length=1, max_length=65_536)
    expires_in: float = Field(default=_DEFAULT_LIFETIME, gt=0)


class BearerTokens(AbstractTokenProvider):  # type: ignore[misc]
    """Gets tokens at ``url`` and keeps each until most of its lifetime is over. ``scope`` may be empty."""

    def __init__(self, url: str, client_id: str, client_secret: str, scope: str) -> None:
        self._url = url
        # RFC 6749, section 2.3.1: both are form-encoded first.
        credentials = aiohttp.encode_basic_auth(quote_plus(client_id), quote_plus(client_secret))
        self._headers = {"Authorization": credentials, "Accept": "application/json"}
        self._form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        self._token = ""
        self._renew_at = 0.0
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """A valid token. Raises TokenRefused."""
        async with self._lock:
            if time.monotonic() >= self._renew_at:
                started = time.monotonic()
                answer = await self._request()
                self._token, self._renew_at = answer.access_token, started + _RENEWED_AT * answer.expires_in
            return self._token

    async def _request(self) -> _TokenAnswer:
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as http,
                http.post(self._url, data=self._form, headers=self._headers, allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    raise TokenRefused(f"{self._url} answered with HTTP {answer.status}")
                return _TokenAnswer.model_validate_json(await answer.content.read(200_000))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TokenRefused(f"{self._url} cannot be reached: {type(error).__name__}") from error
        except ValidationError as error:
            raise TokenRefused(f"{self._url} answered without an access token") from error
