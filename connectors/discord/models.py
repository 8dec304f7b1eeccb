"""Discord's objects as far as they are read. Nothing is taken on trust: ids are text, and one odd item of a list does
not spoil the others.

https://docs.discord.com/developers/resources/message
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

import structlog
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.markup import printable
from schemas.errors import InvalidRequest
from schemas.ports import Account

log = structlog.get_logger("parley.discord")

EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
VOICE_MESSAGE = 1 << 13


def _digits(value: Any) -> Any:
    """Ids are numbers beyond what a float holds: Discord sends them as text, and whole numbers are let through."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise ValueError("must be an id")
    return text


def _text(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else "" if value is None else value


def _ids(value: Any) -> list[str]:
    return [str(each) for each in value if isinstance(each, str | int)] if isinstance(value, list) else []


Snowflake = Annotated[str, BeforeValidator(_digits)]
Words = Annotated[str, BeforeValidator(_text)]
Model = TypeVar("Model", bound=BaseModel)


def moment(snowflake: str) -> datetime:
    """When a thing with this id was made."""
    return EPOCH + timedelta(milliseconds=int(snowflake) >> 22)


def snowflake(at: datetime) -> str:
    """The least id of this moment."""
    return str(max(0, int((at - EPOCH).total_seconds() * 1000)) << 22)


def where(account: Account) -> dict[str, str]:
    """What the log says of everything here."""
    return {"tenant": account.tenant, "channel": account.channel, "account": account.name}


def listed(model: type[Model]) -> Callable[[Any], list[Model]]:
    """A list of what can be read."""

    def read(value: Any) -> list[Model]:
        found = []
        for item in value if isinstance(value, list) else []:
            try:
                found.append(model.model_validate(item))
            except ValidationError:
                log.warning("item_malformed", channel="discord", kind=model.__name__)
        return found

    return read


class Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Context(Shape):
    """What an event does not say itself: who the bot is and which ``roles`` are its own; of a thread, in which channel
    (``parent``) it is; what the channels and roles are called that the event names by id. See directory.py."""

    bot: Snowflake | Literal[""] = ""
    roles: list[Snowflake] = []
    parent: Snowflake | Literal[""] = ""
    names: dict[str, str] = {}


NO_CONTEXT = Context()


class Dispatch(Shape):
    """One event of the gateway: its name and what it is about; ``context`` is ours."""

    t: Annotated[Words, Field(min_length=1)]
    d: dict[str, Any]
    context: Context = NO_CONTEXT


class User(Shape):
    id: Snowflake
    username: Words = ""
    global_name: Words = ""
    bot: bool = False
    system: bool = False


class Member(Shape):
    nick: Words = ""
    user: User | None = None


class Mentioned(User):
    member: Member = Member()


class Attached(Shape):
    id: Snowflake
    filename: Words = ""
    content_type: Words = ""
    size: int = 0
    url: Words = ""


class Sticker(Shape):
    name: Words = ""


class PollText(Shape):
    text: Words = ""


class PollAnswer(Shape):
    poll_media: PollText = PollText()


class Poll(Shape):
    question: PollText = PollText()
    answers: Annotated[list[PollAnswer], BeforeValidator(listed(PollAnswer))] = []


class Embed(Shape):
    """A card, of a link or of a program."""

    title: Words = ""
    description: Words = ""


class Content(Shape):
    """What a message and a forwarded copy of one have in common."""

    content: Words = ""
    attachments: Annotated[list[Attached], BeforeValidator(listed(Attached))] = []
    sticker_items: Annotated[list[Sticker], BeforeValidator(listed(Sticker))] = []
    mentions: Annotated[list[Mentioned], BeforeValidator(listed(Mentioned))] = []
    embeds: Annotated[list[Embed], BeforeValidator(listed(Embed))] = []
    flags: int = 0


class Snapshot(Shape):
    message: Content


class Reference(Shape):
    """``type`` 1 is a forward."""

    type: int = 0
    message_id: Snowflake | None = None


class Referenced(Content):
    """The message that another one answers."""

    id: Snowflake
    author: User
    message_reference: Reference | None = None


def _referenced(value: Any) -> Any:
    """Nothing where it is gone, or cannot be read: it is only beside the message."""
    try:
        return None if value is None else Referenced.model_validate(value)
    except ValidationError:
        return None


class Message(Content):
    """``type`` may be missing: then it is taken for what most messages are."""

    id: Snowflake
    channel_id: Snowflake
    guild_id: Snowflake | None = None
    author: User
    member: Member = Member()
    type: int = 0
    timestamp: AwareDatetime | None = None
    edited_timestamp: AwareDatetime | None = None
    webhook_id: Snowflake | None = None
    message_reference: Reference | None = None
    message_snapshots: Annotated[list[Snapshot], BeforeValidator(listed(Snapshot))] = []
    referenced_message: Annotated[Referenced | None, BeforeValidator(_referenced)] = None
    mention_roles: Annotated[list[str], BeforeValidator(_ids)] = []
    poll: Poll | None = None


class Deleted(Shape):
    id: Snowflake
    channel_id: Snowflake
    guild_id: Snowflake | None = None


class DeletedMany(Shape):
    ids: list[Any]
    channel_id: Snowflake
    guild_id: Snowflake | None = None


class Emoji(Shape):
    id: Snowflake | None = None
    name: Words = ""


class Reaction(Shape):
    user_id: Snowflake
    channel_id: Snowflake
    guild_id: Snowflake | None = None
    message_id: Snowflake
    emoji: Emoji
    member: Member = Member()


class Option(Shape):
    value: Any = None


class Picked(Shape):
    """Of a component its custom id and values, of a command its name and options."""

    type: int = 1
    name: Words = ""
    options: Annotated[list[Option], BeforeValidator(listed(Option))] = []
    component_type: int = 0
    custom_id: Words = ""
    values: list[Words] = []


class Source(Shape):
    """The message with the component that was pressed."""

    components: Any = None
    message_reference: Reference | None = None


class Interaction(Shape):
    id: Snowflake
    type: int
    channel_id: Snowflake
    guild_id: Snowflake | None = None
    data: Picked = Picked()
    member: Member | None = None
    user: User | None = None
    message: Source | None = None
    locale: Words = ""


def dispatch(body: bytes) -> Dispatch:
    """Raises InvalidRequest for what is no event at all."""
    try:
        # The standard library's reader: half characters, which the others refuse, are mended later.
        return Dispatch.model_validate(json.loads(body))
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("the body is no event of the gateway") from error
