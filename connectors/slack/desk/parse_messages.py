"""Parsing of messages in the desk's threads, their edits and deletions, and reactions, as events. Pure.

Slack's markup becomes canonical markdown: one asterisk is bold in Slack, and emphasis elsewhere.
https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from connectors.desk.port import CARD_DELETED, REACTION, REPLY_REVISION
from connectors.desk.thread_ids import message_id, thread_id
from connectors.slack.inbound.emoji import get_emoji
from connectors.slack.inbound.events import (
    PERSON_SUBTYPES,
    SLACKBOT,
    AppContext,
    Change,
    EventCallback,
    Message,
    Reaction,
    build_app_context,
)
from connectors.slack.inbound.files import parse_files
from connectors.slack.inbound.requests import Json
from connectors.slack.places import get_revision, parse_timestamp, to_microseconds
from schemas import topics
from schemas.ports import Account, ChannelEvent

_CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
_MARKS = (
    # Emphasis is converted first, through a placeholder: its asterisk would else be read as bold.
    (re.compile(r"(?<![\w*~_])_(?!\s)([^_\n]+?)(?<!\s)_(?![\w_])"), "\x01\\1\x01"),
    (re.compile(r"(?<![\w*_])\*(?!\s)([^*\n]+?)(?<!\s)\*(?![\w*])"), r"**\1**"),
    (re.compile(r"(?<![\w~*_])~(?!\s)([^~\n]+?)(?<!\s)~(?![\w~])"), r"~~\1~~"),
    (re.compile("\x01"), "*"),
    (re.compile(r"^([^\S\n]*)[•◦▪︎]\s+", re.MULTILINE), r"\1- "),
)
_EMOJI = re.compile(r"(?<![\w:]):([a-z0-9_+'-]{1,60}(?:::skin-tone-[2-6])?):(?![\w:])")


def parse_events_api(payload: Json, account: Account) -> Iterator[ChannelEvent]:
    """Raises ValidationError."""
    wrapper = EventCallback.model_validate(payload)
    if wrapper.type != "event_callback" or wrapper.event is None:
        return
    ours, event = build_app_context(wrapper, account), wrapper.event
    kind = str(event.get("type"))
    if kind in ("message", "app_mention"):
        yield from _parse_message(event, ours)
    elif kind in ("reaction_added", "reaction_removed"):
        yield from _parse_reaction(Reaction.model_validate(event), ours)


def person_id(user: str) -> str:
    """Build the permanent id of a person."""
    return f"slack:{user}"


def _parse_message(event: Json, ours: AppContext) -> Iterator[ChannelEvent]:
    subtype = str(event.get("subtype") or "")
    if subtype == "message_changed":
        change = Change.model_validate(event)
        # A message that is deleted above its replies leaves a tombstone.
        is_deleted = change.message is not None and change.message.subtype == "tombstone"
        yield from (_parse_deletion if is_deleted else _parse_edit)(change, ours)
    elif subtype == "message_deleted":
        yield from _parse_deletion(Change.model_validate(event), ours)
    elif subtype in PERSON_SUBTYPES:
        yield from _parse_reply(Message.model_validate(event), ours)


def _parse_reply(message: Message, ours: AppContext) -> Iterator[ChannelEvent]:
    if not _is_reply(message, ours) or not message.channel:
        return
    payload = {"kind": "reply", "revision": get_revision(message.edited), "at": parse_timestamp(message.ts)}
    yield _build_event(message, message.channel, payload | _read_content(message, ours), REPLY_REVISION)


def _parse_edit(change: Change, ours: AppContext) -> Iterator[ChannelEvent]:
    """Parse an edit. Unfurled links change a message too, but do not count as an edit."""
    after, before = change.message, change.previous_message
    if after is None or not after.edited or not _is_reply(after, ours):
        return
    if before is not None and before.full_text == after.full_text:
        return
    revision = get_revision(after.edited) or to_microseconds(change.event_ts)
    payload = {"kind": "edit", "revision": revision, "at": parse_timestamp(change.event_ts)}
    yield _build_event(after, change.channel, payload | _read_content(after, ours), f"edit:{revision}")


def _read_content(message: Message, ours: AppContext) -> Json:
    files, missing = parse_files(message.files)
    content: Json = {"text": to_markdown(ours.read_text(message, keep_ids=True)), "files": files}
    return {**content, "fields": {"missing": [missing]}} if missing else content


def _parse_deletion(change: Change, ours: AppContext) -> Iterator[ChannelEvent]:
    before = change.previous_message
    if before is not None and _is_reply(before, ours):
        yield _build_event(before, change.channel, {"kind": "delete", "at": parse_timestamp(change.event_ts)}, "delete")
    elif before is not None:
        yield from _parse_card_deletion(before, change, ours)


def _parse_card_deletion(before: Message, change: Change, ours: AppContext) -> Iterator[ChannelEvent]:
    """Cards are messages of the app that begin a thread."""
    if not ours.is_from_person(before) and before.thread_ts in (None, before.ts):
        thread, external_id = thread_id(change.channel, before.ts), message_id(change.channel, before.ts)
        yield ChannelEvent(topics.DESK_COMMAND, thread, external_id, {"kind": CARD_DELETED}, (), "deleted")


def _is_reply(message: Message, ours: AppContext) -> bool:
    """Return whether it is a person's message in a thread. Messages in the channel itself belong to no conversation."""
    return ours.is_from_person(message) and message.thread_ts not in (None, message.ts)


def _build_event(message: Message, channel: str, payload: Json, revision: str) -> ChannelEvent:
    thread, external_id = thread_id(channel, message.thread_ts or ""), message_id(channel, message.ts)
    return ChannelEvent(
        topics.DESK_COMMAND, thread, external_id, {**payload, "by": person_id(message.user or "")}, (), revision
    )


def _parse_reaction(reaction: Reaction, ours: AppContext) -> Iterator[ChannelEvent]:
    """Parse a reaction. Slack does not say whether the message began a thread; the inbound pipeline finds that out."""
    item = reaction.item
    if item.type != "message" or not item.channel or reaction.user in (ours.bot, SLACKBOT):
        return
    is_removed = reaction.type == "reaction_removed"
    payload = {
        "kind": REACTION,
        "value": reaction.reaction,
        "fields": {"removed": ["yes"]} if is_removed else {},
        "by": person_id(reaction.user),
        "at": parse_timestamp(reaction.event_ts),
    }
    revision = f"{reaction.type}:{reaction.reaction}:{reaction.user}:{reaction.event_ts}"
    thread, external_id = thread_id(item.channel, item.ts), message_id(item.channel, item.ts)
    yield ChannelEvent(topics.DESK_COMMAND, thread, external_id, payload, (), revision)


def to_markdown(text: str) -> str:
    """Convert Slack's markup to markdown. Code, and emoji with unknown names, stay as they are."""
    pieces = _CODE.split(text.replace("\x01", ""))
    return "".join(piece if number % 2 else _format(piece) for number, piece in enumerate(pieces))


def _format(text: str) -> str:
    for pattern, replacement in _MARKS:
        text = pattern.sub(replacement, text)
    return _EMOJI.sub(lambda match: get_emoji(match.group(1)), text)
