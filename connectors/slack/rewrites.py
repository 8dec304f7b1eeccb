"""Messages that are there already: replaced, or taken back. Slack changes none that is still being written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.slack import history
from connectors.slack.client import Client
from connectors.slack.errors import failure
from schemas.errors import SendRefused
from schemas.ports import Reply

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
