"""One call of Slack's Web API, carried out once. With ``connection`` and its rooms the only importer of Slack's SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from connectors.http import BROKEN, NEVER_LEFT
from connectors.slack.errors import failure
from connectors.slack.settings import SlackAccount
from schemas.errors import SendDelayed, SendUnknown
from schemas.ports import Reply

ONE_CALL = aiohttp.ClientTimeout(total=14, connect=4)
READERS = frozenset(
    (
        *("conversations.history", "conversations.replies", "files.info", "files.getUploadURLExternal"),
        *("chat.getPermalink", "conversations.info", "conversations.members", "users.conversations", "users.info"),
    )
)
"""Methods that take no JSON."""


class Client:
    """For one account, with the bot's token or that of the app. The session is made with the first call, because there
    may be no loop before."""

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
        """Proxies come from the environment, with the exceptions that it makes."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=ONE_CALL, trust_env=True)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Reply:
        """Raises SendDelayed (Slack was not reached), SendUnknown (it was, but no answer came)."""
        # Never as a GET: the HTTP client makes those twice when a connection breaks.
        how: Any = {"data": _form(arguments)} if method in READERS else {"json": dict(arguments)}
        try:
            response = await self._opened().api_call(method, **how)
            return Reply(response.status_code, response.data, lowered(response.headers))
        except SlackApiError as error:
            return _reply(error.response)
        except NEVER_LEFT as error:
            raise SendDelayed("Slack cannot be reached") from error
        except BROKEN as error:
            raise SendUnknown("no answer came from Slack", slow=isinstance(error, TimeoutError)) from error
        except (ValueError, AttributeError) as error:
            # What the SDK does with an answer that is no JSON object, or no text at all.
            raise SendUnknown("the answer is not Slack's") from error

    async def ask(self, method: str, arguments: Mapping[str, Any]) -> Reply:
        """A call that shows nothing, so that in doubt it may be made again. Raises SendDelayed."""
        try:
            reply = await self.call(method, arguments)
            doubt = failure(reply)
            if isinstance(doubt, SendUnknown):
                raise doubt
        except SendUnknown as error:
            raise SendDelayed(error.message) from error
        return reply

    def _opened(self) -> AsyncWebClient:
        if self._sdk is None:
            base = self._settings.api_base
            # Without its retries: what is sent again, and when, is decided in one place for all channels.
            self._sdk = AsyncWebClient(self.token, base_url=base, session=self.session, retry_handlers=[])
            self._sdk.proxy = None  # it would take one from the environment without the exceptions
        return self._sdk


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _form(arguments: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in arguments.items()}


def _reply(response: Any) -> Reply:
    """The SDK gives its own response, or, where the body was no JSON, the HTTP client's."""
    if isinstance(response, aiohttp.ClientResponse):
        return Reply(response.status, "", lowered(response.headers))
    return Reply(response.status_code, response.data, lowered(response.headers))
