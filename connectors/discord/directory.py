"""Directory of a bot's servers: threads, names of channels and roles, and the bot's own id, which events name only by
id.

Discord sends them at the start of a session and when they change; the rest is requested, once for each channel and
server. discord.py has a cache of them, too. But it is ahead of the events that still wait to be appended, and forgets
what is deleted: the same event could lead to another place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import structlog
from discord import ChannelType
from pydantic import BeforeValidator, ValidationError

from connectors.discord.models import (
    NO_CONTEXT,
    Context,
    DiscordModel,
    Snowflake,
    Text,
    User,
    build_list_parser,
    get_log_fields,
)
from connectors.discord.rest import RestClient
from connectors.inbound.display_names import clean_display_name
from connectors.streams.history_retries import retry_when_limited
from schemas.errors import SendRefused
from schemas.ports import Account

log = structlog.get_logger("parley.discord")

THREAD_TYPES = frozenset(
    each.value for each in (ChannelType.news_thread, ChannelType.public_thread, ChannelType.private_thread)
)
MAX_ROOMS = 20_000
ROOM_EVENTS = frozenset(
    {
        *("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK", "INTERACTION_CREATE"),
        *("MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE"),
    }
)


class Room(DiscordModel):
    """A channel of a server, or a thread."""

    id: Snowflake
    type: int = 0
    name: Text = ""
    parent_id: Snowflake | None = None

    @property
    def is_thread(self) -> bool:
        return self.type in THREAD_TYPES


class Tags(DiscordModel):
    bot_id: Snowflake | None = None


class Role(DiscordModel):
    """The tags of a role that Discord made for a bot name the bot."""

    id: Snowflake
    name: Text = ""
    tags: Tags = Tags()


class Server(DiscordModel):
    id: Snowflake
    channels: Annotated[list[Room], BeforeValidator(build_list_parser(Room))] = []
    threads: Annotated[list[Room], BeforeValidator(build_list_parser(Room))] = []
    roles: Annotated[list[Role], BeforeValidator(build_list_parser(Role))] = []


class RoleChange(DiscordModel):
    guild_id: Snowflake
    role: Role


class ReadyEvent(DiscordModel):
    user: User


class Directory:
    """Directory of one bot."""

    def __init__(self, rest: RestClient, account: Account) -> None:
        self._rest = rest
        self._account = account
        self._bot = ""
        self._rooms: OrderedDict[str, Room | None] = OrderedDict()
        self._roles: dict[str, dict[str, Role]] = {}
        """By server."""

    def learn(self, name: str | None, data: Any) -> None:
        """Update the directory from an event of the gateway."""
        try:
            if name == "READY":
                self._bot = ReadyEvent.model_validate(data).user.id
            elif name == "GUILD_CREATE":
                self.learn_server(Server.model_validate(data))
            elif name in ("CHANNEL_CREATE", "CHANNEL_UPDATE", "THREAD_CREATE", "THREAD_UPDATE"):
                self.learn_room(Room.model_validate(data))
            elif name in ("GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE"):
                change = RoleChange.model_validate(data)
                self._roles.get(change.guild_id, {})[change.role.id] = change.role
            elif name == "THREAD_LIST_SYNC":
                for room in build_list_parser(Room)(data.get("threads")):
                    self.learn_room(room)
        except (ValidationError, AttributeError):
            log.warning("item_malformed", **get_log_fields(self._account), kind=str(name)[:64])

    def learn_server(self, server: Server) -> None:
        for room in [*server.channels, *server.threads]:
            self.learn_room(room)
        self._roles[server.id] = {role.id: role for role in server.roles}

    def learn_room(self, room: Room | None, id_: str = "") -> None:
        key = room.id if room is not None else id_
        self._rooms[key] = room
        self._rooms.move_to_end(key)
        while len(self._rooms) > MAX_ROOMS:
            self._rooms.popitem(last=False)

    async def load_context(self, name: str | None, data: Any) -> Context:
        """Return the context of an event. Raises a DeliveryError while Discord cannot say: the same event must always
        be parsed the same way."""
        if name not in ROOM_EVENTS or not isinstance(data, Mapping):
            return NO_CONTEXT
        guild, channel = data.get("guild_id"), data.get("channel_id")
        if not _is_id(guild) or not _is_id(channel):
            # In a direct message only the bot's own name matters.
            return Context(bot=await self.load_bot_id()) if data.get("mentions") else NO_CONTEXT
        room = await self._find_room(str(channel))
        roles = await self._load_roles(str(guild)) if data.get("mention_roles") else {}
        bot = await self.load_bot_id()
        return Context(
            bot=bot,
            roles=[role.id for role in roles.values() if role.tags.bot_id == bot],
            parent=(room.parent_id or "") if room is not None and room.is_thread else "",
            names={
                **{each.id: clean_display_name(each.name) for each in self._find_mentioned_rooms(data)},
                **{role.id: clean_display_name(role.name) for role in roles.values()},
            },
        )

    async def load_bot_id(self) -> str:
        """Raises a DeliveryError."""
        if not self._bot:
            self._bot = str((await self._request("/users/@me", dict)).get("id") or "")
        return self._bot

    def _find_mentioned_rooms(self, data: Mapping[str, Any]) -> list[Room]:
        text = str(data.get("content") or "")
        ids = dict.fromkeys(part.partition(">")[0] for part in text.split("<#")[1:21])
        return [room for each in ids if (room := self._rooms.get(each)) is not None]

    async def _find_room(self, id_: str) -> Room | None:
        """None where the channel is gone, or hidden from the bot."""
        if id_ not in self._rooms:
            try:
                self.learn_room(Room.model_validate(await self._request(f"/channels/{id_}", dict)))
            except (SendRefused, ValidationError):
                self.learn_room(None, id_)
        return self._rooms[id_]

    async def _load_roles(self, guild: str) -> dict[str, Role]:
        if guild not in self._roles:
            try:
                roles = build_list_parser(Role)(await self._request(f"/guilds/{guild}/roles", list))
            except SendRefused:
                roles = []
            self._roles[guild] = {role.id: role for role in roles}
        return self._roles[guild]

    async def _request(self, path: str, kind: type[Any]) -> Any:
        return await retry_when_limited(partial(self._rest.read, path, kind))


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and str(value).isdigit()
