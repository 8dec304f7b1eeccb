"""Connection of one account to Slack's Web API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.slack import file_transfer, history, profiles
from connectors.slack.client import SlackClient
from connectors.slack.errors import find_error
from connectors.slack.live_replies import IS_COMPLETE
from connectors.slack.places import is_user_id, parse_place
from connectors.slack.settings import SlackAccount
from schemas.errors import DeliveryError, SendRefused
from schemas.messages import Address, RemoteFile
from schemas.ports import Account, AccountFinding, Profile, VendorCall, VendorResponse

TYPING_STATUS = "is writing …"


class SlackConnection:
    """Also a DeliveryLookup, a FileFetcher, a TypingIndicator and a ProfileFetcher."""

    def __init__(self, account: Account, read_file: file_transfer.ReadFile) -> None:
        self._account = account
        self._settings: SlackAccount = account.settings
        self._read_file = read_file
        self._client = SlackClient(self._settings)
        self._direct_channels: dict[str, str] = {}
        """User id → channel of the direct messages."""

    async def close(self) -> None:
        await self._client.close()

    async def perform(self, call: VendorCall, marker: str) -> VendorResponse:
        name = "channel_id" if call.files else "channel"
        channel = await self._find_channel(call.arguments[name])
        if isinstance(channel, VendorResponse):
            return channel
        arguments = {**call.arguments, name: channel}
        arguments.pop("since", None)
        if arguments.pop(IS_COMPLETE, False) or call.operation == "files.delete":
            return await edit_message(self._client, call.operation, arguments, marker)
        if call.operation == "chat.update":
            return await replace_stream(self._client, arguments, marker)
        if call.operation == "chat.delete":
            return await delete_stream(self._client, arguments)
        if call.operation in STREAM_METHODS:
            return await self._client.call(call.operation, arguments)
        if call.files:
            return await file_transfer.upload_files(
                self._client, call, self._account.tenant, self._read_file, arguments
            )
        return await self._client.call(call.operation, {**arguments, "metadata": history.build_metadata(marker)})

    async def ask(self, method: str, arguments: Mapping[str, Any]) -> VendorResponse:
        """Call any method that may be repeated without harm. Raises RetryLater."""
        return await self._client.ask(method, arguments)

    async def lookup(self, call: VendorCall, marker: str) -> str | None:
        channel = await self._find_channel(call.arguments["channel_id" if call.files else "channel"])
        if isinstance(channel, VendorResponse):
            history.require_body(channel)
            return None  # the person no longer exists
        return await history.find_message(self._client, call, channel, marker)

    async def fetch(self, file: RemoteFile, most: int) -> tuple[bytes, str, str]:
        return await file_transfer.download_file(self._client, self._settings.api_base, file, most)

    async def fetch_profile(self, address: Address) -> Profile | None:
        return await profiles.fetch_profile(self._client, address)

    async def show_typing(self, place: str, external_id: str) -> None:
        """Slack shows this only in threads."""
        try:
            where = parse_place(place, external_id)
            if "thread_ts" not in where or isinstance(
                channel := await self._find_channel(where["channel"]), VendorResponse
            ):
                return
            status = {"channel_id": channel, "thread_ts": where["thread_ts"], "status": TYPING_STATUS}
            await self._client.ask("assistant.threads.setStatus", status)
        except DeliveryError:
            return

    async def inspect(self) -> list[AccountFinding]:
        return await inspect_app(self._client, self._account.desk)

    async def _find_channel(self, channel: str) -> str | VendorResponse:
        """Return the channel; for a user id, that of the direct messages, or Slack's answer where there is none. Raises
        RetryLater."""
        if not is_user_id(channel):
            return channel
        if channel not in self._direct_channels:
            reply = await self._client.ask("conversations.open", {"users": channel})
            if find_error(reply) is not None:
                return reply
            direct = reply.body.get("channel")
            self._direct_channels[channel] = str(direct.get("id") if isinstance(direct, dict) else "")
        return self._direct_channels[channel]


# Changes to messages that were shown. Slack allows none while a message is being streamed.
STREAM_METHODS = frozenset({"chat.startStream", "chat.appendStream"})
"""These take no metadata; their messages are recognized by its absence."""


async def replace_stream(client: SlackClient, arguments: Mapping[str, Any], marker: str) -> VendorResponse:
    """Replace a streamed message. If Slack refuses (a workspace may forbid edits), the message is deleted. Raises a
    DeliveryError other than SendRefused."""
    target = {"channel": arguments["channel"], "ts": arguments["ts"]}
    await _stop_stream(client, target)
    reply = await client.call("chat.update", {**arguments, "metadata": history.build_metadata(marker)})
    if isinstance(find_error(reply), SendRefused):
        _raise_unless_refused(await client.ask("chat.delete", target))
    return reply


async def edit_message(client: SlackClient, method: str, arguments: Mapping[str, Any], marker: str) -> VendorResponse:
    """Edit or delete a complete message; if refused, it stays. Returns Slack's answer, with the id added where it has
    none. Raises RetryLater."""
    if method == "chat.update":
        return await client.ask(method, {**arguments, "metadata": history.build_metadata(marker)})
    if method == "files.delete":
        reply = await client.ask(method, {"file": arguments["file"]})
        identified = {"ts": arguments["file"]} if find_error(reply) is None else {}
        return VendorResponse(reply.status, {**reply.body, **identified}, reply.headers) if identified else reply
    return await client.ask(method, arguments)


async def delete_stream(client: SlackClient, arguments: Mapping[str, Any]) -> VendorResponse:
    """Raises a DeliveryError other than SendRefused."""
    await _stop_stream(client, arguments)
    return await client.call("chat.delete", arguments)


async def _stop_stream(client: SlackClient, target: Mapping[str, Any]) -> None:
    """End a stream, which may have ended by itself, or be gone."""
    _raise_unless_refused(await client.ask("chat.stopStream", target))


def _raise_unless_refused(reply: VendorResponse) -> None:
    error = find_error(reply)
    if error is not None and not isinstance(error, SendRefused):
        raise error


# Inspection of an app: its token, its scopes, and the desk's channels.
REQUIRED_SCOPES = frozenset({"chat:write", "files:read", "files:write", "im:write"})
"""Without these, messages, files or direct messages cannot be sent or fetched."""
NAME_SCOPE = "users:read"
DESK_SCOPES = frozenset({"reactions:read", "reactions:write", "users:read"})
"""Without these, people cannot act through reactions, see how far replies have come, or be distinguished from guests.
"""


async def inspect_app(client: SlackClient, desk: Iterable[str]) -> list[AccountFinding]:
    """``desk``: channels in which people work. Raises RetryLater."""
    reply = await client.ask("auth.test", {})
    error = find_error(reply)
    if error is not None:
        return [
            AccountFinding(
                "fail", f"Slack refuses the token: {error.message}", "reinstall the app to get a new bot_token"
            )
        ]
    places = sorted(desk)
    remarks = _check_scopes(reply, REQUIRED_SCOPES | DESK_SCOPES if places else REQUIRED_SCOPES)
    if remarks is None:
        remarks = [AccountFinding("ok", "the token works, with the scopes that are needed")]
    return [*remarks, *[remark for place in places if (remark := await _check_place(client, place)) is not None]]


def _check_scopes(reply: VendorResponse, needed: frozenset[str]) -> list[AccountFinding] | None:
    """Return what is wrong with the scopes; None where nothing is, or Slack does not say."""
    granted = {each.strip() for each in reply.headers.get("x-oauth-scopes", "").split(",")} - {""}
    missing = sorted(needed - granted) if granted else []
    if missing:
        return [AccountFinding("fail", f"the app lacks {', '.join(missing)}", "add these scopes and reinstall the app")]
    if granted and NAME_SCOPE not in granted:
        problem = f"the app lacks {NAME_SCOPE}: the names of people are not known"
        return [AccountFinding("warn", problem, "add this scope and reinstall the app")]
    return None


async def _check_place(client: SlackClient, place: str) -> AccountFinding | None:
    """Return what keeps the app from working in a channel, None if nothing does."""
    reply = await client.ask("conversations.info", {"channel": place})
    error = find_error(reply)
    if error is not None:
        detail = f"the desk's channel {place} cannot be seen by the app: {error.message}"
        return AccountFinding(
            "fail", detail, "invite the app there: /invite @its-name; the id of the channel is at the end of *About*"
        )
    answer = reply.body.get("channel")
    channel = answer if isinstance(answer, dict) else {}
    if channel.get("is_archived"):
        return AccountFinding(
            "fail", f"the desk's channel {place} is archived", "unarchive it, or name another channel"
        )
    if channel.get("is_member") is False:
        return AccountFinding(
            "fail", f"the app is not in the desk's channel {place}", "invite it there: /invite @its-name"
        )
    return None
