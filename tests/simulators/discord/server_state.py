"""The state of the simulated Discord: one application with its bot, people, a server with channels, and messages."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.discord.files import Files
from tests.simulators.discord.ids import Ids, snowflake_at
from tests.simulators.vendor import Ledger, ShownMessage

TEXT, DM, FORUM = 0, 1, 15
THREADS = (10, 11, 12)


@dataclass(slots=True)
class User:
    """``dms_open``: takes messages from the bot. ``in_guild``: shares the server with it."""

    id: str
    name: str
    shown_as: str | None = None
    bot: bool = False
    dms_open: bool = True
    in_guild: bool = True
    nick: str | None = None


@dataclass(slots=True)
class Message:
    """``data`` is Discord's message object without what depends on who asks (fresh links, contents he may not see)."""

    data: dict[str, Any]
    ephemeral: bool = False
    shown: ShownMessage | None = None
    edits_when_old: int = 0

    @property
    def id(self) -> str:
        return str(self.data["id"])

    @property
    def author(self) -> str:
        return str(self.data["author"]["id"])


@dataclass(slots=True)
class Channel:
    """``denied`` are the names of permissions that the bot lacks here, such as ``SEND_MESSAGES``. ``slowmode`` is in
    seconds and holds for the bot: Discord spares bots, so 0 unless a test wants code 20016."""

    id: str
    type: int
    name: str = ""
    guild: str | None = None
    parent: str | None = None
    owner: str | None = None
    person: User | None = None
    messages: dict[str, Message] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    slowmode: float = 0.0
    archived: bool = False
    locked: bool = False
    typing_until: float = 0.0
    topic: str | None = None

    @property
    def is_thread(self) -> bool:
        return self.type in THREADS


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the gateway tells. ``guild`` is None for what happens in direct messages and to no channel."""

    name: str
    data: dict[str, Any]
    guild: str | None = None


Emit = Callable[[Event], None]


class ServerState:
    """Everything in memory. ``emit`` is set by the gateway; until then nobody listens."""

    def __init__(self, now: Callable[[], float], seed: int, ledger: Ledger) -> None:
        self.now = now
        self.ids = Ids(now, seed)
        self.ledger = ledger
        self.files = Files(now, self.ids)
        self.emit: Emit = lambda _: None
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.stickers: dict[str, str] = {}
        self.custom_emoji: dict[str, str] = {}
        self.forbidden_words: set[str] = set()
        """Words that the server's automatic moderation does not let pass (200000)."""
        self.content_enabled = True
        """Whether the Developer Portal grants the application the contents of messages."""
        self.application = self.ids.snowflake()
        self.bot = self.add_user("Parley", bot=True)
        self.owner = self.add_user("owner")
        self.token = f"{self.ids.token(26)}.{self.ids.token(6)}.{self.ids.token(38)}"
        self.guild = self.ids.snowflake()
        self.guild_name = "Nepenthes & Co"
        self.home = self.add_channel("support")
        self.bot_role = self.ids.snowflake()

    def add_user(self, name: str, *, bot: bool = False) -> User:
        user = User(self.ids.snowflake(), name, None if bot else name.capitalize(), bot)
        self.users[user.id] = user
        return user

    def add_channel(self, name: str, kind: int = TEXT) -> Channel:
        channel = Channel(self.ids.snowflake(), kind, name, self.guild, owner=self.owner.id)
        self.channels[channel.id] = channel
        return channel

    def user(self, name: str) -> User:
        """The person of this name, who is made at the first mention."""
        for user in self.users.values():
            if user.name == name:
                return user
        return self.add_user(name)

    def dm(self, person: User) -> Channel:
        """The one place where this person and the bot talk alone."""
        for channel in self.channels.values():
            if channel.type == DM and channel.person is person:
                return channel
        channel = Channel(self.ids.snowflake(), DM, person=person)
        self.channels[channel.id] = channel
        return channel

    def thread(self, parent: Channel, name: str, owner: User, *, id: str = "", kind: int = 11) -> Channel:
        thread = Channel(id or self.ids.snowflake(), kind, name, parent.guild, parent.id, owner.id)
        thread.denied = set(parent.denied)
        self.channels[thread.id] = thread
        return thread

    def message(self, id: str) -> tuple[Channel, Message]:
        """Where a message stands. Raises KeyError."""
        for channel in self.channels.values():
            if id in channel.messages:
                return channel, channel.messages[id]
        raise KeyError(id)

    def tell(self, name: str, data: dict[str, Any], channel: Channel | None = None) -> None:
        """One event to everybody who listens; ``guild_id`` is added where the channel has one."""
        guild = channel.guild if channel else data.get("guild_id")
        if channel is not None and channel.guild:
            data = {**data, "guild_id": channel.guild}
        self.emit(Event(name, copy.deepcopy(data), guild))
        self.ledger.changed()

    def old(self, message: Message) -> bool:
        """Made more than an hour ago."""
        return int(message.id) < snowflake_at(self.now() - 3600)
