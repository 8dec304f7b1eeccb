"""Lookup of our messages in the history of a place."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from connectors.slack.client import SlackClient
from connectors.slack.errors import GONE, find_error
from connectors.slack.inbound.requests import Json
from schemas.errors import SendRefused, SendUnknown
from schemas.ports import VendorCall, VendorResponse

EVENT_TYPE = "parley_message"
"""Slack silently drops metadata whose type has a dot."""
DESK_TYPE = "parley_desk"
"""Metadata type of posts at the desk; the root of a thread names its conversation."""
PAGE_SIZE = 100
MAX_PAGES = 20


def build_metadata(marker: str) -> Json:
    """Build the metadata of our messages, which only our app can see."""
    return {"event_type": EVENT_TYPE, "event_payload": {"id": marker}}


async def find_message(client: SlackClient, call: VendorCall, channel: str, marker: str) -> str | None:
    """Return the external id of what ``call`` showed, None if it certainly showed nothing. Raises SendUnknown,
    RetryLater, CredentialsRevoked."""
    if call.files:
        return await _find_files(client, call, channel)
    if call.operation == "chat.startStream":
        return await _find_stream(client, call, channel)
    async for message in _read_messages(client, call, channel):
        if _read_marker(message) == marker:
            return str(message["ts"])
    return None


async def _find_stream(client: SlackClient, call: VendorCall, channel: str) -> str | None:
    """Find the message that is still being streamed: our newest one without metadata."""
    bot = require_body(await client.ask("auth.test", {})).get("bot_id")
    candidates = [
        message
        async for message in _read_messages(client, call, channel)
        if message.get("bot_id") == bot
        and not message.get("metadata")
        and not message.get("files")
        and float(message["ts"]) >= float(call.arguments["since"])
    ]
    newest = max(candidates, key=lambda message: float(message["ts"]), default=None)
    return None if newest is None else str(newest["ts"])


async def _find_files(client: SlackClient, call: VendorCall, channel: str) -> str | None:
    """Find the newest message with the same files: our earlier ones have an outcome already."""
    candidates = [message async for message in _read_messages(client, call, channel) if _has_files(message, call)]
    newest = max(candidates, key=lambda message: float(message["ts"]), default=None)
    return None if newest is None else str(newest["files"][0].get("id"))


async def _read_messages(client: SlackClient, call: VendorCall, channel: str) -> AsyncIterator[Json]:
    thread = call.arguments.get("thread_ts")
    method = "conversations.replies" if thread else "conversations.history"
    arguments: Json = {
        "channel": channel,
        "oldest": call.arguments["since"],
        "limit": PAGE_SIZE,
        "include_all_metadata": True,
    }
    if thread:
        arguments["ts"] = thread
    for _ in range(MAX_PAGES):
        body = require_body(await client.ask(method, arguments))
        for message in body.get("messages") or []:
            if isinstance(message, dict) and isinstance(message.get("ts"), str):
                yield message
        cursor = (body.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return
        arguments["cursor"] = cursor
    raise SendUnknown("there are too many messages to look through")


def require_body(reply: VendorResponse) -> Json:
    """Return an answer's body; empty where the place is gone. Raises SendUnknown, RetryLater, CredentialsRevoked."""
    error = find_error(reply)
    if error is None:
        body: Json = reply.body
        return body
    if not isinstance(error, SendRefused):
        raise error
    if isinstance(reply.body, dict) and reply.body.get("error") in GONE:
        return {}
    raise SendUnknown(error.message)


def _read_marker(message: Json) -> str:
    metadata: Any = message.get("metadata")
    is_ours = isinstance(metadata, dict) and metadata.get("event_type") in (EVENT_TYPE, DESK_TYPE)
    payload = metadata.get("event_payload") if is_ours else None
    return str(payload.get("id")) if isinstance(payload, dict) else ""


def _has_files(message: Json, call: VendorCall) -> bool:
    """Return whether the message has the call's files. Uploads carry no metadata, so name, size and time are
    compared."""
    files = message.get("files")
    if (
        not message.get("bot_id")
        or not isinstance(files, list)
        or float(message["ts"]) < float(call.arguments["since"])
    ):
        return False
    found = Counter((file.get("name"), file.get("size")) for file in files if isinstance(file, dict))
    return found == Counter((file.name, file.size) for file in call.files)
