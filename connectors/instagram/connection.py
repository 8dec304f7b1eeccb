"""The way to Instagram for one account."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog

from connectors.graph.client import GraphClient
from connectors.graph.errors import failure
from connectors.graph.models import file_name
from connectors.graph.token_check import inspected
from connectors.inbound.display_names import shown_name
from connectors.tools import Tools
from schemas.errors import DeliveryError, NotFound, SendDelayed, SendRefused, SendUnknown
from schemas.messages import Address, RemoteFile
from schemas.ports import Account, Call, Profile, Remark, Reply

log = structlog.get_logger("parley.instagram")

HOSTS = ("fbsbx.com", "fbcdn.net", "cdninstagram.com")
"""Where Meta keeps files; an update may name other addresses, which are not for us to call."""
DETAILED = 20
"""Messages of a conversation that Meta tells about."""
LOOK_EVERY = 0.55
"""Seconds: two look-ups a second are allowed for an account, and one question takes at least three."""


class InstagramConnection:
    def __init__(self, account: Account, tools: Tools) -> None:
        self._account = account
        self._tools = tools
        self._last_look = 0.0
        self._looking = asyncio.Lock()
        self._graph = GraphClient(account.settings.api_base, account.settings.access_token.get_secret_value())

    async def perform(self, call: Call, marker: str) -> Reply:
        body = {name: value for name, value in call.arguments.items() if name != "after"}
        for file in call.files:
            attachment = body["message"]["attachment"]
            url = self._tools.link(self._account.tenant, file.id)
            body["message"] = {"attachment": {**attachment, "payload": {"url": url}}}
        return await self._graph.post("me/messages", body)

    async def lookup(self, call: Call, marker: str) -> str | None:
        """By the conversation itself: what we said there after the message that this one answers, and that is not known
        as another message of ours. Raises SendDelayed where Meta does not answer now, SendRefused where so much was
        said since that it tells no more."""
        arguments = call.arguments
        wanted = str(arguments["message"].get("text", "")).strip()
        async with self._looking:
            rows = (await self._history(arguments["recipient"]["id"]))[:DETAILED]
            for row in rows:
                mid = str(row["id"])
                if mid == arguments["after"]:
                    return None
                if not await self._tools.is_another(self._account, mid, marker) and await self._says(
                    row, wanted, arguments
                ):
                    return mid
        if arguments["after"] and len(rows) == DETAILED:
            raise SendRefused("history_too_short")
        return None

    async def fetch(self, file: RemoteFile, most: int) -> tuple[bytes, str, str]:
        """From Meta's own store, without a token."""
        if not _is_metas(file.ref, self._account.settings.api_base):
            raise NotFound("the file is not with Meta")
        data, type_ = await self._graph.download(file.ref, most, with_token=False)
        return data, type_, file_name(file, type_)

    async def profile(self, address: Address) -> Profile | None:
        """Meta tells it once they have written, unless they have blocked the account."""
        reply = await self._graph.get(address.value, fields="name,username")
        if reply.status == 200 and isinstance(reply.body, dict):
            told = [reply.body.get(field) for field in ("name", "username")]
            return Profile(shown_name(*(each for each in told if isinstance(each, str))))
        error = failure(reply)
        if isinstance(error, SendRefused):
            return None
        raise SendDelayed(error.message) if isinstance(error, SendUnknown) else error

    async def seen(self, place: str, external_id: str) -> None:
        """Marks the conversation as read, and shows for 20 seconds that an answer is being written."""
        for action in ("mark_seen", "typing_on"):
            try:
                reply = await self._graph.post("me/messages", {"recipient": {"id": place}, "sender_action": action})
                if reply.status != 200:
                    raise failure(reply)
            except DeliveryError as error:
                log.info("seen_failed", tenant=self._account.tenant, account=self._account.name, code=error.code)
                return

    async def inspect(self) -> list[Remark]:
        token = self._account.settings.access_token.get_secret_value()
        return await inspected(self._graph, token, "me", frozenset(), self._tools.clock())

    async def close(self) -> None:
        await self._graph.close()

    async def _history(self, person: str) -> list[dict[str, Any]]:
        """Newest first."""
        listed = await self._asked("me/conversations", user_id=person, platform="instagram")
        conversation = next(iter(_rows(listed)), None)
        if conversation is None:
            return []
        told = await self._asked(str(conversation["id"]), fields="messages{id,from,message}")
        return _rows((told or {}).get("messages"))

    async def _says(self, row: Mapping[str, Any], wanted: str, arguments: Mapping[str, Any]) -> bool:
        """Whether it is from us and says this. Some servers name the messages only, and tell of each when asked."""
        told = row if "from" in row else await self._asked(str(row["id"]), fields="id,from,message")
        sender = (told or {}).get("from")
        if told is None or not isinstance(sender, dict) or str(sender.get("id")) == arguments["recipient"]["id"]:
            return False
        return str(told.get("message") or "").strip() == wanted

    async def _asked(self, path: str, **query: str) -> dict[str, Any] | None:
        """None for what is not there. Raises SendDelayed, CredentialsRevoked."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._last_look + LOOK_EVERY - loop.time())
        self._last_look = loop.time()
        reply = await self._graph.get(path, **query)
        if reply.status == 200 and isinstance(reply.body, dict):
            return reply.body
        error = failure(reply)
        if isinstance(error, SendRefused):
            return None
        raise SendDelayed(error.message) if isinstance(error, SendUnknown) else error


def _rows(found: Any) -> list[dict[str, Any]]:
    rows = found.get("data") if isinstance(found, dict) else None
    return [row for row in rows if isinstance(row, dict) and "id" in row] if isinstance(rows, list) else []


def _is_metas(address: str, base: str) -> bool:
    """Whether it is in Meta's store, or where the account says that Meta is."""
    try:
        told, known = urlsplit(address), urlsplit(base)
        host = f".{told.hostname or ''}"
    except ValueError:
        return False
    if told.scheme == "https" and any(host.endswith(f".{each}") for each in HOSTS):
        return True
    return (told.scheme, told.netloc) == (known.scheme, known.netloc)
