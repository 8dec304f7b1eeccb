"""REST: who the bot is, the server, channels, direct messages and threads."""

from __future__ import annotations

from typing import Any

from tests.simulators.discord.api import Call, Reply, Route
from tests.simulators.discord.bot_messages import Posts
from tests.simulators.discord.limits import Allowance
from tests.simulators.discord.payloads import (
    application_json,
    blank_message,
    channel_json,
    guild_json,
    member_json,
    roles_json,
    user_json,
)
from tests.simulators.discord.refusals import Form, refusal
from tests.simulators.discord.server_state import DM, TEXT, Channel, Message, ServerState, User

OPEN_DM = Allowance("dms", 5, 5.0)
THREAD = Allowance("threads", 5, 5.0)
SETTINGS = Allowance("channels:edit", 5, 5.0)
PUBLIC_THREAD, PRIVATE_THREAD = 11, 12


class Channels:
    def __init__(self, world: ServerState, posts: Posts) -> None:
        self._world = world
        self._posts = posts

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/users/@me", "Get Current User", lambda _: Reply(200, self._me())),
            Route("GET", "/users/@me/guilds", "Get Current User Guilds", self.guilds),
            Route("GET", "/users/{user}", "Get User", self.user),
            Route("GET", "/oauth2/applications/@me", "Get Current Bot Application Information", self.application),
            Route("GET", "/applications/@me", "Get Current Application", self.application),
            Route("POST", "/users/@me/channels", "Create DM", self.open_dm, OPEN_DM),
            Route("GET", "/channels/{channel}", "Get Channel", self.get),
            Route("PATCH", "/channels/{channel}", "Modify Channel", self.change, SETTINGS),
            Route("DELETE", "/channels/{channel}", "Delete/Close Channel", self.delete, SETTINGS),
            Route("POST", "/channels/{channel}/threads", "Start Thread without Message", self.start_thread, THREAD),
            Route(
                "POST",
                "/channels/{channel}/messages/{message}/threads",
                "Start Thread from Message",
                self.start_thread_from_message,
                THREAD,
            ),
            Route("PUT", "/channels/{channel}/thread-members/@me", "Join Thread", self.join_thread),
            Route("DELETE", "/channels/{channel}/thread-members/@me", "Leave Thread", self.join_thread),
            Route("GET", "/guilds/{guild}", "Get Guild", self.guild),
            Route("GET", "/guilds/{guild}/roles", "Get Guild Roles", self.roles),
            Route("GET", "/guilds/{guild}/channels", "Get Guild Channels", self.guild_channels),
            Route("GET", "/guilds/{guild}/threads/active", "List Active Guild Threads", self.active_threads),
            Route("GET", "/guilds/{guild}/members/{user}", "Get Guild Member", self.member),
        ]

    def find(self, call: Call) -> Channel:
        channel = self._world.channels.get(call.path["channel"])
        if channel is None:
            raise refusal(10003)
        if "VIEW_CHANNEL" in channel.denied:
            raise refusal(50001)
        return channel

    def user(self, call: Call) -> Reply:
        return Reply(200, user_json(self._known(call.path["user"])))

    def application(self, call: Call) -> Reply:
        return Reply(200, application_json(self._world))

    def open_dm(self, call: Call) -> Reply:
        """Always answers, also for a person who takes no messages: that shows only when one is sent."""
        id = call.body.get("recipient_id")
        form = Form()
        if id is None:
            form.required(("recipient_id",))
        form.check()
        person = self._world.users.get(str(id))
        if person is None or person.bot:
            raise refusal(50033)
        return Reply(200, channel_json(self._world, self._world.dm(person)))

    def get(self, call: Call) -> Reply:
        return Reply(200, channel_json(self._world, self.find(call)))

    def change(self, call: Call) -> Reply:
        channel = self.find(call)
        if channel.type == DM:
            raise refusal(50003)
        if ("MANAGE_THREADS" if channel.is_thread else "MANAGE_CHANNELS") in channel.denied:
            raise refusal(50013)
        channel.name = call.body.get("name", channel.name)
        channel.archived = call.body.get("archived", channel.archived)
        channel.locked = call.body.get("locked", channel.locked)
        self._world.tell("THREAD_UPDATE" if channel.is_thread else "CHANNEL_UPDATE", self._shape(channel), channel)
        return Reply(200, self._shape(channel))

    def delete(self, call: Call) -> Reply:
        channel = self.find(call)
        shape = self._shape(channel)
        if channel.type != DM:
            if "MANAGE_CHANNELS" in channel.denied:
                raise refusal(50013)
            self.remove(channel)
        return Reply(200, shape)

    def remove(self, channel: Channel) -> None:
        """Gone with all that was written in it; its threads go with it."""
        for thread in [each for each in self._world.channels.values() if each.parent == channel.id]:
            self.remove(thread)
        shape = self._shape(channel)
        del self._world.channels[channel.id]
        if channel.is_thread:
            kept = ("id", "guild_id", "parent_id", "type")
            self._world.tell("THREAD_DELETE", {name: shape[name] for name in kept}, channel)
        else:
            self._world.tell("CHANNEL_DELETE", shape, channel)

    def start_thread(self, call: Call) -> Reply:
        parent = self.find(call)
        kind = call.body.get("type", PRIVATE_THREAD)
        form = Form()
        form.text(("name",), call.body.get("name"), 100, least=1)
        form.choice(("type",), kind, (PUBLIC_THREAD, PRIVATE_THREAD))
        form.check()
        self._may_start(parent, "CREATE_PUBLIC_THREADS" if kind == PUBLIC_THREAD else "CREATE_PRIVATE_THREADS")
        thread = self.make_thread(parent, call.body["name"], self._world.bot, kind=kind)
        return Reply(201, self._shape(thread))

    def start_thread_from_message(self, call: Call) -> Reply:
        parent = self.find(call)
        message = parent.messages.get(call.path["message"])
        form = Form()
        form.text(("name",), call.body.get("name"), 100, least=1)
        form.check()
        if message is None:
            raise refusal(10008)
        if message.id in self._world.channels:
            raise refusal(160004)
        self._may_start(parent, "CREATE_PUBLIC_THREADS")
        thread = self.make_thread(parent, call.body["name"], self._world.bot, starter=message)
        return Reply(201, self._shape(thread))

    def make_thread(
        self, parent: Channel, name: str, owner: User, *, starter: Message | None = None, kind: int = PUBLIC_THREAD
    ) -> Channel:
        """A thread of a message has that message's id, and begins with a message (type 21) that only points at it."""
        thread = self._world.thread(parent, name, owner, id=starter.id if starter else "", kind=kind)
        self._world.tell("THREAD_CREATE", {**self._shape(thread), "newly_created": True}, thread)
        if starter is not None:
            data = blank_message(self._world, thread, owner)
            reference = {"type": 0, "channel_id": parent.id, "message_id": starter.id, "guild_id": parent.guild}
            first = Message({**data, "type": 21, "message_reference": reference})
            thread.messages[first.id] = first
        return thread

    def join_thread(self, call: Call) -> Reply:
        if not self.find(call).is_thread:
            raise refusal(10003)
        return Reply()

    def guilds(self, call: Call) -> Reply:
        """A few words about each server that the bot is in."""
        shape = guild_json(self._world)
        return Reply(200, [{name: shape[name] for name in ("id", "name", "icon", "banner", "features")}])

    def guild(self, call: Call) -> Reply:
        self._own(call)
        shape = guild_json(self._world)
        return Reply(200, {name: shape[name] for name in shape if name not in ("channels", "threads", "members")})

    def roles(self, call: Call) -> Reply:
        self._own(call)
        return Reply(200, roles_json(self._world))

    def guild_channels(self, call: Call) -> Reply:
        self._own(call)
        return Reply(200, guild_json(self._world)["channels"])

    def active_threads(self, call: Call) -> Reply:
        self._own(call)
        return Reply(200, {"threads": guild_json(self._world)["threads"], "members": [], "has_more": False})

    def member(self, call: Call) -> Reply:
        self._own(call)
        person = self._known(call.path["user"])
        if not person.in_guild:
            raise refusal(10007)
        return Reply(200, member_json(self._world, person, with_user=True))

    def _may_start(self, parent: Channel, permission: str) -> None:
        if parent.type == DM:
            raise refusal(50003)
        if parent.type != TEXT or parent.is_thread:
            raise refusal(50008)
        if permission in parent.denied:
            raise refusal(50013)

    def _own(self, call: Call) -> None:
        if call.path["guild"] != self._world.guild:
            raise refusal(10004)

    def _known(self, id: str) -> User:
        if id not in self._world.users:
            raise refusal(10013)
        return self._world.users[id]

    def _me(self) -> dict[str, Any]:
        return {**user_json(self._world.bot), "verified": True, "mfa_enabled": False, "locale": "en-US", "flags": 0}

    def _shape(self, channel: Channel) -> dict[str, Any]:
        return channel_json(self._world, channel)
