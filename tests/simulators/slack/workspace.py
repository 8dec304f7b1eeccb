"""The state of the workspace: people, rooms (channels and direct messages) and posts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.simulators.slack.ids import Ids
from tests.simulators.vendor import ShownMessage

Json = dict[str, Any]
Kind = Literal["member", "guest", "outsider", "bot"]
"""A guest is a restricted account of this workspace; an outsider comes from another one by Slack Connect; a bot is
somebody else's app."""
RoomKind = Literal["channel", "group", "im", "mpim"]


@dataclass(eq=False)
class Person:
    id: str
    name: str
    kind: Kind
    team: str
    bot_id: str = ""
    """Of an app's bot."""
    app_id: str = ""
    deleted: bool = False
    display_name: str | None = None
    """What they want to be called: their name, unless they said something else, or ("") nothing."""

    @property
    def email(self) -> str:
        return f"{self.name.casefold().replace(' ', '.')}@example.com"


@dataclass
class Stream:
    """A message that is being written: ``started`` on the server's clock."""

    started: float
    text: str = ""
    tasks: dict[str, Json] = field(default_factory=dict)
    blocks: list[Json] = field(default_factory=list)
    state: Literal["open", "stopped", "stopped_by_user"] = "open"


@dataclass(eq=False)
class Post:
    """``body`` is the vendor's message without its channel. ``to`` is set for what only one person sees."""

    room: Room
    ts: str
    body: Json
    author: Person
    to: str = ""
    stream: Stream | None = None
    shown: ShownMessage | None = None
    called: set[str] = field(default_factory=set)
    """Who was notified; a change notifies nobody again."""

    @property
    def root(self) -> str:
        return str(self.body.get("thread_ts") or self.ts)

    @property
    def is_reply(self) -> bool:
        return self.root != self.ts

    @property
    def is_broadcast(self) -> bool:
        return self.body.get("subtype") == "thread_broadcast"

    @property
    def place(self) -> str:
        """Where it is read: a direct message is one place, in a channel each thread is one."""
        place = f"{self.room.id}:{self.root}" if self.is_reply and self.room.kind != "im" else self.room.id
        return f"{place}@{self.to}" if self.to else place


@dataclass(eq=False)
class Room:
    id: str
    kind: RoomKind
    name: str
    members: list[str] = field(default_factory=list)
    posts: dict[str, Post] = field(default_factory=dict)
    shared: bool = False
    """With another workspace (Slack Connect)."""
    archived: bool = False

    @property
    def is_private(self) -> bool:
        return self.kind != "channel"

    def replies(self, root: str) -> list[Post]:
        return [post for post in self.posts.values() if post.is_reply and post.root == root and not post.to]

    def top(self) -> list[Post]:
        """What the channel itself shows, newest first."""
        shown = [post for post in self.posts.values() if not post.to and (not post.is_reply or post.is_broadcast)]
        return sorted(shown, key=lambda post: post.ts, reverse=True)


class Workspace:
    def __init__(self, ids: Ids, app_name: str) -> None:
        self._ids = ids
        self.team = ids.new("T")
        self.domain = "plantstore"
        self.app_id = ids.new("A")
        self._by_id: dict[str, Person] = {}
        self._by_name: dict[str, Person] = {}
        self.rooms: dict[str, Room] = {}
        self._direct: dict[frozenset[str], Room] = {}
        self._room_of: dict[str, Room] = {}
        self.bot = self._add(app_name, "bot", self.team)
        self.bot.app_id = self.app_id

    def _add(self, name: str, kind: Kind, team: str) -> Person:
        person = Person(self._ids.new("U"), name, kind, team)
        if kind == "bot":
            person.bot_id, person.app_id = self._ids.new("B"), self._ids.new("A")
        self._by_id[person.id] = self._by_name[name] = person
        return person

    def person(self, name: str, kind: Kind | None = None) -> Person:
        """Who has this name; they join the workspace, as a member unless said otherwise, when first asked for."""
        found = self._by_name.get(name)
        if found is None:
            team = self._ids.new("T") if kind == "outsider" else self.team
            return self._add(name, kind or "member", team)
        if kind not in (None, found.kind):
            raise ValueError(f"{name} is a {found.kind}")
        return found

    def by_id(self, user: str) -> Person | None:
        return self._by_id.get(user)

    def by_bot(self, bot: str) -> Person | None:
        return next((person for person in self._by_id.values() if person.bot_id == bot), None)

    def by_email(self, email: str) -> Person | None:
        return next((person for person in self._by_id.values() if person.email == email), None)

    def named(self) -> Iterator[Person]:
        return iter(self._by_id.values())

    def channel(self, name: str, *, private: bool = False, shared: bool = False, with_bot: bool = True) -> Room:
        """The channel of this name, made when first asked for."""
        for room in self.rooms.values():
            if room.name == name and room.kind in ("channel", "group"):
                return room
        kind: RoomKind = "group" if private else "channel"
        room = Room(self._ids.new("C"), kind, name, [self.bot.id] if with_bot else [], shared=shared)
        self.rooms[room.id] = room
        return room

    def direct(self, *people: Person) -> Room:
        """The direct messages of these people with our bot."""
        members = [self.bot.id, *(person.id for person in people)]
        if room := self._direct.get(frozenset(members)):
            return room
        kind: RoomKind = "im" if len(people) == 1 else "mpim"
        room = Room(self._ids.new("D" if kind == "im" else "G"), kind, "", members)
        self.rooms[room.id] = self._direct[frozenset(members)] = room
        return room

    def enter(self, room: Room, person: Person) -> None:
        """Anybody may enter a public channel, nobody what is private. Raises PermissionError."""
        if person.id in room.members:
            return
        if room.is_private:
            raise PermissionError(f"{person.name} is not in {room.name or room.id}")
        room.members.append(person.id)

    def keep(self, post: Post) -> None:
        post.room.posts[post.ts] = post
        self._room_of[post.ts] = post.room

    def find(self, ts: str) -> Post:
        """Timestamps are unique in the whole workspace here. Raises LookupError."""
        room = self._room_of.get(ts)
        if room is None or ts not in room.posts:
            raise LookupError(f"no message {ts}")
        return room.posts[ts]
