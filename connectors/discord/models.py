"""The parts of Discord's objects that are used. Nothing is trusted: ids are text, and an invalid item does not spoil a
list.

https://docs.discord.com/developers/resources/message
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

import structlog
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.markup import clean_text
from schemas.errors import InvalidRequest
from schemas.ports import Account

log = structlog.get_logger("parley.discord")

EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
VOICE_MESSAGE = 1 << 13


def _parse_id(value: Any) -> Any:
    """Ids exceed the precision of a float, so Discord sends them as text; integers are accepted too."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise ValueError("must be an id")
    return text


def _parse_text(value: Any) -> Any:
    return clean_text(value) if isinstance(value, str) else "" if value is None else value


def _parse_ids(value: Any) -> list[str]:
    return [str(each) for each in value if isinstance(each, str | int)] if isinstance(value, list) else []


Snowflake = Annotated[str, BeforeValidator(_parse_id)]
Text = Annotated[str, BeforeValidator(_parse_text)]
Model = TypeVar("Model", bound=BaseModel)


def get_creation_time(snowflake: str) -> datetime:
    """Return when the object with this id was created."""
    return EPOCH + timedelta(milliseconds=int(snowflake) >> 22)


def build_snowflake(at: datetime) -> str:
    """Return the smallest id of this time."""
    return str(max(0, int((at - EPOCH).total_seconds() * 1000)) << 22)


def get_log_fields(account: Account) -> dict[str, str]:
    return {"tenant": account.tenant, "channel": account.channel, "account": account.name}


def build_list_parser(model: type[Model]) -> Callable[[Any], list[Model]]:
    """Build a validator for lists that drops invalid items."""

    def parse(value: Any) -> list[Model]:
        items = []
        for item in value if isinstance(value, list) else []:
            try:
                items.append(model.model_validate(item))
            except ValidationError:
                log.warning("item_malformed", channel="discord", kind=model.__name__)
        return items

    return parse


class DiscordModel(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Context(DiscordModel):
    """The context of an event: the bot's id and its own ``roles``; in a thread, the ``parent`` channel; the names of
    channels and roles that are mentioned by id. See directory.py."""

    bot: Snowflake | Literal[""] = ""
    roles: list[Snowflake] = []
    parent: Snowflake | Literal[""] = ""
    names: dict[str, str] = {}


NO_CONTEXT = Context()


class Dispatch(DiscordModel):
    """One event of the gateway: its name and data; ``context`` is ours."""

    t: Annotated[Text, Field(min_length=1)]
    d: dict[str, Any]
    context: Context = NO_CONTEXT


class User(DiscordModel):
    id: Snowflake
    username: Text = ""
    global_name: Text = ""
    bot: bool = False
    system: bool = False


class Member(DiscordModel):
    nick: Text = ""
    user: User | None = None


class UserMention(User):
    member: Member = Member()


class FileAttachment(DiscordModel):
    id: Snowflake
    filename: Text = ""
    content_type: Text = ""
    size: int = 0
    url: Text = ""


class Sticker(DiscordModel):
    name: Text = ""


class PollText(DiscordModel):
    text: Text = ""


class PollAnswer(DiscordModel):
    poll_media: PollText = PollText()


class Poll(DiscordModel):
    question: PollText = PollText()
    answers: Annotated[list[PollAnswer], BeforeValidator(build_list_parser(PollAnswer))] = []


class Embed(DiscordModel):
    """A card, of a link or from a program."""

    title: Text = ""
    description: Text = ""


class Content(DiscordModel):
    """The common fields of a message and a forwarded copy."""

    content: Text = ""
    attachments: Annotated[list[FileAttachment], BeforeValidator(build_list_parser(FileAttachment))] = []
    sticker_items: Annotated[list[Sticker], BeforeValidator(build_list_parser(Sticker))] = []
    mentions: Annotated[list[UserMention], BeforeValidator(build_list_parser(UserMention))] = []
    embeds: Annotated[list[Embed], BeforeValidator(build_list_parser(Embed))] = []
    flags: int = 0


class Snapshot(DiscordModel):
    message: Content


class Reference(DiscordModel):
    """``type`` 1 is a forward."""

    type: int = 0
    message_id: Snowflake | None = None


class AnsweredMessage(Content):
    """The message that another one answers."""

    id: Snowflake
    author: User
    message_reference: Reference | None = None


def _parse_answered(value: Any) -> Any:
    """None where the message is gone or invalid: the reply matters more."""
    try:
        return None if value is None else AnsweredMessage.model_validate(value)
    except ValidationError:
        return None


class Message(Content):
    """A missing ``type`` means an ordinary message."""

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
    message_snapshots: Annotated[list[Snapshot], BeforeValidator(build_list_parser(Snapshot))] = []
    referenced_message: Annotated[AnsweredMessage | None, BeforeValidator(_parse_answered)] = None
    mention_roles: Annotated[list[str], BeforeValidator(_parse_ids)] = []
    poll: Poll | None = None


class DeletedMessage(DiscordModel):
    id: Snowflake
    channel_id: Snowflake
    guild_id: Snowflake | None = None


class DeletedMessages(DiscordModel):
    ids: list[Any]
    channel_id: Snowflake
    guild_id: Snowflake | None = None


class Emoji(DiscordModel):
    id: Snowflake | None = None
    name: Text = ""


class Reaction(DiscordModel):
    user_id: Snowflake
    channel_id: Snowflake
    guild_id: Snowflake | None = None
    message_id: Snowflake
    emoji: Emoji
    member: Member = Member()


class Option(DiscordModel):
    value: Any = None


class InteractionData(DiscordModel):
    """Custom id and values of a component, or name and options of a command."""

    type: int = 1
    name: Text = ""
    options: Annotated[list[Option], BeforeValidator(build_list_parser(Option))] = []
    component_type: int = 0
    custom_id: Text = ""
    values: list[Text] = []


class SourceMessage(DiscordModel):
    """The message with the component that was used."""

    components: Any = None
    message_reference: Reference | None = None


class Interaction(DiscordModel):
    id: Snowflake
    type: int
    channel_id: Snowflake
    guild_id: Snowflake | None = None
    data: InteractionData = InteractionData()
    member: Member | None = None
    user: User | None = None
    message: SourceMessage | None = None
    locale: Text = ""


def parse_frame(body: bytes) -> Dispatch:
    """Raises InvalidRequest for what is no event at all."""
    try:
        # The standard library's parser accepts lone surrogates, which are repaired later.
        return Dispatch.model_validate(json.loads(body))
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("the body is not an event of the gateway") from error
