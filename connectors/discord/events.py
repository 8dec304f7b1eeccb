"""Events of the gateway → ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from pydantic import ValidationError

from connectors.discord import contents, interactions
from connectors.discord.shapes import (
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


def events(dispatch: Dispatch, account: Account, now: datetime) -> list[Event]:
    """Nothing, with a word in the log, for a kind that is not known or cannot be read."""
    read = _READERS.get(dispatch.t)
    if read is None:
        if dispatch.t not in MEANINGLESS:
            log.info("kind_unknown", **where(account), kind=dispatch.t[:64])
        return []
    try:
        return read(dispatch.d, account, now)
    except ValidationError as error:
        fields = [".".join(map(str, each["loc"])) for each in error.errors(include_input=False)][:5]
        log.warning("event_malformed", **where(account), kind=dispatch.t, fields=fields)
        return []


def _created(data: Mapping[str, Any], account: Account, now: datetime) -> list[Event]:
    message = Message.model_validate(data)
    if not _is_spoken(message):
        return []
    said = contents.payload(message)
    if not said and _is_hidden(message, account):
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
    return [_event(topics.MESSAGE_RECEIVED, message.channel_id, message.id, payload, message.author.id)]


def _updated(data: Mapping[str, Any], account: Account, now: datetime) -> list[Event]:
    if not data.get("edited_timestamp") or "author" not in data or "content" not in data:
        return []  # a card for a link, a pin, a thread: nobody changed the words
    message = Message.model_validate(data)
    if not _is_spoken(message) or message.edited_timestamp is None:
        return []
    if not contents.payload(message) and _is_hidden(message, account):
        return []
    payload = {"text": contents.text(message), "edited_at": message.edited_timestamp, "revision": _revision(message)}
    revision = message.edited_timestamp.isoformat()
    return [_event(topics.MESSAGE_EDITED, message.channel_id, message.id, payload, message.author.id, revision)]


def _deleted(data: Mapping[str, Any], account: Account, now: datetime) -> list[Event]:
    gone = Deleted.model_validate(data)
    # Discord does not say who wrote it: the conversation is that of the place.
    return [_event(topics.MESSAGE_DELETED, gone.channel_id, gone.id, {"deleted_at": now})]


def _deleted_many(data: Mapping[str, Any], account: Account, now: datetime) -> list[Event]:
    many = DeletedMany.model_validate(data)
    found: list[Event] = []
    for each in many.ids:
        try:
            found += _deleted({"id": each, "channel_id": many.channel_id}, account, now)
        except ValidationError:
            log.warning("item_malformed", **where(account), kind="MESSAGE_DELETE_BULK")
    return found


def _reacted(taken_back: bool) -> Callable[[Mapping[str, Any], Account, datetime], list[Event]]:
    def read(data: Mapping[str, Any], account: Account, now: datetime) -> list[Event]:
        reaction = Reaction.model_validate(data)
        if reaction.member.user is not None and reaction.member.user.bot:
            return []
        emoji = _emoji(reaction.emoji)
        payload = {"emoji": emoji, "taken_back": taken_back, "at": now}
        # Discord does not date reactions; ours is the moment in which it was heard.
        revision = f"{emoji}:{reaction.user_id}:{'-' if taken_back else '+'}:{now.isoformat()}"
        place, message = reaction.channel_id, reaction.message_id
        return [_event(topics.REACTION_CHANGED, place, message, payload, reaction.user_id, revision)]

    return read


def _interacted(data: Mapping[str, Any], account: Account, now: datetime) -> list[Event]:
    interaction = Interaction.model_validate(data)
    user = interactions.user(interaction)
    said = interactions.payload(interaction, account)
    if not said or user is None or user.bot:
        return []
    return [_event(topics.MESSAGE_RECEIVED, interaction.channel_id, interaction.id, said, user.id)]


_READERS: dict[str, Callable[[Mapping[str, Any], Account, datetime], list[Event]]] = {
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


def _is_hidden(message: Message, account: Account) -> bool:
    """A message in a server with nothing in it: Discord takes everything out for a bot without the intent."""
    if message.guild_id is None:
        return False
    log.error(
        "message_content_hidden",
        **where(account),
        place=message.channel_id,
        external_id=message.id,
        fix=INTENT,
    )
    return True


def _answered(reference: Reference | None) -> str:
    return reference.message_id or "" if reference is not None and reference.type != FORWARD else ""


def _emoji(emoji: Emoji) -> str:
    return emoji.name if emoji.id is None else f":{emoji.name or emoji.id}:"


def _event(
    kind: str, place: str, external_id: str, payload: Mapping[str, Any], user: str = "", revision: str = ""
) -> Event:
    addresses = [Address(channel="discord", value=user, assurance="channel")] if user else []
    return Event(kind, place, external_id, payload, addresses, revision)
