"""Events of the gateway → ours."""

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
    Deleted,
    DeletedMany,
    Dispatch,
    Emoji,
    Interaction,
    Message,
    Reaction,
    Reference,
    User,
    moment,
    where,
)
from schemas import topics
from schemas.messages import Address
from schemas.ports import Account, Event

log = structlog.get_logger("parley.discord")

SPOKEN = (0, 19)
"""Types of messages that somebody wrote: by itself, and as a reply. All others are notes of Discord."""
FORWARD = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INTENT = "switch on the message content intent of the bot in Discord's Developer Portal"
MEANINGLESS = frozenset(
    {
        *("READY", "RESUMED", "GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE", "TYPING_START", "PRESENCE_UPDATE"),
        *("CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE", "CHANNEL_PINS_UPDATE"),
        *("THREAD_CREATE", "THREAD_UPDATE", "THREAD_DELETE", "THREAD_LIST_SYNC", "THREAD_MEMBERS_UPDATE"),
        *("MESSAGE_REACTION_REMOVE_ALL", "MESSAGE_REACTION_REMOVE_EMOJI"),
    }
)
"""Known, and of no consequence here: a thread is known by what is written in it, and of reactions that somebody else
swept away nobody says whose they were."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Whose event it is, when it was heard, and what stands around it."""

    account: Account
    now: datetime
    context: Context

    @property
    def _in_channel(self) -> bool:
        return bool(self.account.settings.answer_in == "channel")

    def place(self, channel: str, guild: str | None, message: str, user: str) -> str:
        """Of what somebody writes. ``user`` empty: Discord does not say who."""
        if guild is None:
            return channel
        if self.context.parent:
            return places.in_thread(self.context.parent, channel)
        return places.of_person(channel, user) if self._in_channel else places.in_thread(channel, message)

    def root(self, message: Message) -> str:
        """The message that the thread begins with, or would: answers that had to stay in the channel name the first
        question, and whoever replies to one of them goes on with it."""
        answered = message.referenced_message
        first = answered.message_reference if answered is not None and self.is_us(answered.author) else None
        return (first.message_id if first is not None else None) or message.id

    def is_us(self, user: User) -> bool:
        return bool(self.context.bot) and user.id == self.context.bot

    def addresses_us(self, message: Message) -> bool:
        """In a server, among people who talk to each other."""
        if message.guild_id is None:
            return True
        everything = self.account.settings.answer_everything_in
        if message.channel_id in everything or (self.context.parent and self.context.parent in everything):
            return True
        answered = message.referenced_message
        return (
            any(self.is_us(each) for each in message.mentions)
            or (bool(self.context.bot) and f"<@{self.context.bot}>" in message.content)
            or (answered is not None and self.is_us(answered.author))
            or bool(set(message.mention_roles) & set(self.context.roles))
        )


def events(dispatch: Dispatch, account: Account, now: datetime) -> list[Event]:
    """Nothing, with a word in the log, for a kind that is not known or cannot be read."""
    read = _READERS.get(dispatch.t)
    if read is None:
        if dispatch.t not in MEANINGLESS:
            log.info("kind_unknown", **where(account), kind=dispatch.t[:64])
        return []
    try:
        return read(dispatch.d, Setting(account, now, dispatch.context))
    except ValidationError as error:
        fields = [".".join(map(str, each["loc"])) for each in error.errors(include_input=False)][:5]
        log.warning("event_malformed", **where(account), kind=dispatch.t, fields=fields)
        return []


def _created(data: Mapping[str, Any], at: Setting) -> list[Event]:
    message = Message.model_validate(data)
    if not _is_spoken(message):
        return []
    is_asked = at.addresses_us(message)
    said = contents.payload(message, at.context)
    if not said and _is_hidden(message, at):
        return []
    payload = {
        **(said or {"unsupported": "unknown"}),
        "author": {"kind": "contact", "name": contents.name(message.author, message.member)},
        "sent_at": message.timestamp or moment(message.id),
    }
    if revision := _revision(message):
        payload["revision"] = revision
    if answered := _answered(message.message_reference):
        payload["answers"] = answered
    place = at.place(message.channel_id, message.guild_id, at.root(message), message.author.id)
    event = _event(topics.MESSAGE_RECEIVED, place, message.id, payload, message.author.id)
    return [_in_room(event, message.channel_id, message.guild_id, is_asked=is_asked)]


def _updated(data: Mapping[str, Any], at: Setting) -> list[Event]:
    if not data.get("edited_timestamp") or "author" not in data or "content" not in data:
        return []  # a card for a link, a pin, a thread: nobody changed the words
    message = Message.model_validate(data)
    if not _is_spoken(message) or message.edited_timestamp is None:
        return []
    if not contents.payload(message, at.context) and _is_hidden(message, at):
        return []
    text = contents.text(message, at.context)
    payload = {"text": text, "edited_at": message.edited_timestamp, "revision": _revision(message)}
    revision = message.edited_timestamp.isoformat()
    place = at.place(message.channel_id, message.guild_id, at.root(message), message.author.id)
    event = _event(topics.MESSAGE_EDITED, place, message.id, payload, message.author.id, revision)
    return [_in_room(event, message.channel_id, message.guild_id)]


