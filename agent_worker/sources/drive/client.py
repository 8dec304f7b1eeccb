"""Requests to Google's APIs: retries with backoff, limits of size, and errors with what to do about them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from yarl import URL

from agent_worker.sources.drive.settings import Endpoints
from schemas.errors import (
    DocumentTooLarge,
    Forbidden,
    InvalidRequest,
    NotFound,
    ParleyError,
    RateLimited,
    Unauthorized,
    Unavailable,
)

if TYPE_CHECKING:  # google-auth is an extra
    from agent_worker.sources.drive.credentials import AccessTokens

TIMEOUT = aiohttp.ClientTimeout(total=300, sock_connect=10, sock_read=60)
_CHUNK_BYTES = 64 * 1024
_MAX_ERROR_BYTES = 64 * 1024
MAX_LIST_BYTES = 16 * 1024 * 1024
_RATE_REASONS = frozenset({"userRateLimitExceeded", "rateLimitExceeded", "sharingRateLimitExceeded"})
"""Reasons of a 403 that means the same as a 429."""
_PROJECT_FIXES = {
    "accessNotConfigured": "enable the Google Drive API and the Google Sheets API in the project of the credentials",
    "SERVICE_DISABLED": "enable the Google Drive API and the Google Sheets API in the project of the credentials",
    "insufficientPermissions": "grant the credentials the scope drive.readonly",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "grant the credentials the scope drive.readonly",
    "domainPolicy": "the domain's administrators must allow apps of third parties to use Drive",
    "dailyLimitExceeded": "raise the quota of the project, or sync less often",
}
"""Fixes for what goes wrong with every file alike, by Google's reason."""
_FILE_FIXES = {
    "cannotDownloadFile": "its owner can let viewers download, print and copy it",
    "cannotExportFile": "its owner can let viewers download, print and copy it",
    "cannotDownloadAbusiveFile": "Google takes it for malware or spam: remove it",
    "insufficientFilePermissions": "share it with the account as a viewer",
    "appNotAuthorizedToFile": "share it with the account as a viewer",
    "PERMISSION_DENIED": "share it with the account as a viewer",
}


