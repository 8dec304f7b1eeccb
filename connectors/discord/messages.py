"""Our messages → calls that show them.

https://docs.discord.com/developers/resources/message#create-message
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from connectors.discord import components
from connectors.discord.models import snowflake
from connectors.discord.places import Target, target
from connectors.markup import DISCORD, render, utf16
from schemas.errors import SendRefused
from schemas.messages import Attachment, OutboundMessage
from schemas.ports import Call, Sending

CREATE, EDIT, DELETE = "Create Message", "Edit Message", "Delete Message"
MAX_TEXT = 2000
MAX_FILES = 10
MAX_FILE = 10 * 1024 * 1024
MAX_FORM = 24 * 1024 * 1024
"""Bytes of all files of one message. Discord takes 25 MiB with everything around them."""
ASKEW = timedelta(minutes=5)
"""How far our clock and Discord's may be apart."""


def calls(message: OutboundMessage, sending: Sending) -> list[Call]:
    """Raises SendRefused."""
    rows = components.rows(message, sending.account)
    rendered = render(
        message.text,
        DISCORD,
        MAX_TEXT,
        utf16,
        citations=message.citations,
        choices=[] if rows else message.choices,
    )
    bodies: list[dict[str, Any]] = [{"content": part} for part in rendered.parts] or [{}]
    batches = list(_batches(message.attachments)) or [()]
    if not rendered.parts and not rows and not message.attachments:
        raise SendRefused("empty")
    bodies += [{} for _ in batches[1:]]
    with_files = [()] * (len(bodies) - len(batches)) + batches
    if rows:
        bodies[-1]["components"] = rows
    where = target(message.place)
    # A thread begins below the question: nothing in it can be a reply to that.
    if sending.answers.isdigit() and sending.answers != where.channel:
        bodies[0]["message_reference"] = {"message_id": sending.answers, "fail_if_not_exists": False}
    since = _since(message, sending)
    return [_call(where, since, body, files) for body, files in zip(bodies, with_files, strict=True)]


def _call(where: Target, since: str, body: dict[str, Any], files: Sequence[Attachment]) -> Call:
    # Nobody is called by what a model or a contact wrote, whatever it looks like.
    form = {"content": "", **body, "allowed_mentions": {"parse": [], "replied_user": False}}
    parent = {"parent": where.parent} if where.parent else {}
    return Call(CREATE, {"channel": where.channel, **parent, "since": since, "body": form}, tuple(files))


def revised(call: Call, shown: str) -> Call:
    """With the same message and files as before: an edit that does not name them leaves them."""
    kept = {name: value for name, value in call.arguments["body"].items() if name != "message_reference"}
    return Call(EDIT, {**_where(call), "message": shown, "body": kept}, repeats=True)


def removed(call: Call, shown: str) -> Call:
    return Call(DELETE, {**_where(call), "message": shown}, repeats=True)


def _where(call: Call) -> dict[str, Any]:
    return {name: call.arguments[name] for name in ("channel", "parent") if name in call.arguments}


def _since(message: OutboundMessage, sending: Sending) -> str:
    """An id that the message's own will be above: of what it answers, else of a time before it was made."""
    return sending.answers if sending.answers.isdigit() else snowflake(message.created_at - ASKEW)


def _batches(files: Sequence[Attachment]) -> Iterator[Sequence[Attachment]]:
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
