"""Whether something of ours was shown, as the history of the place tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from connectors.slack.client import Client
from connectors.slack.errors import GONE, failure
from connectors.slack.requests import Json
from schemas.errors import SendRefused, SendUnknown
from schemas.ports import Call, Reply

EVENT_TYPE = "parley_message"
"""Slack drops metadata whose type has a dot, without a word."""
DESK_TYPE = "parley_desk"
"""Of what is shown at the desk; the root of a thread says there whose it is."""
PAGE = 100
MOST_PAGES = 20


def metadata(marker: str) -> Json:
    """What a message of ours carries along, seen by nobody but our app."""
    return {"event_type": EVENT_TYPE, "event_payload": {"id": marker}}


async def found(client: Client, call: Call, channel: str, marker: str) -> str | None:
    """The external id of what ``call`` showed, None if it surely showed nothing. Raises SendUnknown, SendDelayed,
    CredentialsRevoked."""
    if call.files:
        return await _found_files(client, call, channel)
    if call.operation == "chat.startStream":
        return await _found_stream(client, call, channel)
    async for message in _messages(client, call, channel):
        if _marker(message) == marker:
            return str(message["ts"])
    return None


async def _found_stream(client: Client, call: Call, channel: str) -> str | None:
    """What is still being written is the newest message of ours without metadata."""
    bot = body_of(await client.ask("auth.test", {})).get("bot_id")
    ours = [
        message
        async for message in _messages(client, call, channel)
        if message.get("bot_id") == bot
        and not message.get("metadata")
        and not message.get("files")
        and float(message["ts"]) >= float(call.arguments["since"])
    ]
    newest = max(ours, key=lambda message: float(message["ts"]), default=None)
    return None if newest is None else str(newest["ts"])


async def _found_files(client: Client, call: Call, channel: str) -> str | None:
    """The newest that look the same: whatever of ours came before has an outcome by now."""
    alike = [message async for message in _messages(client, call, channel) if _has_files(message, call)]
    newest = max(alike, key=lambda message: float(message["ts"]), default=None)
    return None if newest is None else str(newest["files"][0].get("id"))


async def _messages(client: Client, call: Call, channel: str) -> AsyncIterator[Json]:
    thread = call.arguments.get("thread_ts")
    method = "conversations.replies" if thread else "conversations.history"
    asked: Json = {"channel": channel, "oldest": call.arguments["since"], "limit": PAGE, "include_all_metadata": True}
    if thread:
        asked["ts"] = thread
    for _ in range(MOST_PAGES):
        body = body_of(await client.ask(method, asked))
        for message in body.get("messages") or []:
            if isinstance(message, dict) and isinstance(message.get("ts"), str):
                yield message
        cursor = (body.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return
        asked["cursor"] = cursor
    raise SendUnknown("there is too much to look through")


def body_of(reply: Reply) -> Json:
    """Of an answer to a question; empty where nobody could write. Raises SendUnknown, SendDelayed,
    CredentialsRevoked."""
    error = failure(reply)
    if error is None:
        body: Json = reply.body
        return body
    if not isinstance(error, SendRefused):
        raise error
    if isinstance(reply.body, dict) and reply.body.get("error") in GONE:
        return {}
    raise SendUnknown(error.message)


def _marker(message: Json) -> str:
    told: Any = message.get("metadata")
    is_ours = isinstance(told, dict) and told.get("event_type") in (EVENT_TYPE, DESK_TYPE)
    payload = told.get("event_payload") if is_ours else None
    return str(payload.get("id")) if isinstance(payload, dict) else ""


def _has_files(message: Json, call: Call) -> bool:
    """Uploads carry no metadata: they are known by name and size, after the moment at which the message was made."""
    files = message.get("files")
    if (
        not message.get("bot_id")
        or not isinstance(files, list)
        or float(message["ts"]) < float(call.arguments["since"])
    ):
        return False
    there = Counter((file.get("name"), file.get("size")) for file in files if isinstance(file, dict))
    return there == Counter((file.name, file.size) for file in call.files)