class DriveForbidden(Forbidden):
    """``reason``: Google's word for why."""

    def __init__(self, reason: str) -> None:
        word = f" ({reason})" if reason.isidentifier() else ""
        fix = (_PROJECT_FIXES | _FILE_FIXES).get(reason, "")
        super().__init__(f"drive: Google does not allow it{word}", fix=fix)
        self.reason = reason

    @property
    def closes_content(self) -> bool:
        """Whether the content of this file is closed to the account."""
        return self.reason in _FILE_FIXES

    @property
    def concerns_all(self) -> bool:
        """Whether it is the same for every file."""
        return self.reason in _PROJECT_FIXES


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Truncated exponential backoff, as Google documents it. A longer ``Retry-After`` than ``max_wait_s`` ends the
    sync, which goes on at the next one."""

    attempts: int = 8
    first_delay_s: float = 1.0
    max_delay_s: float = 64.0
    max_wait_s: float = 120.0

    def delay(self, attempt: int, requested: float) -> float:
        """``requested``: seconds that the server asks for; 0 if it says nothing."""
        if requested:
            return requested + random.uniform(0, self.first_delay_s)
        return min(self.max_delay_s, self.first_delay_s * 2.0**attempt) * random.uniform(0.5, 1)


class TokenRefused(Unauthorized):
    """The API does not accept the access token. A new one may help."""

    def __init__(self, token: str, word: str) -> None:
        super().__init__(
            f"drive: Google refuses the access token{word}",
            fix="check that the account still exists and that its access was not revoked; then set new credentials",
        )
        self.token = token


class DriveClient:
    """Asks the Drive API and the Sheets API, and nobody else: redirects are not followed."""

    def __init__(
        self, session: aiohttp.ClientSession, tokens: AccessTokens, endpoints: Endpoints, retry: RetryPolicy
    ) -> None:
        self._session = session
        self._tokens = tokens
        self._retry = retry
        self._endpoints = endpoints

    async def drive(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        """A JSON answer of the Drive API. Raises what ``download`` raises."""
        return _parse(await self._get(self._endpoints.drive / path, params, MAX_LIST_BYTES))

    async def download(self, path: str, params: Mapping[str, str], most: int) -> bytes:
        """Raises NotFound, DriveForbidden, InvalidRequest, Unauthorized, DocumentTooLarge beyond ``most`` bytes;
        RateLimited and Unavailable when all attempts failed."""
        return await self._get(self._endpoints.drive / path, params, most)

    async def sheets(self, path: str, params: Mapping[str, str], most: int) -> dict[str, Any]:
        data = await self._get(self._endpoints.sheets / path, params, most)
        return await asyncio.to_thread(_parse, data)

    async def _get(self, url: URL, params: Mapping[str, str], most: int) -> bytes:
        refused = ""
        for attempt in range(self._retry.attempts):
            try:
                token = await self._tokens.get(refused)
                return await self._attempt(url, params, token, most)
            except TokenRefused as error:
                if refused:
                    raise
                refused = error.token
            except (RateLimited, Unavailable) as error:
                if attempt == self._retry.attempts - 1:
                    raise
                await self._wait(attempt, error)
        raise Unavailable("drive: no attempt succeeded")

    async def _wait(self, attempt: int, error: ParleyError) -> None:
        requested = (error.retry_after_ms or 0) / 1000
        if requested > self._retry.max_wait_s:
            raise error
        await asyncio.sleep(self._retry.delay(attempt, requested))

    async def _attempt(self, url: URL, params: Mapping[str, str], token: str, most: int) -> bytes:
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with self._session.get(url, params=params, headers=headers, allow_redirects=False) as response:
                if response.status == 200:
                    return await _body(response, most)
                data = await response.content.read(_MAX_ERROR_BYTES)
                raise _refusal(response, _reason(data), token)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"drive: {url.host} cannot be read ({type(error).__name__})", retry_after_ms=0) from error


async def _body(response: aiohttp.ClientResponse, most: int) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        data += chunk
        if len(data) > most:
            raise DocumentTooLarge(
                f"drive: larger than {most // (1024 * 1024)} MB", fix="split it into several documents"
            )
    return bytes(data)


def _parse(data: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise Unavailable("drive: Google's answer is not a JSON object", retry_after_ms=0)
    return value


def _reason(data: bytes) -> str:
    """Google's word for an error: in ``errors`` at the Drive API, in ``details`` or ``status`` at the Sheets API."""
    try:
        error = _parse(data).get("error")
    except Unavailable:
        return ""
    if not isinstance(error, dict):
        return ""
    listed = [*_objects(error.get("errors")), *_objects(error.get("details"))]
    reasons = [str(each["reason"]) for each in listed if "reason" in each]
    return (reasons or [str(error.get("status", ""))])[0][:80]


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _refusal(response: aiohttp.ClientResponse, reason: str, token: str) -> ParleyError:
    status, word = response.status, f" ({reason})" if reason.isidentifier() else ""
    if status == 429 or (status == 403 and reason in _RATE_REASONS):
        return RateLimited(f"drive: too many requests{word}", retry_after_ms=_retry_after(response))
    if status == 401:
        return TokenRefused(token, word)
    if reason == "exportSizeLimitExceeded":
        return DocumentTooLarge("drive: Google exports at most 10 MB", fix="split it into several documents")
    if status == 403:
        return DriveForbidden(reason)
    if status == 404:
        return NotFound("drive: not found, or not shared with the account")
    if 400 <= status < 500 and status != 408:
        return InvalidRequest(f"drive: Google answered {status}{word}")
    return Unavailable(f"drive: Google answered {status}", retry_after_ms=_retry_after(response))


def _retry_after(response: aiohttp.ClientResponse) -> int:
    """Milliseconds, from seconds or from a date; 0 if there is neither."""
    value = response.headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return int(value[:9]) * 1000
    try:
        wait = parsedate_to_datetime(value) - datetime.now(UTC)
    except (ValueError, TypeError):
        return 0
    return max(0, int(wait.total_seconds() * 1000))
