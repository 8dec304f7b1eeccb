"""One call of Slack's Web API, carried out once. With ``connection`` and its rooms the only importer of Slack's SDK."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from connectors.http import BROKEN, GAVE_UP_WAITING, NEVER_LEFT, asked_to_wait
from connectors.slack.settings import SlackAccount
from schemas.errors import CredentialsRevoked, DeliveryError, SendDelayed, SendRefused, SendUnknown
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


# Slack's answers. It says no with HTTP 200 and a code, mostly.
#
# https://docs.slack.dev/reference/methods/chat.postMessage#errors
REVOKED = frozenset(
    (
        *("account_inactive", "invalid_auth", "missing_scope", "no_permission", "not_allowed_token_type", "not_authed"),
        *("org_login_required", "team_access_not_granted", "token_expired", "token_revoked"),
        "two_factor_setup_required",
    )
)
LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
LIMITED_ACCOUNT = frozenset({"rate_limited", "message_limit_exceeded", "team_added_to_org"})
"""Of the whole app or workspace; ``ratelimited`` is mostly one channel."""
DONE_NOTHING = frozenset({"request_timeout", "team_added_to_org"})
UNCERTAIN = frozenset({"fatal_error", "internal_error", "service_unavailable"})
"""Slack says of the first two that some of the work may be done, and of the third nothing."""
GONE = frozenset(
    (
        *("channel_not_found", "is_archived", "message_not_found", "not_in_channel", "thread_not_found"),
        *("user_not_found", "user_not_in_channel", "users_not_found", "file_not_found", "file_deleted"),
        "channel_is_limited_access",
    )
)
REASONS = {
    **dict.fromkeys(GONE, "not_found"),
    **dict.fromkeys(("msg_too_long", "msg_blocks_too_long", "metadata_too_large", "too_many_attachments"), "too_long"),
    **dict.fromkeys(("cannot_dm_bot", "messages_tab_disabled", "user_disabled", "user_is_restricted"), "blocked"),
    "no_text": "empty",
}
_CODE = re.compile(r"[a-z_]{1,60}")


def shown_id(reply: Reply) -> str:
    """The vendor's id of what a call showed. Raises a DeliveryError."""
    if (error := failure(reply)) is not None:
        raise error
    files = reply.body.get("files")
    first = files[0] if isinstance(files, list) and files else None
    found = reply.body.get("ts") or (first.get("id") if isinstance(first, dict) else None)
    if not isinstance(found, str):
        raise SendUnknown("the answer names no message")
    return found


def failure(reply: Reply) -> DeliveryError | None:
    """What an answer means, None for a success."""
    body: Mapping[str, Any] = reply.body if isinstance(reply.body, dict) else {}
    code = str(body.get("error") or "")
    if reply.status == 429 or code in LIMITED:
        return _delayed("the channel is full", reply, code)
    if reply.status >= 500 or code in UNCERTAIN:
        return SendUnknown(f"Slack failed with {reply.status}", slow=reply.status in GAVE_UP_WAITING)
    if reply.status >= 300:
        return SendRefused(f"http_{reply.status}")
    if body.get("ok") is True:
        return None
    return _refusal(reply, code)


def _refusal(reply: Reply, code: str) -> DeliveryError:
    if not code:
        return SendUnknown("the answer is not Slack's")
    if code in REVOKED:
        return CredentialsRevoked(f"Slack takes nothing of this app: {code}")
    if code in DONE_NOTHING:
        return _delayed("Slack is not there", reply, code)
    return SendRefused(REASONS.get(code) or (code if _CODE.fullmatch(code) else "refused"))


def _delayed(message: str, reply: Reply, code: str) -> SendDelayed:
    wait = asked_to_wait(reply.headers.get("retry-after"))
    return SendDelayed(message, retry_after_ms=wait, of_account=code in LIMITED_ACCOUNT)
