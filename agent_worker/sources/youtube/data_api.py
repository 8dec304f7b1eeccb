"""Client of the YouTube Data API: authorization and errors.

Errors: https://developers.google.com/youtube/v3/docs/errors."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

import aiohttp
from pydantic import BaseModel, Field, ValidationError
from yarl import URL

from agent_worker.sources.retries import Retries, Sleep, TemporaryFailure, read_retry_after
from agent_worker.sources.youtube.options import YouTubeOptions
from schemas.errors import Forbidden, InvalidRequest, NotFound, RateLimited, TooLarge, Unauthorized

TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=10, sock_read=30)
_MAX_WAIT_S = 64.0
_MAX_BYTES = 20 * 1024 * 1024
_REASON = re.compile(r"[A-Za-z_]{1,60}")
_RATE_REASONS = {"rateLimitExceeded", "userRateLimitExceeded"}
_QUOTA_REASONS = {"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"}
_KEY_REASONS = {"keyInvalid", "keyExpired", "API_KEY_INVALID", "badRequest"}
_PRIVATE = "playlistItemsNotAccessible"
"""A playlist that was made private."""
_CREDENTIALS_FIX = "make a new refresh token as docs/how-to/youtube.md describes, and set `refresh_token`"


class QuotaExhausted(RateLimited):
    """The units of this day are used up."""

    def __init__(self, why: str = "the quota of the day is used up") -> None:
        super().__init__(
            f"YouTube: {why}",
            fix="the first sync after midnight in California continues; or ask Google for a higher quota",
            retry_after_ms=3_600_000,
        )


class _TokenAnswer(BaseModel):
    access_token: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]
    expires_in: float = 3600


class DataApi:
    """Requests one after another. ``session`` follows no redirects, so that no answer leads to another host."""

    def __init__(self, session: aiohttp.ClientSession, options: YouTubeOptions, sleep: Sleep = asyncio.sleep) -> None:
        self._session = session
        self._options = options
        self._retries = Retries("YouTube", max_wait_s=_MAX_WAIT_S, sleep=sleep)
        self._url = URL(options.api_url.rstrip("/"))
        self._token = ""
        self._token_ends = 0.0
        self._was_refused = False

    async def list(self, resource: str, **params: str) -> dict[str, Any]:
        """Raises Unauthorized, Forbidden, NotFound, InvalidRequest, QuotaExhausted, RateLimited and Unavailable."""
        return await self._retries.run(lambda: self._get_json(resource, params))

    async def download_captions(self, track: str) -> bytes:
        """A caption track as WebVTT. Raises what ``list`` raises."""
        return await self._retries.run(lambda: self._get_captions(track))

    async def _get_json(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        data = await self._get(path, params)
        return _parse_object(data)

    async def _get_captions(self, track: str) -> bytes:
        data = await self._get(f"captions/{track}", {"tfmt": "vtt", "alt": "media"})
        if not data.removeprefix(b"\xef\xbb\xbf").startswith(b"WEBVTT"):
            raise TemporaryFailure("an answer without captions")
        return data

    async def _get(self, path: str, params: Mapping[str, str]) -> bytes:
        headers = await self._authorize()
        async with self._session.get(
            self._url / path, params=params, headers=headers, allow_redirects=False
        ) as response:
            data = await _read_body(response)
            if response.status == 200:
                self._was_refused = False
                return data
            if response.status == 401 and self._token and not self._was_refused:
                self._token, self._was_refused = "", True  # expired early or withdrawn: the token endpoint knows
                raise TemporaryFailure("the access token was refused")
            _raise_failure(response, data)

    # ── authorization ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _authorize(self) -> dict[str, str]:
        """Secrets travel in headers, because addresses are logged."""
        if not self._options.uses_oauth:
            return {"X-Goog-Api-Key": self._options.api_key.get_secret_value()}
        if not self._token or time.monotonic() > self._token_ends:
            answer = await self._refresh_token()
            self._token, self._token_ends = answer.access_token, time.monotonic() + answer.expires_in - 60
        return {"Authorization": f"Bearer {self._token}"}

    async def _refresh_token(self) -> _TokenAnswer:
        """https://developers.google.com/identity/protocols/oauth2/web-server#offline"""
        form = {
            "grant_type": "refresh_token",
            "client_id": self._options.client_id.get_secret_value(),
            "client_secret": self._options.client_secret.get_secret_value(),
            "refresh_token": self._options.refresh_token.get_secret_value(),
        }
        async with self._session.post(self._options.token_url, data=form, allow_redirects=False) as response:
            data = await _read_body(response)
            if response.status == 200:
                try:
                    return _TokenAnswer.model_validate(_parse_object(data))
                except ValidationError:
                    raise TemporaryFailure("an answer without a token") from None
            reason = "" if response.status >= 500 else _known_word(_parse_object(data).get("error"))
            if not reason or reason == "rate_limit_exceeded":
                raise TemporaryFailure(f"status {response.status}", retry_after=read_retry_after(response.headers))
        raise Unauthorized(f"YouTube: Google refuses the refresh token ({reason})", fix=_CREDENTIALS_FIX)


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        data += chunk
        if len(data) > _MAX_BYTES:
            raise TooLarge(f"YouTube: an answer is larger than {_MAX_BYTES // (1024 * 1024)} MB")
    return bytes(data)


def _parse_object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise TemporaryFailure("an answer that is no JSON")
    return value


def _raise_failure(response: aiohttp.ClientResponse, data: bytes) -> NoReturn:
    status = response.status
    reasons = _read_reasons(data)
    if reasons & _QUOTA_REASONS:
        raise QuotaExhausted
    if status == 429 or status >= 500 or reasons & _RATE_REASONS:
        raise TemporaryFailure(f"status {status}", retry_after=read_retry_after(response.headers))
    said = f"YouTube answered {status}{''.join(f' {each}' for each in sorted(reasons))}"
    if status == 401 or (status == 400 and reasons & _KEY_REASONS):
        raise Unauthorized(said, fix="check `api_key`, or `client_id`, `client_secret` and `refresh_token`")
    if reasons & {"accessNotConfigured", "SERVICE_DISABLED"}:
        raise Forbidden(said, fix="enable the YouTube Data API v3 for the project in the Google Cloud console")
    if "insufficientPermissions" in reasons or "ACCESS_TOKEN_SCOPE_INSUFFICIENT" in reasons:
        raise Forbidden(
            said, fix="make the refresh token with the scope https://www.googleapis.com/auth/youtube.force-ssl"
        )
    if status == 404 or _PRIVATE in reasons:
        raise NotFound(said)
    if status == 403:
        raise Forbidden(said)
    raise InvalidRequest(said)


def _read_reasons(data: bytes) -> set[str]:
    """The reasons of an error, of the older kind (``errors``) and the newer (``details``)."""
    try:
        error = _parse_object(data).get("error")
    except TemporaryFailure:
        return set()
    if not isinstance(error, dict):
        return set()
    entries = [*_entries(error.get("errors")), *_entries(error.get("details"))]
    return {word for each in entries if (word := _known_word(each.get("reason")))}


def _entries(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _known_word(value: object) -> str:
    """A reason as an identifier; empty for other text, which could repeat what was sent."""
    return value if isinstance(value, str) and _REASON.fullmatch(value) else ""
