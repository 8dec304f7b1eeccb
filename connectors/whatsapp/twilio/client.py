"""Twilio's own client, with the configured addresses and without retries."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import aiohttp
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from connectors.http import KEEPALIVE_SECONDS, TIMEOUT
from connectors.whatsapp.settings import TWILIO, TwilioAccount


class TwilioHttpClient(AsyncTwilioHttpClient):  # type: ignore[misc]  # the library has no marker for its types
    """HTTP client without retries, with one session. It needs a running event loop."""

    def __init__(self, settings: TwilioAccount) -> None:
        super().__init__(pool_connections=False, max_retries=None)
        self._settings = settings
        connector = aiohttp.TCPConnector(limit=100, keepalive_timeout=KEEPALIVE_SECONDS)
        self.session = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT)

    async def request(self, method: str, url: str, **given: Any) -> Response:
        """The session's time limits apply, which the library would disable. Credentials are sent as a header, because
        aiohttp warns about the library's way."""
        given.pop("timeout", None)
        if given.pop("auth", None) is not None:
            # The library keeps the credentials that it was made with, which may have been replaced.
            authorization = aiohttp.encode_basic_auth(*get_credentials(self._settings))
            given["headers"] = {**(given.get("headers") or {}), "Authorization": authorization}
        async with self.open_session.request(method, self.resolve_url(url), **given) as answer:
            return Response(answer.status, await answer.text(), answer.headers)

    def resolve_url(self, url: str) -> str:
        """Return the configured address of one of Twilio's URLs."""
        parts = urlsplit(url)
        base = self._settings.content if parts.netloc == "content.twilio.com" else self._settings.api_base
        if base == TWILIO:
            return url
        return base.rstrip("/") + parts._replace(scheme="", netloc="").geturl()

    @property
    def open_session(self) -> aiohttp.ClientSession:
        """The configuration of the client for file downloads, which are binary."""
        session: aiohttp.ClientSession = self.session
        return session


def get_credentials(settings: TwilioAccount) -> tuple[str, str]:
    if settings.key_sid:
        return settings.key_sid, settings.key_secret.get_secret_value()
    return settings.account_sid, settings.auth_token.get_secret_value()


def build_client(settings: TwilioAccount, http: TwilioHttpClient) -> Client:
    user, password = get_credentials(settings)
    # Without an entry the library would read the process's environment.
    environment = {"TWILIO_REGION": ""}
    return Client(user, password, settings.account_sid, http_client=http, environment=environment)
