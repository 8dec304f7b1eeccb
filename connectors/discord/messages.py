"""Rendering of messages as Discord's calls.

https://docs.discord.com/developers/resources/message#create-message
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from connectors.discord import components
from connectors.discord.models import build_snowflake
from connectors.discord.places import Target, parse_place
from connectors.markup import DISCORD, count_utf16, find_labels, render
from schemas.errors import SendRefused
from schemas.messages import Attachment, OutboundMessage
from schemas.ports import RenderContext, VendorCall

CREATE, EDIT, DELETE = "Create Message", "Edit Message", "Delete Message"
MAX_TEXT = 2000
MAX_FILES = 10
MAX_FILE = 10 * 1024 * 1024
MAX_FORM = 24 * 1024 * 1024
"""Bytes of all files of one message. Discord accepts 25 MiB including overhead."""
CLOCK_SKEW = timedelta(minutes=5)
"""Largest expected difference between our clock and Discord's."""


def build_calls(message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
    """Raises SendRefused."""
    rows = components.build_rows(message, sending.account)
    rendered = render(
        message.text,
        DISCORD,
        MAX_TEXT,
        count_utf16,
        citations=message.citations,
        choices=[] if rows else message.choices,
        heading=find_labels(message.locale).sources,
    )
    bodies: list[dict[str, Any]] = [{"content": part} for part in rendered.parts] or [{}]
    batches = list(_split_files(message.attachments)) or [()]
    if not rendered.parts and not rows and not message.attachments:
        raise SendRefused("empty")
    bodies += [{} for _ in batches[1:]]
    with_files = [()] * (len(bodies) - len(batches)) + batches
    if rows:
        bodies[-1]["components"] = rows
    target = parse_place(message.place)
    # In a thread the question cannot be replied to: the thread begins after it.
    if sending.answers.isdigit() and sending.answers != target.channel:
        bodies[0]["message_reference"] = {"message_id": sending.answers, "fail_if_not_exists": False}
    since = _get_since(message, sending)
    return [_build_call(target, since, body, files) for body, files in zip(bodies, with_files, strict=True)]


def _build_call(target: Target, since: str, body: dict[str, Any], files: Sequence[Attachment]) -> VendorCall:
    # Nothing that a model or a contact wrote may notify people.
    form = {"content": "", **body, "allowed_mentions": {"parse": [], "replied_user": False}}
    parent = {"parent": target.parent} if target.parent else {}
    return VendorCall(CREATE, {"channel": target.channel, **parent, "since": since, "body": form}, tuple(files))


def build_edit(call: VendorCall, shown: str) -> VendorCall:
    """An edit that does not name the reference and the files leaves them as they are."""
    body = {name: value for name, value in call.arguments["body"].items() if name != "message_reference"}
    return VendorCall(EDIT, {**_get_channel(call), "message": shown, "body": body}, repeats=True)


def build_deletion(call: VendorCall, shown: str) -> VendorCall:
    return VendorCall(DELETE, {**_get_channel(call), "message": shown}, repeats=True)


def _get_channel(call: VendorCall) -> dict[str, Any]:
    return {name: call.arguments[name] for name in ("channel", "parent") if name in call.arguments}


def _get_since(message: OutboundMessage, sending: RenderContext) -> str:
    """Return an id that is below the message's own: that of the answered message, else one from before the message was
    made."""
    return sending.answers if sending.answers.isdigit() else build_snowflake(message.created_at - CLOCK_SKEW)


def _split_files(files: Sequence[Attachment]) -> Iterator[Sequence[Attachment]]:
    batch: list[Attachment] = []
    for each in files:
        if each.size > MAX_FILE:
            raise SendRefused("file_too_large")
        if len(batch) == MAX_FILES or sum(file.size for file in [*batch, each]) > MAX_FORM:
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch
