"""Parsing of the gateway's events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from pydantic import ValidationError

from connectors.discord import contents, interactions, places
from connectors.discord.models import (
    Context,
    DeletedMessage,
    DeletedMessages,
    Dispatch,
    Emoji,
    Interaction,
    Message,
    Reaction,
    Reference,
    User,
    get_creation_time,
    get_log_fields,
)
from schemas import topics
from schemas.messages import Address
from schemas.ports import Account, ChannelEvent

log = structlog.get_logger("parley.discord")

PERSON_TYPES = (0, 19)
"""Types of messages that people write: plain ones and replies. All others are notices from Discord."""
FORWARD = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INTENT_FIX = "switch on the message content intent of the bot in Discord's Developer Portal"
IGNORED = frozenset(
    {
        *("READY", "RESUMED", "GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE", "TYPING_START", "PRESENCE_UPDATE"),
        *("CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE", "CHANNEL_PINS_UPDATE"),
        *("THREAD_CREATE", "THREAD_UPDATE", "THREAD_DELETE", "THREAD_LIST_SYNC", "THREAD_MEMBERS_UPDATE"),
        *("MESSAGE_REACTION_REMOVE_ALL", "MESSAGE_REACTION_REMOVE_EMOJI"),
    }
)
"""Known events without effect here. Threads are recognized by their messages, and bulk removals of reactions do not say
whose they were."""


@dataclass(frozen=True, slots=True)
class EventContext:
    """The account of an event, when it was received, and what the directory knows of it."""

    account: Account
    now: datetime
    directory: Context

    @property
    def _answers_in_channel(self) -> bool:
        return bool(self.account.settings.answer_in == "channel")

    def get_place(self, channel: str, guild: str | None, message: str, user: str) -> str:
        """Return the place of what somebody writes. ``user`` is empty where Discord does not say who."""
        if guild is None:
            return channel
        if self.directory.parent:
            return places.build_thread_place(self.directory.parent, channel)
        return (
            places.build_person_place(channel, user)
            if self._answers_in_channel
            else places.build_thread_place(channel, message)
        )

    def find_root(self, message: Message) -> str:
        """Return the message that the thread begins, or would begin, with. Answers that had to stay in the channel
        refer to the first question, and replies to them continue it."""
        answered = message.referenced_message
        first_reference = answered.message_reference if answered is not None and self.is_us(answered.author) else None
        return (first_reference.message_id if first_reference is not None else None) or message.id

    def is_us(self, user: User) -> bool:
        return bool(self.directory.bot) and user.id == self.directory.bot

    def addresses_us(self, message: Message) -> bool:
        """Return whether a message is meant for the bot: in a server, people also talk to each other."""
        if message.guild_id is None:
            return True
        everything = self.account.settings.answer_everything_in
        if message.channel_id in everything or (self.directory.parent and self.directory.parent in everything):
            return True
        answered = message.referenced_message
        return (
            any(self.is_us(each) for each in message.mentions)
            or (bool(self.directory.bot) and f"<@{self.directory.bot}>" in message.content)
            or (answered is not None and self.is_us(answered.author))
            or bool(set(message.mention_roles) & set(self.directory.roles))
        )


def parse_dispatch(dispatch: Dispatch, account: Account, now: datetime) -> list[ChannelEvent]:
    """Parse an event; an unknown or invalid one is logged and gives nothing."""
    parser = _PARSERS.get(dispatch.t)
    if parser is None:
        if dispatch.t not in IGNORED:
            log.info("kind_unknown", **get_log_fields(account), kind=dispatch.t[:64])
        return []
    try:
        return parser(dispatch.d, EventContext(account, now, dispatch.context))
    except ValidationError as error:
        fields = [".".join(map(str, each["loc"])) for each in error.errors(include_input=False)][:5]
        log.warning("event_malformed", **get_log_fields(account), kind=dispatch.t, fields=fields)
        return []


def _parse_message(data: Mapping[str, Any], context: EventContext) -> list[ChannelEvent]:
    message = Message.model_validate(data)
    if not _is_from_person(message):
        return []
    is_addressed = context.addresses_us(message)
    content = contents.build_payload(message, context.directory)
    if not content and _is_content_hidden(message, context):
        return []
    payload = {
        **(content or {"unsupported": "unknown"}),
        "author": {"kind": "contact", "name": contents.get_author_name(message.author, message.member)},
        "sent_at": message.timestamp or get_creation_time(message.id),
    }
    if revision := _get_revision(message):
        payload["revision"] = revision
    if answered := _get_answered_id(message.message_reference):
        payload["answers"] = answered
    place = context.get_place(message.channel_id, message.guild_id, context.find_root(message), message.author.id)
    event = _build_event(topics.MESSAGE_RECEIVED, place, message.id, payload, message.author.id)
    return [_set_room(event, message.channel_id, message.guild_id, is_asked=is_addressed)]


def _parse_edit(data: Mapping[str, Any], context: EventContext) -> list[ChannelEvent]:
    if not data.get("edited_timestamp") or "author" not in data or "content" not in data:
        return []  # a link preview, a pin or a thread: the text was not edited
    message = Message.model_validate(data)
    if not _is_from_person(message) or message.edited_timestamp is None:
        return []
    if not contents.build_payload(message, context.directory) and _is_content_hidden(message, context):
        return []
    text = contents.read_text(message, context.directory)
    payload = {"text": text, "edited_at": message.edited_timestamp, "revision": _get_revision(message)}
    revision = message.edited_timestamp.isoformat()
    place = context.get_place(message.channel_id, message.guild_id, context.find_root(message), message.author.id)
    event = _build_event(topics.MESSAGE_EDITED, place, message.id, payload, message.author.id, revision)
    return [_set_room(event, message.channel_id, message.guild_id)]


def _parse_deletion(data: Mapping[str, Any], context: EventContext) -> list[ChannelEvent]:
    deletion = DeletedMessage.model_validate(data)
    # Discord does not say who wrote it: the place names the conversation.
    place = context.get_place(deletion.channel_id, deletion.guild_id, deletion.id, "")
    event = _build_event(topics.MESSAGE_DELETED, place, deletion.id, {"deleted_at": context.now})
    return [_set_room(event, deletion.channel_id, deletion.guild_id)]


def _parse_bulk_deletion(data: Mapping[str, Any], context: EventContext) -> list[ChannelEvent]:
    deletions = DeletedMessages.model_validate(data)
    found: list[ChannelEvent] = []
    for each in deletions.ids:
        try:
            found += _parse_deletion(
                {"id": each, "channel_id": deletions.channel_id, "guild_id": deletions.guild_id}, context
            )
        except ValidationError:
            log.warning("item_malformed", **get_log_fields(context.account), kind="MESSAGE_DELETE_BULK")
    return found


def _build_reaction_parser(taken_back: bool) -> Parser:
    def parse(data: Mapping[str, Any], context: EventContext) -> list[ChannelEvent]:
        reaction = Reaction.model_validate(data)
        if reaction.member.user is not None and reaction.member.user.bot:
            return []
        emoji = _format_emoji(reaction.emoji)
        payload = {"emoji": emoji, "taken_back": taken_back, "at": context.now}
        # Discord does not date reactions, so the time of receipt is used.
        revision = f"{emoji}:{reaction.user_id}:{'-' if taken_back else '+'}:{context.now.isoformat()}"
        message = reaction.message_id
        place = context.get_place(reaction.channel_id, reaction.guild_id, message, reaction.user_id)
        event = _build_event(topics.REACTION_CHANGED, place, message, payload, reaction.user_id, revision)
        return [_set_room(event, reaction.channel_id, reaction.guild_id)]

    return parse


def _parse_interaction(data: Mapping[str, Any], context: EventContext) -> list[ChannelEvent]:
    interaction = Interaction.model_validate(data)
    user = interactions.get_user(interaction)
    if user is None or user.bot:
        return []
    channel, guild = interaction.channel_id, interaction.guild_id
    # A command begins no thread: it is answered below the question that Discord shows for it.
    candidates = [places.build_person_place(channel, user.id), channel] if guild else [channel]
    if guild and context.directory.parent:
        candidates = [places.build_thread_place(context.directory.parent, channel), channel]
    elif (
        guild
        and interaction.message is not None
        and (first_reference := interaction.message.message_reference) is not None
    ):
        candidates.append(places.build_thread_place(channel, first_reference.message_id or ""))
    fields, place = interactions.build_payload(interaction, context.account, candidates)
    return [_build_event(topics.MESSAGE_RECEIVED, place, interaction.id, fields, user.id)] if fields else []


Parser = Callable[[Mapping[str, Any], EventContext], list[ChannelEvent]]
_PARSERS: dict[str, Parser] = {
    "MESSAGE_CREATE": _parse_message,
    "MESSAGE_UPDATE": _parse_edit,
    "MESSAGE_DELETE": _parse_deletion,
    "MESSAGE_DELETE_BULK": _parse_bulk_deletion,
    "MESSAGE_REACTION_ADD": _build_reaction_parser(False),
    "MESSAGE_REACTION_REMOVE": _build_reaction_parser(True),
    "INTERACTION_CREATE": _parse_interaction,
}


def _is_from_person(message: Message) -> bool:
    """Return whether a person wrote it: bots that answer each other would never stop."""
    return message.type in PERSON_TYPES and message.webhook_id is None and not _is_bot(message.author)


def _is_bot(user: User) -> bool:
    return user.bot or user.system


def _get_revision(message: Message) -> int:
    """Return when the text was last edited, in microseconds; 0 if never."""
    changed = message.edited_timestamp
    return 0 if changed is None else (changed - _EPOCH) // timedelta(microseconds=1)


def _is_content_hidden(message: Message, context: EventContext) -> bool:
    """Handle a message without content in a server: Discord hides the content from a bot without the intent. If the bot
    has to be mentioned, empty messages are normal, because mentions are always complete."""
    if message.guild_id is None:
        return False
    if not context.directory.parent and not context.addresses_us(message):
        return True
    log.error(
        "message_content_hidden",
        **get_log_fields(context.account),
        place=message.channel_id,
        external_id=message.id,
        fix=INTENT_FIX,
    )
    return True


def _get_answered_id(reference: Reference | None) -> str:
    return reference.message_id or "" if reference is not None and reference.type != FORWARD else ""


def _format_emoji(emoji: Emoji) -> str:
    return emoji.name if emoji.id is None else f":{emoji.name or emoji.id}:"


def _set_room(event: ChannelEvent, channel: str, guild: str | None, *, is_asked: bool = True) -> ChannelEvent:
    if guild is not None:
        event.room, event.addressed, event.party = channel, is_asked, guild
    return event


def _build_event(
    kind: str, place: str, external_id: str, payload: Mapping[str, Any], user: str = "", revision: str = ""
) -> ChannelEvent:
    addresses = [Address(channel="discord", value=user, assurance="channel")] if user else []
    return ChannelEvent(kind, place, external_id, payload, addresses, revision)
