"""Slack's Web API for one account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.slack import downloads, history, inspection, profiles, rewrites, uploads
from connectors.slack.client import Client
from connectors.slack.errors import failure
from connectors.slack.places import is_person, target
from connectors.slack.settings import SlackAccount
from connectors.slack.streaming import STAYS
from schemas.errors import DeliveryError
from schemas.messages import Address, RemoteFile
from schemas.ports import Account, Call, Profile, Remark, Reply

STATUS = "is writing …"


class SlackConnection:
    """Also a Lookup, a Fetcher, a Seer and a Profiler."""

    def __init__(self, account: Account, read_file: uploads.ReadFile) -> None:
        self._account = account
        self._settings: SlackAccount = account.settings
        self._read_file = read_file
        self._client = Client(self._settings)
        self._direct: dict[str, str] = {}
        """By person: the direct message that we have with them."""

    async def close(self) -> None:
        await self._client.close()

    async def perform(self, call: Call, marker: str) -> Reply:
        name = "channel_id" if call.files else "channel"
        channel = await self._channel(call.arguments[name])
        if isinstance(channel, Reply):
            return channel
        arguments = {**call.arguments, name: channel}
        arguments.pop("since", None)
        if arguments.pop(STAYS, False) or call.operation == "files.delete":
            return await rewrites.changed(self._client, call.operation, arguments, marker)
        if call.operation == "chat.update":
            return await rewrites.replaced(self._client, arguments, marker)
        if call.operation == "chat.delete":
            return await rewrites.taken_back(self._client, arguments)
        if call.operation in rewrites.ADDED:
            return await self._client.call(call.operation, arguments)
        if call.files:
            return await uploads.uploaded(self._client, call, self._account.tenant, self._read_file, arguments)
        return await self._client.call(call.operation, {**arguments, "metadata": history.metadata(marker)})

    async def ask(self, method: str, arguments: Mapping[str, Any]) -> Reply:
        """Any method that may be carried out twice without harm. Raises SendDelayed."""
        return await self._client.ask(method, arguments)

    async def lookup(self, call: Call, marker: str) -> str | None:
        channel = await self._channel(call.arguments["channel_id" if call.files else "channel"])
        if isinstance(channel, Reply):
            history.body_of(channel)
            return None  # there is no such person any more
        return await history.found(self._client, call, channel, marker)

    async def fetch(self, file: RemoteFile, most: int) -> tuple[bytes, str, str]:
        return await downloads.fetched(self._client, self._settings.api_base, file, most)

    async def profile(self, address: Address) -> Profile | None:
        return await profiles.profile(self._client, address)

    async def seen(self, place: str, external_id: str) -> None:
        """Slack shows this in threads only."""
        try:
            where = target(place, external_id)
            if "thread_ts" not in where or isinstance(channel := await self._channel(where["channel"]), Reply):
                return
            status = {"channel_id": channel, "thread_ts": where["thread_ts"], "status": STATUS}
            await self._client.ask("assistant.threads.setStatus", status)
        except DeliveryError:
            return

    async def inspect(self) -> list[Remark]:
        return await inspection.remarks(self._client, self._account.desk)

    async def _channel(self, channel: str) -> str | Reply:
        """A person's is the direct message with them; Slack's answer where there is none. Raises SendDelayed."""
        if not is_person(channel):
            return channel
        if channel not in self._direct:
            reply = await self._client.ask("conversations.open", {"users": channel})
            if failure(reply) is not None:
                return reply
            opened = reply.body.get("channel")
            self._direct[channel] = str(opened.get("id") if isinstance(opened, dict) else "")
        return self._direct[channel]
