"""What a bot knows of its servers: which of the channels are threads, what they and the roles are called, and who the
bot itself is. Events name all of these by id alone.

Discord tells it at the start of a session and as it changes. After a session was resumed by another process it is asked
for, once for each channel and each server.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import structlog
from pydantic import BeforeValidator, ValidationError

from connectors.discord.models import NO_CONTEXT, Context, Shape, Snowflake, User, Words, listed, where
from connectors.discord.rest import Rest
from connectors.inbound.display_names import shown_name
from connectors.streams.history_retries import patiently
from schemas.errors import SendRefused
from schemas.ports import Account

log = structlog.get_logger("parley.discord")

THREADS = frozenset({10, 11, 12})
REMEMBERED = 20_000
ROOM_EVENTS = frozenset(
    {
        *("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK", "INTERACTION_CREATE"),
        *("MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE"),
    }
)


class Room(Shape):
    """A channel of a server, or a thread."""

    id: Snowflake
    type: int = 0
    name: Words = ""
    parent_id: Snowflake | None = None

    @property
    def is_thread(self) -> bool:
        return self.type in THREADS


class Tags(Shape):
    bot_id: Snowflake | None = None


class Role(Shape):
    """A role that Discord made for a bot says so in its tags."""

    id: Snowflake
    name: Words = ""
    tags: Tags = Tags()


class Server(Shape):
    id: Snowflake
    channels: Annotated[list[Room], BeforeValidator(listed(Room))] = []
    threads: Annotated[list[Room], BeforeValidator(listed(Room))] = []
    roles: Annotated[list[Role], BeforeValidator(listed(Role))] = []


class RoleTold(Shape):
    guild_id: Snowflake
    role: Role


class Ready(Shape):
    user: User


class Directory:
    """Of one bot."""

    def __init__(self, rest: Rest, account: Account) -> None:
        self._rest = rest
        self._account = account
        self._bot = ""
        self._rooms: OrderedDict[str, Room | None] = OrderedDict()
        self._roles: dict[str, dict[str, Role]] = {}
        """By server."""

    def learn(self, name: str | None, data: Any) -> None:
        """What an event of the gateway says about the bot and its servers."""
        try:
            if name == "READY":
                self._bot = Ready.model_validate(data).user.id
            elif name == "GUILD_CREATE":
                self.learn_server(Server.model_validate(data))
            elif name in ("CHANNEL_CREATE", "CHANNEL_UPDATE", "THREAD_CREATE", "THREAD_UPDATE"):
                self.learn_room(Room.model_validate(data))
            elif name in ("GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE"):
                told = RoleTold.model_validate(data)
                self._roles.get(told.guild_id, {})[told.role.id] = told.role
            elif name == "THREAD_LIST_SYNC":
                for room in listed(Room)(data.get("threads")):
                    self.learn_room(room)
        except (ValidationError, AttributeError):
            log.warning("item_malformed", **where(self._account), kind=str(name)[:64])

    def learn_server(self, server: Server) -> None:
        for room in [*server.channels, *server.threads]:
            self.learn_room(room)
        self._roles[server.id] = {role.id: role for role in server.roles}

    def learn_room(self, room: Room | None, id_: str = "") -> None:
        key = room.id if room is not None else id_
        self._rooms[key] = room
        self._rooms.move_to_end(key)
        while len(self._rooms) > REMEMBERED:
            self._rooms.popitem(last=False)

    async def context(self, name: str | None, data: Any) -> Context:
        """What stands around an event. Raises a DeliveryError while Discord does not
        say: an event must not be read otherwise today than tomorrow."""
        if name not in ROOM_EVENTS or not isinstance(data, Mapping):
            return NO_CONTEXT
        guild, channel = data.get("guild_id"), data.get("channel_id")
        if not _is_id(guild) or not _is_id(channel):
            # In a direct message only the bot's own name matters.
            return Context(bot=await self.bot()) if data.get("mentions") else NO_CONTEXT
        room = await self._room(str(channel))
        roles = await self._roles_of(str(guild)) if data.get("mention_roles") else {}
        bot = await self.bot()
        return Context(
            bot=bot,
            roles=[role.id for role in roles.values() if role.tags.bot_id == bot],
            parent=(room.parent_id or "") if room is not None and room.is_thread else "",
            names={
                **{each.id: shown_name(each.name) for each in self._mentioned_rooms(data)},
                **{role.id: shown_name(role.name) for role in roles.values()},
            },
        )

    async def bot(self) -> str:
        """Raises a DeliveryError."""
        if not self._bot:
            self._bot = str((await self._read("/users/@me", dict)).get("id") or "")
        return self._bot

    def _mentioned_rooms(self, data: Mapping[str, Any]) -> list[Room]:
        said = str(data.get("content") or "")
        ids = dict.fromkeys(part.partition(">")[0] for part in said.split("<#")[1:21])
        return [room for each in ids if (room := self._rooms.get(each)) is not None]

    async def _room(self, id_: str) -> Room | None:
        """None where it is gone, or not to be seen."""
        if id_ not in self._rooms:
            try:
                self.learn_room(Room.model_validate(await self._read(f"/channels/{id_}", dict)))
            except (SendRefused, ValidationError):
                self.learn_room(None, id_)
        return self._rooms[id_]

    async def _roles_of(self, guild: str) -> dict[str, Role]:
        if guild not in self._roles:
            try:
                roles = listed(Role)(await self._read(f"/guilds/{guild}/roles", list))
            except SendRefused:
                roles = []
            self._roles[guild] = {role.id: role for role in roles}
        return self._roles[guild]

    async def _read(self, path: str, kind: type[Any]) -> Any:
        return await patiently(partial(self._rest.read, path, kind))


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and str(value).isdigit()
