"""Connection of one account to Instagram."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog

from connectors.channel_services import ChannelServices
from connectors.inbound.display_names import clean_display_name
from connectors.meta_graph.client import GraphClient
from connectors.meta_graph.errors import build_delivery_error
from connectors.meta_graph.models import get_file_name
from connectors.meta_graph.token_check import check_token
from schemas.errors import DeliveryError, NotFound, RetryLater, SendRefused, SendUnknown
from schemas.messages import Address, RemoteFile
from schemas.ports import Account, AccountFinding, Profile, VendorCall, VendorResponse

log = structlog.get_logger("parley.instagram")

HOSTS = ("fbsbx.com", "fbcdn.net", "cdninstagram.com")
"""Hosts of Meta's file store; other addresses in updates are not requested."""
MAX_DETAILED = 20
"""Messages of a conversation for which Meta gives details."""
LOOKUP_INTERVAL = 0.55
"""Seconds: two lookups a second are allowed per account, and one question takes at least three."""


class InstagramConnection:
    def __init__(self, account: Account, tools: ChannelServices) -> None:
        self._account = account
        self._tools = tools
        self._last_lookup = 0.0
        self._lookup_lock = asyncio.Lock()
        self._graph = GraphClient(account.settings.api_base, account.settings.access_token)

    async def perform(self, call: VendorCall, marker: str) -> VendorResponse:
        body = {name: value for name, value in call.arguments.items() if name != "after"}
        for file in call.files:
            attachment = body["message"]["attachment"]
            url = self._tools.file_link(self._account.tenant, file.id)
            body["message"] = {"attachment": {**attachment, "payload": {"url": url}}}
        return await self._graph.post("me/messages", body)

    async def lookup(self, call: VendorCall, marker: str) -> str | None:
        """Search the conversation for our message after the message that it answers, ignoring other known messages of
        ours. Raises RetryLater where Meta does not answer now, SendRefused where too much was written since."""
        arguments = call.arguments
        text = str(arguments["message"].get("text", "")).strip()
        async with self._lookup_lock:
            rows = (await self._read_history(arguments["recipient"]["id"]))[:MAX_DETAILED]
            for row in rows:
                mid = str(row["id"])
                if mid == arguments["after"]:
                    return None
                if not await self._tools.is_other_message(self._account, mid, marker) and await self._matches(
                    row, text, arguments
                ):
                    return mid
        if arguments["after"] and len(rows) == MAX_DETAILED:
            raise SendRefused("history_too_short")
        return None

    async def fetch(self, file: RemoteFile, most: int) -> tuple[bytes, str, str]:
        """Fetch from Meta's own store, without a token."""
        if not _is_meta_address(file.ref, self._account.settings.api_base):
            raise NotFound("the file is not stored at Meta")
        data, type_ = await self._graph.download(file.ref, most, with_token=False)
        return data, type_, get_file_name(file, type_)

    async def fetch_profile(self, address: Address) -> Profile | None:
        """Available once the contact has written, unless the contact blocked the account."""
        reply = await self._graph.get(address.value, fields="name,username")
        if reply.status == 200 and isinstance(reply.body, dict):
            names = [reply.body.get(field) for field in ("name", "username")]
            return Profile(clean_display_name(*(each for each in names if isinstance(each, str))))
        error = build_delivery_error(reply)
        if isinstance(error, SendRefused):
            return None
        raise RetryLater(error.message) if isinstance(error, SendUnknown) else error

    async def show_typing(self, place: str, external_id: str) -> None:
        """Marks the conversation as read, and shows a typing indicator for 20 seconds."""
        for action in ("mark_seen", "typing_on"):
            try:
                reply = await self._graph.post("me/messages", {"recipient": {"id": place}, "sender_action": action})
                if reply.status != 200:
                    raise build_delivery_error(reply)
            except DeliveryError as error:
                log.info("seen_failed", tenant=self._account.tenant, account=self._account.name, code=error.code)
                return

    async def inspect(self) -> list[AccountFinding]:
        token = self._account.settings.access_token.get_secret_value()
        return await check_token(self._graph, token, "me", frozenset(), self._tools.clock())

    async def close(self) -> None:
        await self._graph.close()

    async def _read_history(self, person: str) -> list[dict[str, Any]]:
        """Return messages, newest first."""
        listed = await self._read("me/conversations", user_id=person, platform="instagram")
        conversation = next(iter(_list_rows(listed)), None)
        if conversation is None:
            return []
        details = await self._read(str(conversation["id"]), fields="messages{id,from,message}")
        return _list_rows((details or {}).get("messages"))

    async def _matches(self, row: Mapping[str, Any], text: str, arguments: Mapping[str, Any]) -> bool:
        """Return whether it is our message with this text. Some servers list only ids and give details on request."""
        details = row if "from" in row else await self._read(str(row["id"]), fields="id,from,message")
        sender = (details or {}).get("from")
        if details is None or not isinstance(sender, dict) or str(sender.get("id")) == arguments["recipient"]["id"]:
            return False
        return str(details.get("message") or "").strip() == text

    async def _read(self, path: str, **query: str) -> dict[str, Any] | None:
        """Return the object, None where it does not exist. Raises RetryLater, CredentialsRevoked."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._last_lookup + LOOKUP_INTERVAL - loop.time())
        self._last_lookup = loop.time()
        reply = await self._graph.get(path, **query)
        if reply.status == 200 and isinstance(reply.body, dict):
            return reply.body
        error = build_delivery_error(reply)
        if isinstance(error, SendRefused):
            return None
        raise RetryLater(error.message) if isinstance(error, SendUnknown) else error


def _list_rows(found: Any) -> list[dict[str, Any]]:
    rows = found.get("data") if isinstance(found, dict) else None
    return [row for row in rows if isinstance(row, dict) and "id" in row] if isinstance(rows, list) else []


def _is_meta_address(address: str, base: str) -> bool:
    """Return whether the address is in Meta's file store, or on the configured host."""
    try:
        url, base_url = urlsplit(address), urlsplit(base)
        host = f".{url.hostname or ''}"
    except ValueError:
        return False
    if url.scheme == "https" and any(host.endswith(f".{each}") for each in HOSTS):
        return True
    return (url.scheme, url.netloc) == (base_url.scheme, base_url.netloc)
