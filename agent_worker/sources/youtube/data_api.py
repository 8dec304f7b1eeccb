"""Client of the YouTube Data API: authorization, errors, retries.

Errors: https://developers.google.com/youtube/v3/docs/errors. Retries with exponential backoff:
https://cloud.google.com/storage/docs/retry-strategy#exponential-backoff."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, NoReturn

import aiohttp
from pydantic import BaseModel, Field, ValidationError
from yarl import URL

from agent_worker.sources.youtube.options import YouTubeOptions
from schemas.errors import Forbidden, InvalidRequest, NotFound, RateLimited, TooLarge, Unauthorized, Unavailable

TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=10, sock_read=30)
MAX_ATTEMPTS = 7
MAX_DELAY_S = 64.0
_MAX_BYTES = 20 * 1024 * 1024
_REASON = re.compile(r"[A-Za-z_]{1,60}")
_RATE_REASONS = {"rateLimitExceeded", "userRateLimitExceeded"}
_QUOTA_REASONS = {"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"}
_KEY_REASONS = {"keyInvalid", "keyExpired", "API_KEY_INVALID", "badRequest"}
_PRIVATE = "playlistItemsNotAccessible"
"""A playlist that was made private."""
_CREDENTIALS_FIX = "make a new refresh token as docs/how-to/youtube.md describes, and set `refresh_token`"

Sleep = Callable[[float], Awaitable[None]]


class QuotaExhausted(RateLimited):
    """The units of this day are used up."""

    def __init__(self, why: str = "the quota of the day is used up") -> None:
        super().__init__(
            f"YouTube: {why}",
            fix="the first sync after midnight in California continues; or ask Google for a higher quota",
            retry_after_ms=3_600_000,
        )


class _Temporary(Exception):
    """A failure that may pass. ``retry_after``: seconds that the server asks for."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class _TokenAnswer(BaseModel):
    access_token: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]
    expires_in: float = 3600


def retry_delay(attempt: int, retry_after: float | None, jitter: float) -> float:
    """Seconds before the next attempt; ``attempt`` counts from 0, ``jitter`` is between 0 and 1."""
    backoff = min(MAX_DELAY_S, 2.0**attempt) * (0.5 + jitter / 2)
    return backoff if retry_after is None else retry_after + jitter


class DataApi:
    """Requests one after another. ``session`` follows no redirects, so that no answer leads to another host."""

    def __init__(self, session: aiohttp.ClientSession, options: YouTubeOptions, sleep: Sleep = asyncio.sleep) -> None:
        self._session = session
        self._options = options
        self._sleep = sleep
        self._url = URL(options.api_url.rstrip("/"))
        self._token = ""
        self._token_ends = 0.0
        self._was_refused = False

    async def list(self, resource: str, **params: str) -> dict[str, Any]:
        """Raises Unauthorized, Forbidden, NotFound, InvalidRequest, QuotaExhausted, RateLimited and Unavailable."""
        answer: dict[str, Any] = await self._retry(lambda: self._get_json(resource, params))
        return answer

    async def download_captions(self, track: str) -> bytes:
        """A caption track as WebVTT. Raises what ``list`` raises."""
        data: bytes = await self._retry(lambda: self._get_captions(track))
        return data

    async def _retry(self, request: Callable[[], Awaitable[Any]]) -> Any:
        failure = _Temporary("not asked")
        for attempt in range(MAX_ATTEMPTS):
            try:
                return await request()
            except _Temporary as error:
                failure = error
            except (aiohttp.ClientError, TimeoutError) as error:
                failure = _Temporary(type(error).__name__)
            if failure.retry_after is not None and failure.retry_after > MAX_DELAY_S:
                raise RateLimited(
                    f"YouTube asks to wait {failure.retry_after:.0f} s",
                    fix="sync again later",
                    retry_after_ms=int(failure.retry_after * 1000),
                )
            if attempt + 1 < MAX_ATTEMPTS:
                await self._sleep(retry_delay(attempt, failure.retry_after, random.random()))
        raise Unavailable(f"YouTube does not answer ({failure}, {MAX_ATTEMPTS} attempts)", fix="sync again later")

    async def _get_json(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        data = await self._get(path, params)
        return _parse_object(data)

    async def _get_captions(self, track: str) -> bytes:
        data = await self._get(f"captions/{track}", {"tfmt": "vtt", "alt": "media"})
        if not data.removeprefix(b"\xef\xbb\xbf").startswith(b"WEBVTT"):
            raise _Temporary("an answer without captions")
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
                raise _Temporary("the access token was refused", retry_after=0)
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
                    raise _Temporary("an answer without a token") from None
            reason = "" if response.status >= 500 else _known_word(_parse_object(data).get("error"))
            if not reason or reason == "rate_limit_exceeded":
                raise _Temporary(f"status {response.status}", _retry_after(response))
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
        raise _Temporary("an answer that is no JSON")
    return value


def _raise_failure(response: aiohttp.ClientResponse, data: bytes) -> NoReturn:
    status = response.status
    reasons = _read_reasons(data)
    if reasons & _QUOTA_REASONS:
        raise QuotaExhausted
    if status == 429 or status >= 500 or reasons & _RATE_REASONS:
        raise _Temporary(f"status {status}", _retry_after(response))
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
    except _Temporary:
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


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
