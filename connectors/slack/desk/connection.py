"""Slack as the desk uses it: channels in which people work, whose messages are known as ``CHANNEL/TS``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.slack import errors, file_transfer, history
from connectors.slack.channel import SlackChannel
from connectors.slack.client import Client
from connectors.slack.settings import SlackAccount
from schemas.ports import Account, Call, Capabilities, Policy, Reply


class DeskChannel(SlackChannel):
    """Renders nothing: what the desk shows is made from the state, not from messages. The keeper keeps the pace."""

    capabilities = Capabilities(max_text=3000, markdown=True, attachments=True)
    policy = Policy(doubt="lookup")
    """People wait for what stands below it. A thread's history tells at once what is in it, and a post that came late
    all the same would be there twice, for people only."""

    def judge(self, call: Call, reply: Reply) -> str:
        return shown_at(channel_of(call), errors.shown_id(reply))

    def connect(self, account: Account) -> DeskConnection:
        return DeskConnection(account, self._tools.read_file)


class DeskConnection:
    """Also a Lookup."""

    def __init__(self, account: Account, read_file: file_transfer.ReadFile) -> None:
        self._account = account
        settings: SlackAccount = account.settings
        self._client = Client(settings)
        self._read_file = read_file

    async def close(self) -> None:
        await self._client.close()

    async def perform(self, call: Call, marker: str) -> Reply:
        arguments = {name: value for name, value in call.arguments.items() if name not in ("since", "about")}
        if call.files:
            return await file_transfer.uploaded(self._client, call, self._account.tenant, self._read_file, arguments)
        about = {**call.arguments.get("about", {}), "id": marker}
        metadata = {"event_type": history.DESK_TYPE, "event_payload": about}
        return await self._client.call(call.operation, {**arguments, "metadata": metadata})

    async def lookup(self, call: Call, marker: str) -> str | None:
        channel = channel_of(call)
        found = await history.found(self._client, call, channel, marker)
        return None if found is None else shown_at(channel, found)

    async def ask(self, method: str, arguments: Mapping[str, Any]) -> Reply:
        """A call that changes nothing when it is made again. Raises SendDelayed."""
        return await self._client.ask(method, arguments)


def channel_of(call: Call) -> str:
    return str(call.arguments["channel_id" if call.files else "channel"])


def shown_at(channel: str, stamp: str) -> str:
    return f"{channel}/{stamp}"