def _deleted(data: Mapping[str, Any], at: Setting) -> list[Event]:
    gone = Deleted.model_validate(data)
    # Discord does not say who wrote it: the conversation is that of the place.
    place = at.place(gone.channel_id, gone.guild_id, gone.id, "")
    event = _event(topics.MESSAGE_DELETED, place, gone.id, {"deleted_at": at.now})
    return [_in_room(event, gone.channel_id, gone.guild_id)]


def _deleted_many(data: Mapping[str, Any], at: Setting) -> list[Event]:
    many = DeletedMany.model_validate(data)
    found: list[Event] = []
    for each in many.ids:
        try:
            found += _deleted({"id": each, "channel_id": many.channel_id, "guild_id": many.guild_id}, at)
        except ValidationError:
            log.warning("item_malformed", **where(at.account), kind="MESSAGE_DELETE_BULK")
    return found


def _reacted(taken_back: bool) -> Reader:
    def read(data: Mapping[str, Any], at: Setting) -> list[Event]:
        reaction = Reaction.model_validate(data)
        if reaction.member.user is not None and reaction.member.user.bot:
            return []
        emoji = _emoji(reaction.emoji)
        payload = {"emoji": emoji, "taken_back": taken_back, "at": at.now}
        # Discord does not date reactions; ours is the moment in which it was heard.
        revision = f"{emoji}:{reaction.user_id}:{'-' if taken_back else '+'}:{at.now.isoformat()}"
        message = reaction.message_id
        place = at.place(reaction.channel_id, reaction.guild_id, message, reaction.user_id)
        event = _event(topics.REACTION_CHANGED, place, message, payload, reaction.user_id, revision)
        return [_in_room(event, reaction.channel_id, reaction.guild_id)]

    return read


def _interacted(data: Mapping[str, Any], at: Setting) -> list[Event]:
    interaction = Interaction.model_validate(data)
    user = interactions.user(interaction)
    if user is None or user.bot:
        return []
    channel, guild = interaction.channel_id, interaction.guild_id
    # A command begins no thread: it is answered beside the question that Discord shows for it.
    candidates = [places.of_person(channel, user.id), channel] if guild else [channel]
    if guild and at.context.parent:
        candidates = [places.in_thread(at.context.parent, channel), channel]
    elif guild and interaction.message is not None and (first := interaction.message.message_reference) is not None:
        candidates.append(places.in_thread(channel, first.message_id or ""))
    said, place = interactions.payload(interaction, at.account, candidates)
    return [_event(topics.MESSAGE_RECEIVED, place, interaction.id, said, user.id)] if said else []


Reader = Callable[[Mapping[str, Any], Setting], list[Event]]
_READERS: dict[str, Reader] = {
    "MESSAGE_CREATE": _created,
    "MESSAGE_UPDATE": _updated,
    "MESSAGE_DELETE": _deleted,
    "MESSAGE_DELETE_BULK": _deleted_many,
    "MESSAGE_REACTION_ADD": _reacted(False),
    "MESSAGE_REACTION_REMOVE": _reacted(True),
    "INTERACTION_CREATE": _interacted,
}


def _is_spoken(message: Message) -> bool:
    """By a person, and not by a program: bots that answer each other do not end."""
    return message.type in SPOKEN and message.webhook_id is None and not _is_program(message.author)


def _is_program(user: User) -> bool:
    return user.bot or user.system


def _revision(message: Message) -> int:
    """Microseconds at which its words were last changed; 0: never."""
    changed = message.edited_timestamp
    return 0 if changed is None else (changed - _EPOCH) // timedelta(microseconds=1)


def _is_hidden(message: Message, at: Setting) -> bool:
    """A message in a server with nothing in it: Discord takes everything out for a bot without the intent. In a channel
    where the bot has to be mentioned that is as well: a mention is told whole."""
    if message.guild_id is None:
        return False
    if not at.context.parent and not at.addresses_us(message):
        return True
    log.error(
        "message_content_hidden",
        **where(at.account),
        place=message.channel_id,
        external_id=message.id,
        fix=INTENT,
    )
    return True


def _answered(reference: Reference | None) -> str:
    return reference.message_id or "" if reference is not None and reference.type != FORWARD else ""


def _emoji(emoji: Emoji) -> str:
    return emoji.name if emoji.id is None else f":{emoji.name or emoji.id}:"


def _in_room(event: Event, channel: str, guild: str | None, *, is_asked: bool = True) -> Event:
    if guild is not None:
        event.room, event.addressed = channel, is_asked
    return event


def _event(
    kind: str, place: str, external_id: str, payload: Mapping[str, Any], user: str = "", revision: str = ""
) -> Event:
    addresses = [Address(channel="discord", value=user, assurance="channel")] if user else []
    return Event(kind, place, external_id, payload, addresses, revision)
