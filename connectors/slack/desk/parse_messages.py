"""What people write in the desk's threads, change and take back, and how they react there."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.desk.thread_ids import place, shown
from connectors.slack.desk.markdown import canonical
from connectors.slack.events import SAID, SLACKBOT, Change, Message, Ours, Reaction, Wrapper, ours_of
from connectors.slack.files import sent_along
from connectors.slack.places import edition, microseconds, moment
from connectors.slack.requests import Json
from schemas import topics
from schemas.ports import Account, Event

REPLY = "reply"
"""The revision of a reply as it was first written: by it its id is known to whoever hears of a change first."""
REACTION = "reaction"
"""What ``kind`` says until it is known which act a tenant's reaction stands for."""


def from_events_api(payload: Json, account: Account) -> Iterator[Event]:
    """Raises ValidationError."""
    wrapper = Wrapper.model_validate(payload)
    if wrapper.type != "event_callback" or wrapper.event is None:
        return
    ours, event = ours_of(wrapper, account), wrapper.event
    kind = str(event.get("type"))
    if kind in ("message", "app_mention"):
        yield from _message(event, ours)
    elif kind in ("reaction_added", "reaction_removed"):
        yield from _reacted(Reaction.model_validate(event), ours)


def person(user: str) -> str:
    """Who acts, for good."""
    return f"slack:{user}"


def _message(event: Json, ours: Ours) -> Iterator[Event]:
    subtype = str(event.get("subtype") or "")
    if subtype == "message_changed":
        yield from _changed(Change.model_validate(event), ours)
    elif subtype == "message_deleted":
        yield from _deleted(Change.model_validate(event), ours)
    elif subtype in SAID:
        yield from _said(Message.model_validate(event), ours)


def _said(message: Message, ours: Ours) -> Iterator[Event]:
    if not _is_reply(message, ours) or not message.channel:
        return
    payload = {"kind": "reply", "revision": edition(message.edited), "at": moment(message.ts)}
    yield _event(message, message.channel, payload | _words(message, ours), REPLY)


def _changed(change: Change, ours: Ours) -> Iterator[Event]:
    """Unfurled links change a message too, but nobody has edited it then."""
    now, before = change.message, change.previous_message
    if now is None or not now.edited or not _is_reply(now, ours):
        return
    if before is not None and before.written == now.written:
        return
    revision = edition(now.edited) or microseconds(change.event_ts)
    payload = {"kind": "edit", "revision": revision, "at": moment(change.event_ts)}
    yield _event(now, change.channel, payload | _words(now, ours), f"edit:{revision}")


def _words(message: Message, ours: Ours) -> Json:
    files, missing = sent_along(message.files)
    said: Json = {"text": canonical(ours.text(message, keep_ids=True)), "files": files}
    return {**said, "fields": {"missing": [missing]}} if missing else said


def _deleted(change: Change, ours: Ours) -> Iterator[Event]:
    before = change.previous_message
    if before is not None and _is_reply(before, ours):
        yield _event(before, change.channel, {"kind": "delete", "at": moment(change.event_ts)}, "delete")


def _is_reply(message: Message, ours: Ours) -> bool:
    """Of a person, below some message. What stands in the channel itself is about no conversation."""
    return ours.is_theirs(message) and message.thread_ts not in (None, message.ts)


def _event(message: Message, channel: str, payload: Json, revision: str) -> Event:
    thread, about = place(channel, message.thread_ts or ""), shown(channel, message.ts)
    return Event(topics.DESK_ACTED, thread, about, {**payload, "by": person(message.user or "")}, (), revision)


def _reacted(reaction: Reaction, ours: Ours) -> Iterator[Event]:
    """Slack does not say whether the message began a thread: whoever knows the conversation finds that out."""
    item = reaction.item
    if item.type != "message" or not item.channel or reaction.user in (ours.bot, SLACKBOT):
        return
    is_removed = reaction.type == "reaction_removed"
    payload = {
        "kind": REACTION,
        "value": reaction.reaction,
        "fields": {"removed": ["yes"]} if is_removed else {},
        "by": person(reaction.user),
        "at": moment(reaction.event_ts),
    }
    revision = f"{reaction.type}:{reaction.reaction}:{reaction.user}:{reaction.event_ts}"
    yield Event(topics.DESK_ACTED, place(item.channel, item.ts), shown(item.channel, item.ts), payload, (), revision)
