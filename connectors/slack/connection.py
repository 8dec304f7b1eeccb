"""Slack's Web API for one account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.slack import file_transfer, history, profiles
from connectors.slack.client import Client
from connectors.slack.errors import failure
from connectors.slack.places import is_person, target
from connectors.slack.settings import SlackAccount
from connectors.slack.streaming import STAYS
from schemas.errors import DeliveryError, SendRefused
from schemas.messages import Address, RemoteFile
from schemas.ports import Account, Call, Profile, Remark, Reply

STATUS = "is writing …"


class SlackConnection:
    """Also a Lookup, a Fetcher, a Seer and a Profiler."""

    def __init__(self, account: Account, read_file: file_transfer.ReadFile) -> None:
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
            return await changed(self._client, call.operation, arguments, marker)
        if call.operation == "chat.update":
            return await replaced(self._client, arguments, marker)
        if call.operation == "chat.delete":
            return await taken_back(self._client, arguments)
        if call.operation in ADDED:
            return await self._client.call(call.operation, arguments)
        if call.files:
            return await file_transfer.uploaded(self._client, call, self._account.tenant, self._read_file, arguments)
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
        return await file_transfer.fetched(self._client, self._settings.api_base, file, most)

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
        return await remarks(self._client, self._account.desk)

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


# Messages that are there already: replaced, or taken back. Slack changes none that is still being written.
ADDED = frozenset({"chat.startStream", "chat.appendStream"})
"""These take no metadata: what they show is known by having none."""


async def replaced(client: Client, arguments: Mapping[str, Any], marker: str) -> Reply:
    """When Slack refuses the change (a workspace may forbid it) the message is taken back. Raises a DeliveryError other
    than SendRefused."""
    where = {"channel": arguments["channel"], "ts": arguments["ts"]}
    await _stop(client, where)
    reply = await client.call("chat.update", {**arguments, "metadata": history.metadata(marker)})
    if isinstance(failure(reply), SendRefused):
        _done(await client.ask("chat.delete", where))
    return reply


async def changed(client: Client, method: str, arguments: Mapping[str, Any], marker: str) -> Reply:
    """What was sent as a whole; refused, it stays. Slack's answer, with the id of what was changed where it says none.
    Raises SendDelayed."""
    if method == "chat.update":
        return await client.ask(method, {**arguments, "metadata": history.metadata(marker)})
    if method == "files.delete":
        reply = await client.ask(method, {"file": arguments["file"]})
        named = {"ts": arguments["file"]} if failure(reply) is None else {}
        return Reply(reply.status, {**reply.body, **named}, reply.headers) if named else reply
    return await client.ask(method, arguments)


async def taken_back(client: Client, arguments: Mapping[str, Any]) -> Reply:
    """Raises a DeliveryError other than SendRefused."""
    await _stop(client, arguments)
    return await client.call("chat.delete", arguments)


async def _stop(client: Client, where: Mapping[str, Any]) -> None:
    """It may have ended by itself, or be gone."""
    _done(await client.ask("chat.stopStream", where))


def _done(reply: Reply) -> None:
    error = failure(reply)
    if error is not None and not isinstance(error, SendRefused):
        raise error


# Whether an app is set up as it must be: its token, its rights, and where its people work.
SCOPES = frozenset({"chat:write", "files:read", "files:write", "im:write"})
"""Without which messages, files or direct messages cannot be sent or fetched, whatever events are subscribed to."""
FOR_NAMES = "users:read"
FOR_DESK = frozenset({"reactions:read", "reactions:write", "users:read"})
"""Without which people cannot act by reactions, see how far replies have come, or be told from guests."""


async def remarks(client: Client, desk: Iterable[str]) -> list[Remark]:
    """``desk``: channels in which people work. Raises SendDelayed."""
    reply = await client.ask("auth.test", {})
    error = failure(reply)
    if error is not None:
        return [Remark("fail", f"Slack refuses the token: {error.message}", "install the app anew for a bot_token")]
    places = sorted(desk)
    found = _rights(reply, SCOPES | FOR_DESK if places else SCOPES)
    if found is None:
        found = [Remark("ok", "the token works, with the scopes that are needed")]
    return [*found, *[remark for place in places if (remark := await _place(client, place)) is not None]]


def _rights(reply: Reply, needed: frozenset[str]) -> list[Remark] | None:
    """What is wrong with them; None where nothing is, or Slack does not say."""
    granted = {each.strip() for each in reply.headers.get("x-oauth-scopes", "").split(",")} - {""}
    lacking = sorted(needed - granted) if granted else []
    if lacking:
        return [Remark("fail", f"the app lacks {', '.join(lacking)}", "add these scopes and install the app anew")]
    if granted and FOR_NAMES not in granted:
        lost = f"the app lacks {FOR_NAMES}: nobody's name is known"
        return [Remark("warn", lost, "add this scope and install the app anew")]
    return None


async def _place(client: Client, place: str) -> Remark | None:
    """None where the app can work there."""
    reply = await client.ask("conversations.info", {"channel": place})
    error = failure(reply)
    if error is not None:
        why = f"the desk's channel {place} cannot be seen by the app: {error.message}"
        return Remark("fail", why, "invite the app there: /invite @its-name; the id stands at the end of *About*")
    told = reply.body.get("channel")
    channel = told if isinstance(told, dict) else {}
    if channel.get("is_archived"):
        return Remark("fail", f"the desk's channel {place} is archived", "take it out of the archive, or name another")
    if channel.get("is_member") is False:
        return Remark("fail", f"the app is not in the desk's channel {place}", "invite it there: /invite @its-name")
    return None
