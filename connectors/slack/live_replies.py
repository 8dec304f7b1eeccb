"""Web API calls for live replies, edits and deletions.

Slack streams only in threads. In the end the streamed message is replaced by what an ordinary message would have shown,
so sources and choices look the same either way.
https://docs.slack.dev/reference/methods/chat.startStream
"""

from __future__ import annotations

from connectors.slack.blocks import CLOCK_SKEW, build_section
from connectors.slack.places import is_user_id, parse_place
from schemas.conversation import Contact
from schemas.messages import ReplyBegun
from schemas.ports import LiveReplyLimits, RateLimit, VendorCall

RULES = LiveReplyLimits(begin=RateLimit(0.3, 2), update_rate=RateLimit(1.5, 10), every=1.0, max_duration=240.0)
"""Slack allows 20 starts and stops and 100 appends a minute. It ends a stream by itself after five minutes."""
IS_COMPLETE = "is_whole"
"""Key in a call's arguments: the message is complete, not being streamed."""
MAX_FALLBACK = 1_000
"""Characters of the text beside blocks: chat.update accepts 4,000 bytes."""


def build_opening(begun: ReplyBegun, contact: Contact | None, text: str) -> VendorCall | None:
    """None outside of threads, and in a channel where the recipient is unknown."""
    target = parse_place(begun.place, begun.answers)
    if "thread_ts" not in target:
        return None
    if not target["channel"].startswith("D"):
        recipient = _build_recipient(contact)
        if recipient is None:
            return None
        target |= recipient
    since = f"{(begun.at - CLOCK_SKEW).timestamp():.6f}"
    return VendorCall("chat.startStream", {**target, "markdown_text": _escape(text), "since": since})


def build_addition(opened: VendorCall, shown: str, text: str) -> VendorCall:
    return VendorCall("chat.appendStream", {**_build_target(opened, shown), "markdown_text": _escape(text)})


def build_final_call(call: VendorCall, opened: VendorCall, shown: str) -> VendorCall | None:
    """None for files, which cannot be added to an existing message."""
    if call.files:
        return None
    text = str(call.arguments["text"])
    blocks = call.arguments.get("blocks") or [build_section(text)]
    content = {"text": text[:MAX_FALLBACK], "blocks": blocks}
    return VendorCall("chat.update", {**_build_target(opened, shown), **content}, repeats=True)


def build_retraction(opened: VendorCall, shown: str) -> VendorCall:
    return VendorCall("chat.delete", _build_target(opened, shown), repeats=True)


def build_edit(call: VendorCall, shown: str) -> VendorCall | None:
    """Edit a complete message, which stays as it is if Slack refuses."""
    changed = build_final_call(call, call, shown)
    return (
        None if changed is None else VendorCall("chat.update", {**changed.arguments, IS_COMPLETE: True}, repeats=True)
    )


def build_deletion(call: VendorCall, shown: str) -> VendorCall:
    if call.files:
        return VendorCall("files.delete", {"channel": call.arguments["channel_id"], "file": shown}, repeats=True)
    return VendorCall("chat.delete", {**_build_target(call, shown), IS_COMPLETE: True}, repeats=True)


def _build_target(opened: VendorCall, shown: str) -> dict[str, str]:
    return {"channel": opened.arguments["channel"], "ts": shown}


def _build_recipient(contact: Contact | None) -> dict[str, str] | None:
    """In channels Slack requires the recipient of a stream."""
    for address in contact.addresses if contact else ():
        team, _, person = address.value.partition(":")
        if address.channel == "slack" and is_user_id(person):
            return {"recipient_team_id": team, "recipient_user_id": person}
    return None


def _escape(text: str) -> str:
    """Escape markdown so that it mentions nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
