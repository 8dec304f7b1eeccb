"""Requests to Google's APIs: retries, limits of size, and errors with what to do about them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from yarl import URL

from agent_worker.sources.drive.settings import Endpoints
from agent_worker.sources.retries import Retries, TemporaryFailure, read_retry_after
from schemas.errors import DocumentTooLarge, Forbidden, InvalidRequest, NotFound, Unauthorized, Unavailable

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
        self, session: aiohttp.ClientSession, tokens: AccessTokens, endpoints: Endpoints, retries: Retries
    ) -> None:
        self._session = session
        self._tokens = tokens
        self._retries = retries
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
        """Once with a new token, if Google refuses the one in use."""
        try:
            return await self._retries.run(lambda: self._send(url, params, most))
        except TokenRefused as error:
            refused = error.token
        return await self._retries.run(lambda: self._send(url, params, most, refused))

    async def _send(self, url: URL, params: Mapping[str, str], most: int, refused: str = "") -> bytes:
        token = await self._tokens.get(refused)
        headers = {"Authorization": f"Bearer {token}"}
        async with self._session.get(url, params=params, headers=headers, allow_redirects=False) as response:
            if response.status == 200:
                return await _body(response, most)
            data = await response.content.read(_MAX_ERROR_BYTES)
            raise _refusal(response, _reason(data), token)


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


def _refusal(response: aiohttp.ClientResponse, reason: str, token: str) -> Exception:
    status, word = response.status, f" ({reason})" if reason.isidentifier() else ""
    if status == 429 or (status == 403 and reason in _RATE_REASONS):
        retry_after = read_retry_after(response.headers)
        return TemporaryFailure(f"too many requests{word}", retry_after=retry_after, is_limit=True)
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
    return TemporaryFailure(f"status {status}", retry_after=read_retry_after(response.headers))
