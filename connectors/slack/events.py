"""Slack's events as ours: the same for what comes by HTTP and what comes over a socket."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError

from connectors.markup import blank, slack_text
from connectors.slack.emoji import emoji
from connectors.slack.files import sent_along
from connectors.slack.places import Id, Spot, Stamp, Vendor, edition, microseconds, moment, spot
from connectors.slack.requests import Json
from connectors.slack.texts import shared, written
from schemas import topics
from schemas.messages import Quote
from schemas.ports import Account, Event

log = structlog.get_logger("parley.slack")

SLACKBOT = "USLACKBOT"
SAID = frozenset({"", "file_share", "thread_broadcast", "me_message"})
"""Kinds of messages that somebody wrote."""
QUIET = frozenset(
    (
        *("app_home_opened", "assistant_thread_started", "assistant_thread_context_changed", "file_shared"),
        *("member_joined_channel", "member_left_channel"),
        *("assistant_app_thread", "bot_add", "bot_message", "bot_remove", "message_replied", "reminder_add"),
        *("channel_archive", "channel_convert_to_private", "channel_join", "channel_leave", "channel_name"),
        *("channel_posting_permissions", "channel_purpose", "channel_topic", "channel_unarchive"),
        *("group_archive", "group_join", "group_leave", "group_name", "group_purpose", "group_topic"),
        *("group_unarchive", "pinned_item", "unpinned_item", "tombstone"),
    )
)
"""Events and kinds of messages that are nothing to answer, and no news either."""
LOST = frozenset({"tokens_revoked", "app_uninstalled"})


class Authorization(Vendor):
    team_id: Id | None = None
    user_id: Id | None = None


class Wrapper(Vendor):
    """What stands around every event. In a channel that is shared with another workspace, ``team_id`` may be theirs;
    the authorization is always ours."""

    type: str = ""
    team_id: Id | None = None
    context_team_id: Id | None = None
    authorizations: list[Authorization] | None = None
    event: dict[str, Any] | None = None


class Message(Vendor):
    """Also what a ``message_changed`` has inside, which is why the channel may be missing."""

    ts: Stamp
    channel: Id = ""
    channel_type: str | None = None
    subtype: str | None = None
    user: Id | None = None
    bot_id: str | None = None
    thread_ts: Stamp | None = None
    parent_user_id: str | None = None
    text: str | None = None
    blocks: Any = None
    attachments: Any = None
    files: Any = None
    edited: dict[str, Any] | None = None

    @property
    def written(self) -> str:
        return written(self.text, self.blocks, self.attachments)


class Change(Vendor):
    """``message_changed`` and ``message_deleted``."""

    channel: Id
    channel_type: str | None = None
    event_ts: Stamp
    message: Message | None = None
    previous_message: Message | None = None
    deleted_ts: Stamp | None = None


class Item(Vendor):
    type: str = ""
    channel: Id = ""
    ts: Stamp = "0.0"


class Reaction(Vendor):
    type: str
    user: Id
    reaction: str
    item: Item
    event_ts: Stamp


_MENTION = re.compile(r"<@(\w+)(?:\|[^<>]*)?>[,:]?[ \t]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ours:
    """Our app in the workspace: ``bot`` is its user, "" where Slack does not say."""

    account: Account
    team: str
    bot: str = ""

    def report(self, event: str, **about: str) -> None:
        log.info(event, tenant=self.account.tenant, channel="slack", account=self.account.name, **about)

    def alarm(self, event: str) -> None:
        """Somebody has to do something about it."""
        log.warning(event, tenant=self.account.tenant, channel="slack", account=self.account.name)

    def is_theirs(self, message: Message) -> bool:
        """Written by a person who is not us."""
        return not message.bot_id and message.user not in (None, SLACKBOT, self.bot)

    def spot(self, message: Message, channel: str, channel_type: str | None) -> Spot:
        direct = channel_type == "im"
        return spot(self.team, channel, message.user or "", message.ts, message.thread_ts, is_direct=direct)

    def text(self, message: Message, *, keep_ids: bool = False) -> str:
        """As it reads, without the mention by which we were called; empty where it is nothing else. ``keep_ids``: see
        ``slack_text``."""
        said = message.written
        if self.bot and f"<@{self.bot}" in said:
            said = _MENTION.sub(lambda found: "" if found[1] == self.bot else found[0], said).strip(" ")
        return slack_text(said, keep_ids=keep_ids)


def from_events_api(payload: Json, account: Account) -> Iterator[Event]:
    """Nothing that is wrong with an event raises: Slack would send it again, and stop sending any after a while."""
    try:
        wrapper = Wrapper.model_validate(payload)
        ours = ours_of(wrapper, account)
        if wrapper.type == "app_rate_limited":
            return ours.alarm(wrapper.type)
        if wrapper.type != "event_callback" or wrapper.event is None:
            return ours.report("kind_unknown", kind=wrapper.type[:64])
        yield from _from_event(wrapper.event, ours)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_url=False, include_input=False)[0]["loc"])
        Ours(account, "").report("event_malformed", field=where)


def ours_of(wrapper: Wrapper, account: Account) -> Ours:
    """Who we are in the workspace that tells this."""
    us = wrapper.authorizations[0] if wrapper.authorizations else Authorization()
    return Ours(account, us.team_id or wrapper.context_team_id or wrapper.team_id or "", us.user_id or "")


def _from_event(event: Json, ours: Ours) -> Iterator[Event]:
    kind, subtype = str(event.get("type")), str(event.get("subtype") or "")
    handler = HANDLERS.get(kind)
    if handler is not None:
        yield from handler(event, ours)
    elif kind in LOST:
        ours.alarm(kind)
    elif not QUIET & {kind, subtype}:
        ours.report("kind_unknown", kind=kind[:64], subtype=subtype[:64])


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _message(event: Json, ours: Ours) -> Iterator[Event]:
    subtype = str(event.get("subtype") or "")
    if subtype == "message_changed":
        yield from _changed(Change.model_validate(event), ours)
    elif subtype == "message_deleted":
        yield from _deleted(Change.model_validate(event), ours)
    elif subtype in SAID:
        yield from _said(Message.model_validate(event), ours)
    elif subtype not in QUIET:
        ours.report("kind_unknown", kind="message", subtype=subtype[:64])


def _said(message: Message, ours: Ours) -> Iterator[Event]:
    if not message.channel or not ours.is_theirs(message):
        return
    at = ours.spot(message, message.channel, message.channel_type)
    text = ours.text(message)
    files, missing = sent_along(message.files)
    payload: Json = {"text": text, "files": files, "sent_at": moment(message.ts)}
    if missing or (blank(text) and not files):
        payload["unsupported"] = missing or ("message" if blank(message.written) else "mention")
    if quoted := shared(message.attachments) if not blank(message.text or "") else "":
        payload["quote"] = Quote(text=slack_text(quoted))
    if revision := edition(message.edited):
        payload["revision"] = revision
    if at.thread and at.thread != message.ts:
        payload["answers"] = at.thread
    yield Event(topics.MESSAGE_RECEIVED, at.place, at.external_id(message.ts), payload, at.addresses)


def _changed(change: Change, ours: Ours) -> Iterator[Event]:
    now, before = change.message, change.previous_message
    if now is None:
        return
    if now.subtype == "tombstone":
        # A message with a thread below it leaves something behind; its author is told only with what stood there.
        if before is not None and ours.is_theirs(before):
            yield _removed(before, change, ours)
    elif now.edited and ours.is_theirs(now) and (before is None or before.written != now.written):
        at = ours.spot(now, change.channel, change.channel_type)
        payload = {"text": ours.text(now), "edited_at": moment(change.event_ts)}
        payload["revision"] = edition(now.edited) or microseconds(change.event_ts)
        revision = str(now.edited.get("ts") or change.event_ts)[:40]
        yield Event(topics.MESSAGE_EDITED, at.place, at.external_id(now.ts), payload, at.addresses, revision)


def _deleted(change: Change, ours: Ours) -> Iterator[Event]:
    before = change.previous_message
    if before is not None and ours.is_theirs(before):
        yield _removed(before, change, ours)


def _removed(message: Message, change: Change, ours: Ours) -> Event:
    at = ours.spot(message, change.channel, change.channel_type)
    payload = {"deleted_at": moment(change.event_ts)}
    return Event(topics.MESSAGE_DELETED, at.place, at.external_id(message.ts), payload, at.addresses)


# ── reactions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _reacted(event: Json, ours: Ours) -> Iterator[Event]:
    reaction = Reaction.model_validate(event)
    item = reaction.item
    if item.type != "message" or not item.channel or reaction.user in (ours.bot, SLACKBOT):
        return
    at = spot(ours.team, item.channel, reaction.user, item.ts, None)
    payload = {
        "external_id": item.ts,
        "emoji": emoji(reaction.reaction),
        "taken_back": reaction.type == "reaction_removed",
        "at": moment(reaction.event_ts),
    }
    revision = f"{reaction.reaction}:{reaction.user}:{reaction.event_ts}"
    yield Event(topics.REACTION_CHANGED, at.place, item.ts, payload, at.addresses, revision)


HANDLERS: dict[str, Callable[[Json, Ours], Iterator[Event]]] = {
    "message": _message,
    "app_mention": lambda event, ours: _said(Message.model_validate(event), ours),
    "reaction_added": _reacted,
    "reaction_removed": _reacted,
}
