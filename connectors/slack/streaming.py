"""A reply that is shown while it is written, as calls of Slack's Web API.

Slack shows such a message in threads only. It ends as an ordinary one: what was shown is replaced by what a plain
message would have said, so that sources and choices look the same either way.
https://docs.slack.dev/reference/methods/chat.startStream
"""

from __future__ import annotations

from connectors.slack.blocks import EARLIER, section
from connectors.slack.places import is_person, target
from schemas.conversation import Contact
from schemas.messages import ReplyBegun
from schemas.ports import Call, Pace, StreamRules

RULES = StreamRules(begin=Pace(0.3, 2), more=Pace(1.5, 10), every=1.0, lasts=240.0)
"""Slack takes 20 beginnings and ends a minute, and 100 additions. It ends a stream by itself after five minutes."""
STAYS = "is_whole"
"""Of a call about a message that nobody is writing any more."""
MOST_FALLBACK = 1_000
"""Characters of the text beside blocks: chat.update takes 4,000 bytes."""


def opening(begun: ReplyBegun, contact: Contact | None, text: str) -> Call | None:
    """None outside of threads, and in a channel where nobody is known whom it could be for."""
    where = target(begun.place, begun.answers)
    if "thread_ts" not in where:
        return None
    if not where["channel"].startswith("D"):
        reader = _reader(contact)
        if reader is None:
            return None
        where |= reader
    since = f"{(begun.at - EARLIER).timestamp():.6f}"
    return Call("chat.startStream", {**where, "markdown_text": _escaped(text), "since": since})


def more(opened: Call, shown: str, text: str) -> Call:
    return Call("chat.appendStream", {**_message(opened, shown), "markdown_text": _escaped(text)})


def whole(call: Call, opened: Call, shown: str) -> Call | None:
    """None for files, which cannot be put into a message that is there."""
    if call.files:
        return None
    text = str(call.arguments["text"])
    blocks = call.arguments.get("blocks") or [section(text)]
    said = {"text": text[:MOST_FALLBACK], "blocks": blocks}
    return Call("chat.update", {**_message(opened, shown), **said}, repeats=True)


def retraction(opened: Call, shown: str) -> Call:
    return Call("chat.delete", _message(opened, shown), repeats=True)


def revised(call: Call, shown: str) -> Call | None:
    """Of a message that was sent as a whole, and stays as it is when Slack refuses the change."""
    changed = whole(call, call, shown)
    return None if changed is None else Call("chat.update", {**changed.arguments, STAYS: True}, repeats=True)


def removed(call: Call, shown: str) -> Call:
    if call.files:
        return Call("files.delete", {"channel": call.arguments["channel_id"], "file": shown}, repeats=True)
    return Call("chat.delete", {**_message(call, shown), STAYS: True}, repeats=True)


def _message(opened: Call, shown: str) -> dict[str, str]:
    return {"channel": opened.arguments["channel"], "ts": shown}


def _reader(contact: Contact | None) -> dict[str, str] | None:
    """In channels Slack wants to know for whom it is written."""
    for address in contact.addresses if contact else ():
        team, _, person = address.value.partition(":")
        if address.channel == "slack" and is_person(person):
            return {"recipient_team_id": team, "recipient_user_id": person}
    return None


def _escaped(text: str) -> str:
    """Markdown in which nobody is mentioned."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
