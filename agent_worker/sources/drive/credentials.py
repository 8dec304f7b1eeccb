"""Access tokens from google-auth. Its requests go through our own HTTP session, so that no thread opens connections."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.auth.transport import Request, Response
from google.oauth2 import credentials as oauth
from google.oauth2 import service_account

from agent_worker.sources.drive.settings import DriveOptions, Endpoints, check_host
from agent_worker.sources.retries import TemporaryFailure
from schemas.errors import InvalidRequest, Unauthorized
from schemas.runtime.address_guard import AddressGuard

SCOPES = ("https://www.googleapis.com/auth/drive.readonly",)
_ERROR_CODE = re.compile(r"[a-z_]{1,50}")
_MAX_BYTES = 64 * 1024
_TIMEOUT_S = 60.0


def read_credentials(options: DriveOptions, endpoints: Endpoints, guard: AddressGuard) -> Credentials:
    """Raises InvalidRequest for a broken key, and Forbidden for one whose tokens come from a foreign host."""
    if options.has_oauth:
        return oauth.Credentials(
            None,
            refresh_token=options.refresh_token.get_secret_value(),
            client_id=options.client_id,
            client_secret=options.client_secret.get_secret_value(),
            token_uri=str(endpoints.token),
        )
    try:
        key = json.loads(options.service_account.get_secret_value())
        check_host(str(key["token_uri"]), guard)
        account: Credentials = service_account.Credentials.from_service_account_info(
            key, scopes=SCOPES, subject=options.subject or None
        )
    except (GoogleAuthError, ValueError, KeyError, TypeError):
        raise InvalidRequest(
            "drive: `service_account` is not the JSON key of a service account",
            fix="create a key of type JSON, and set `service_account: file:<the downloaded file>`",
        ) from None  # the cause may quote the key
    return account


def describe_account(credentials: Credentials) -> str:
    """The account that folders must be shared with."""
    email = getattr(credentials, "service_account_email", "")
    return str(email) or "the account that gave the refresh token"


class TokenResponse(Response):
    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self._status, self._headers, self._data = status, headers, data

    @property
    def status(self) -> int:
        return self._status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers

    @property
    def data(self) -> bytes:
        return self._data


class TokenTransport(Request):
    """google-auth calls this in a thread; the request itself runs on the event loop."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **kwargs: object,
    ) -> TokenResponse:
        sending = asyncio.run_coroutine_threadsafe(self._send(url, method, body, headers), self._loop)
        try:
            return sending.result(timeout or _TIMEOUT_S)
        except Exception as error:  # google-auth expects its own error, whatever failed
            sending.cancel()
            raise TransportError(type(error).__name__) from error

    async def _send(
        self, url: str, method: str, body: bytes | None, headers: Mapping[str, str] | None
    ) -> TokenResponse:
        sent = self._session.request(method, url, data=body, headers=headers, allow_redirects=False)
        async with sent as response:
            data = bytearray()
            async for chunk in response.content.iter_any():
                data += chunk
                if len(data) > _MAX_BYTES:
                    raise ValueError("the response is too large")
            return TokenResponse(response.status, response.headers, bytes(data))


class AccessTokens:
    """The current access token, renewed when it has expired or was refused."""

    def __init__(self, credentials: Credentials, transport: TokenTransport) -> None:
        self._credentials = credentials
        self._transport = transport
        self._lock = asyncio.Lock()

    async def get(self, refused: str = "") -> str:
        """``refused``: a token that the API does not accept any more. Raises Unauthorized, with a fix, and
        TemporaryFailure."""
        async with self._lock:
            if not self._credentials.valid or self._credentials.token == refused:
                await self._renew()
            return str(self._credentials.token)

    async def _renew(self) -> None:
        try:
            await asyncio.to_thread(self._credentials.refresh, self._transport)
        except GoogleAuthError as error:
            if isinstance(error, TransportError) or error.retryable:
                raise TemporaryFailure(f"no access token: {type(error).__name__}") from None
            raise Unauthorized(
                f"drive: Google refuses the credentials ({_error_code(error)})",
                fix="check that the key or the refresh token was not revoked, that the clock is right, and that "
                "the scope drive.readonly is granted; then set new credentials",
            ) from None  # the cause may quote the credentials


def _error_code(error: GoogleAuthError) -> str:
    """Google's code, such as invalid_grant: its descriptions may repeat what was sent."""
    details: Any = error.args[1] if isinstance(error, RefreshError) and len(error.args) > 1 else None
    code = str(details.get("error", "")) if isinstance(details, dict) else ""
    return code if _ERROR_CODE.fullmatch(code) else type(error).__name__
