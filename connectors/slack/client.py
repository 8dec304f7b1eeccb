"""Client for Slack's Web API: each call is made once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from connectors.http import CONNECTION_ERRORS, NOT_SENT_ERRORS, needs_proxies
from connectors.slack.errors import find_error
from connectors.slack.settings import SlackAccount
from schemas.errors import RetryLater, SendUnknown
from schemas.ports import VendorResponse

TIMEOUT = aiohttp.ClientTimeout(total=14, connect=4)
FORM_METHODS = frozenset(
    (
        *("conversations.history", "conversations.replies", "files.info", "files.getUploadURLExternal"),
        *("chat.getPermalink", "conversations.info", "conversations.members", "users.conversations", "users.info"),
    )
)
"""Methods that accept no JSON."""


class SlackClient:
    """Client for one account, with the bot's token or the app's. The session is opened by the first call, because no
    event loop may be running before."""

    def __init__(self, settings: SlackAccount, *, as_app: bool = False) -> None:
        self._settings = settings
        self._token = settings.app_token if as_app else settings.bot_token
        self._session: aiohttp.ClientSession | None = None
        self._sdk: AsyncWebClient | None = None

    @property
    def token(self) -> str:
        return self._token.get_secret_value()

    @property
    def session(self) -> aiohttp.ClientSession:
        """Proxies and their exceptions come from the environment."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT, trust_env=needs_proxies())
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, method: str, arguments: Mapping[str, Any]) -> VendorResponse:
        """Raises RetryLater (Slack was not reached), SendUnknown (it was, but no answer came)."""
        # Never as a GET: the HTTP client repeats those when a connection breaks.
        encoding: Any = {"data": _encode_form(arguments)} if method in FORM_METHODS else {"json": dict(arguments)}
        try:
            response = await self._get_sdk().api_call(method, **encoding)
            return VendorResponse(response.status_code, response.data, lower_names(response.headers))
        except SlackApiError as error:
            return _read_reply(error.response)
        except NOT_SENT_ERRORS as error:
            raise RetryLater("Slack cannot be reached") from error
        except CONNECTION_ERRORS as error:
            raise SendUnknown("no answer was received from Slack", slow=isinstance(error, TimeoutError)) from error
        except (ValueError, AttributeError) as error:
            # The SDK's errors for an answer that is no JSON object, or no text.
            raise SendUnknown("the answer is not Slack's") from error

    async def ask(self, method: str, arguments: Mapping[str, Any]) -> VendorResponse:
        """Make a call that shows nothing, so it may be repeated when in doubt. Raises RetryLater."""
        try:
            reply = await self.call(method, arguments)
            doubt = find_error(reply)
            if isinstance(doubt, SendUnknown):
                raise doubt
        except SendUnknown as error:
            raise RetryLater(error.message) from error
        return reply

    def _get_sdk(self) -> AsyncWebClient:
        if self._sdk is None:
            self._sdk = build_web_client(self._settings, self._token, self.session)
        self._sdk.token = self.token
        return self._sdk


def build_web_client(
    settings: SlackAccount, token: SecretStr, session: aiohttp.ClientSession | None = None
) -> AsyncWebClient:
    # Without the SDK's retries: one place decides about those for all channels.
    client = AsyncWebClient(
        token.get_secret_value(),
        base_url=settings.api_base,
        session=session,
        trust_env_in_session=True,
        retry_handlers=[],
    )
    client.proxy = None  # the SDK ignores the environment's exceptions for proxies
    return client


def lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _encode_form(arguments: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in arguments.items()}


def _read_reply(response: Any) -> VendorResponse:
    """The SDK gives its own response, or the HTTP client's where the body was no JSON."""
    if isinstance(response, aiohttp.ClientResponse):
        return VendorResponse(response.status, "", lower_names(response.headers))
    return VendorResponse(response.status_code, response.data, lower_names(response.headers))
