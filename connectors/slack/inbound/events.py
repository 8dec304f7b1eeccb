"""Parsing of Slack's events, the same for HTTP and Socket Mode."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError

from connectors.markup import is_blank, parse_slack_text
from connectors.slack.inbound.emoji import get_emoji
from connectors.slack.inbound.files import parse_files
from connectors.slack.inbound.requests import Json
from connectors.slack.inbound.texts import read_shared_message, read_text
from connectors.slack.places import (
    Id,
    MessagePlace,
    SlackModel,
    Timestamp,
    build_place,
    get_revision,
    parse_timestamp,
    to_microseconds,
)
from schemas import topics
from schemas.messages import Quote
from schemas.ports import Account, ChannelEvent

log = structlog.get_logger("parley.slack")

SLACKBOT = "USLACKBOT"
PERSON_SUBTYPES = frozenset({"", "file_share", "thread_broadcast", "me_message"})
"""Subtypes of messages that a person wrote."""
IGNORED = frozenset(
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
"""Events and subtypes that need no answer and no log line."""
REVOKED_EVENTS = frozenset({"tokens_revoked", "app_uninstalled"})


class Authorization(SlackModel):
    team_id: Id | None = None
    user_id: Id | None = None


class EventCallback(SlackModel):
    """The envelope of every event. In a channel shared with another workspace ``team_id`` may be theirs; the
    authorization is always ours."""

    type: str = ""
    team_id: Id | None = None
    context_team_id: Id | None = None
    authorizations: list[Authorization] | None = None
    event: dict[str, Any] | None = None


class Message(SlackModel):
    """Also part of ``message_changed``, where the channel may be missing."""

    ts: Timestamp
    channel: Id = ""
    channel_type: str | None = None
    subtype: str | None = None
    user: Id | None = None
    bot_id: str | None = None
    thread_ts: Timestamp | None = None
    text: str | None = None
    blocks: Any = None
    attachments: Any = None
    files: Any = None
    edited: dict[str, Any] | None = None

    @property
    def full_text(self) -> str:
        return read_text(self.text, self.blocks, self.attachments)


class Change(SlackModel):
    """``message_changed`` and ``message_deleted``."""

    channel: Id
    channel_type: str | None = None
    event_ts: Timestamp
    message: Message | None = None
    previous_message: Message | None = None


class Item(SlackModel):
    type: str = ""
    channel: Id = ""
    ts: Timestamp = "0.0"


class Reaction(SlackModel):
    type: str
    user: Id
    reaction: str
    item: Item
    event_ts: Timestamp


_MENTION = re.compile(r"<@(\w+)(?:\|[^<>]*)?>[,:]?[ \t]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class AppContext:
    """Our app in the workspace. ``bot`` is its user id, empty where Slack does not say."""

    account: Account
    team: str
    bot: str = ""

    def log_info(self, event: str, **about: str) -> None:
        log.info(event, tenant=self.account.tenant, channel="slack", account=self.account.name, **about)

    def log_warning(self, event: str) -> None:
        """Log an event that needs an operator."""
        log.warning(event, tenant=self.account.tenant, channel="slack", account=self.account.name)

    def is_from_person(self, message: Message) -> bool:
        """Return whether a person wrote the message, not a bot."""
        return not message.bot_id and message.user not in (None, SLACKBOT, self.bot)

    def locate(self, message: Message, channel: str, channel_type: str | None) -> MessagePlace:
        is_direct = channel_type == "im"
        return build_place(self.team, channel, message.user or "", message.ts, message.thread_ts, is_direct=is_direct)

    def read_text(self, message: Message, *, keep_ids: bool = False) -> str:
        """Return the readable text, without the mention of our app; empty if there is nothing else. ``keep_ids``: see
        ``parse_slack_text``."""
        text = message.full_text
        if self.bot and f"<@{self.bot}" in text:
            text = _MENTION.sub(lambda match: "" if match[1] == self.bot else match[0], text).strip(" ")
        return parse_slack_text(text, keep_ids=keep_ids)


def parse_events_api(payload: Json, account: Account) -> Iterator[ChannelEvent]:
    """Never raises for an invalid event: Slack would send it again, and stop sending events after a while."""
    try:
        callback = EventCallback.model_validate(payload)
        app = build_app_context(callback, account)
        if callback.type == "app_rate_limited":
            return app.log_warning(callback.type)
        if callback.type != "event_callback" or callback.event is None:
            return app.log_info("kind_unknown", kind=callback.type[:64])
        for event in _parse_event(callback.event, app):
            event.party = app.team
            yield event
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors(include_url=False, include_input=False)[0]["loc"])
        AppContext(account, "").log_info("event_malformed", field=field)


def build_app_context(callback: EventCallback, account: Account) -> AppContext:
    """Return our identity in the workspace that sent this."""
    authorization = callback.authorizations[0] if callback.authorizations else Authorization()
    return AppContext(
        account,
        authorization.team_id or callback.context_team_id or callback.team_id or "",
        authorization.user_id or "",
    )


def _parse_event(event: Json, app: AppContext) -> Iterator[ChannelEvent]:
    kind, subtype = str(event.get("type")), str(event.get("subtype") or "")
    handler = PARSERS.get(kind)
    if handler is not None:
        yield from handler(event, app)
    elif kind in REVOKED_EVENTS:
        app.log_warning(kind)
    elif not IGNORED & {kind, subtype}:
        app.log_info("kind_unknown", kind=kind[:64], subtype=subtype[:64])


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _parse_message(event: Json, app: AppContext) -> Iterator[ChannelEvent]:
    subtype = str(event.get("subtype") or "")
    if subtype == "message_changed":
        yield from _parse_change(Change.model_validate(event), app)
    elif subtype == "message_deleted":
        yield from _parse_deletion(Change.model_validate(event), app)
    elif subtype in PERSON_SUBTYPES:
        yield from _build_message(Message.model_validate(event), app)
    elif subtype not in IGNORED:
        app.log_info("kind_unknown", kind="message", subtype=subtype[:64])


def _build_message(message: Message, app: AppContext) -> Iterator[ChannelEvent]:
    if not message.channel or not app.is_from_person(message):
        return
    place = app.locate(message, message.channel, message.channel_type)
    text = app.read_text(message)
    files, missing = parse_files(message.files)
    payload: Json = {"text": text, "files": files, "sent_at": parse_timestamp(message.ts)}
    if missing or (is_blank(text) and not files):
        payload["unsupported"] = missing or ("message" if is_blank(message.full_text) else "mention")
    if shared_text := read_shared_message(message.attachments) if not is_blank(message.text or "") else "":
        payload["quote"] = Quote(text=parse_slack_text(shared_text))
    if revision := get_revision(message.edited):
        payload["revision"] = revision
    if place.thread and place.thread != message.ts:
        payload["answers"] = place.thread
    yield ChannelEvent(topics.MESSAGE_RECEIVED, place.place, place.external_id(message.ts), payload, place.addresses)


def _parse_change(change: Change, app: AppContext) -> Iterator[ChannelEvent]:
    current, previous = change.message, change.previous_message
    if current is None:
        return
    if current.subtype == "tombstone":
        # A deleted message with a thread leaves a tombstone; its author is known only from the previous message.
        if previous is not None and app.is_from_person(previous):
            yield _build_deletion(previous, change, app)
    elif (
        current.edited and app.is_from_person(current) and (previous is None or previous.full_text != current.full_text)
    ):
        place = app.locate(current, change.channel, change.channel_type)
        payload = {"text": app.read_text(current), "edited_at": parse_timestamp(change.event_ts)}
        payload["revision"] = get_revision(current.edited) or to_microseconds(change.event_ts)
        revision = str(current.edited.get("ts") or change.event_ts)[:40]
        yield ChannelEvent(
            topics.MESSAGE_EDITED, place.place, place.external_id(current.ts), payload, place.addresses, revision
        )


def _parse_deletion(change: Change, app: AppContext) -> Iterator[ChannelEvent]:
    previous = change.previous_message
    if previous is not None and app.is_from_person(previous):
        yield _build_deletion(previous, change, app)


def _build_deletion(message: Message, change: Change, app: AppContext) -> ChannelEvent:
    place = app.locate(message, change.channel, change.channel_type)
    payload = {"deleted_at": parse_timestamp(change.event_ts)}
    return ChannelEvent(topics.MESSAGE_DELETED, place.place, place.external_id(message.ts), payload, place.addresses)


# ── reactions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _parse_reaction(event: Json, app: AppContext) -> Iterator[ChannelEvent]:
    reaction = Reaction.model_validate(event)
    item = reaction.item
    if item.type != "message" or not item.channel or reaction.user in (app.bot, SLACKBOT):
        return
    place = build_place(app.team, item.channel, reaction.user, item.ts, None)
    payload = {
        "external_id": item.ts,
        "emoji": get_emoji(reaction.reaction),
        "taken_back": reaction.type == "reaction_removed",
        "at": parse_timestamp(reaction.event_ts),
    }
    revision = f"{reaction.reaction}:{reaction.user}:{reaction.event_ts}"
    yield ChannelEvent(topics.REACTION_CHANGED, place.place, item.ts, payload, place.addresses, revision)


PARSERS: dict[str, Callable[[Json, AppContext], Iterator[ChannelEvent]]] = {
    "message": _parse_message,
    "app_mention": lambda event, ours: _build_message(Message.model_validate(event), ours),
    "reaction_added": _parse_reaction,
    "reaction_removed": _parse_reaction,
}
