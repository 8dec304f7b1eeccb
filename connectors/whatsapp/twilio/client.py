"""Twilio's own client, at the address that the account says, with nothing done behind our back."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import aiohttp
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from connectors.http import IDLE, TIMES
from connectors.whatsapp.settings import TWILIO, TwilioAccount


class Http(AsyncTwilioHttpClient):  # type: ignore[misc]  # the library has no marker for its types
    """Without repeats of its own. It needs a running loop, and keeps one session."""

    def __init__(self, settings: TwilioAccount) -> None:
        super().__init__(pool_connections=False, max_retries=None)
        self._settings = settings
        connector = aiohttp.TCPConnector(limit=100, keepalive_timeout=IDLE)
        self.session = aiohttp.ClientSession(connector=connector, timeout=TIMES)

    async def request(self, method: str, url: str, **given: Any) -> Response:
        """With the session's own time limits, which the library would lift. Credentials go by header: aiohttp warns of
        the other way, which the library takes."""
        given.pop("timeout", None)
        if (auth := given.pop("auth", None)) is not None:
            given["headers"] = {**(given.get("headers") or {}), "Authorization": aiohttp.encode_basic_auth(*auth)}
        async with self.open_session.request(method, self.address(url), **given) as answer:
            return Response(answer.status, await answer.text(), answer.headers)

    def address(self, url: str) -> str:
        """Where one of Twilio's hosts really is."""
        there = urlsplit(url)
        base = self._settings.content if there.netloc == "content.twilio.com" else self._settings.api_base
        if base == TWILIO:
            return url
        return base.rstrip("/") + there._replace(scheme="", netloc="").geturl()

    @property
    def open_session(self) -> aiohttp.ClientSession:
        """For files, which are no text."""
        session: aiohttp.ClientSession = self.session
        return session


def credentials(settings: TwilioAccount) -> tuple[str, str]:
    if settings.key_sid:
        return settings.key_sid, settings.key_secret.get_secret_value()
    return settings.account_sid, settings.auth_token.get_secret_value()


def client(settings: TwilioAccount, http: Http) -> Client:
    user, password = credentials(settings)
    # Something must stand in the environment, or the library reads the process's own.
    nothing = {"TWILIO_REGION": ""}
    return Client(user, password, settings.account_sid, http_client=http, environment=nothing)
