"""REST: messages, their reactions, and the typing sign."""

from __future__ import annotations

from typing import Any

from tests.simulators.discord import message_validation
from tests.simulators.discord.api import Call, Reply, Route
from tests.simulators.discord.bot_messages import EVERY_MENTION, Draft, Posts
from tests.simulators.discord.limits import Allowance
from tests.simulators.discord.payloads import message_json, user_json
from tests.simulators.discord.reactions import Reactions
from tests.simulators.discord.refusals import Form, Refusal, refusal
from tests.simulators.discord.server_state import Channel, Message, ServerState

TYPING_SECONDS = 10.0
SEND = Allowance("messages:create", 5, 5.0)
EDIT = Allowance("messages:edit", 5, 5.0)
DELETE = Allowance("messages:delete", 5, 1.0)
REACT = Allowance("reactions", 1, 0.25)
TYPE = Allowance("typing", 5, 5.0)
MESSAGES = "/channels/{channel}/messages"
MESSAGE = MESSAGES + "/{message}"
REACTION = MESSAGE + "/reactions/{emoji}"


class Messages:
    def __init__(self, world: ServerState, posts: Posts) -> None:
        self._world = world
        self._posts = posts
        self._reactions = Reactions(world)

    def routes(self) -> list[Route]:
        return [
            Route("GET", MESSAGES, "Get Channel Messages", self.history),
            Route("POST", MESSAGES, "Create Message", self.create, SEND),
            Route("POST", MESSAGES + "/bulk-delete", "Bulk Delete Messages", self.delete_many, DELETE),
            Route("GET", MESSAGE, "Get Channel Message", self.get),
            Route("PATCH", MESSAGE, "Edit Message", self.edit, EDIT),
            Route("DELETE", MESSAGE, "Delete Message", self.delete, DELETE),
            Route("PUT", REACTION + "/@me", "Create Reaction", self.react, REACT),
            Route("DELETE", REACTION + "/@me", "Delete Own Reaction", self.take_back, REACT),
            Route("GET", REACTION, "Get Reactions", self.reactors),
            Route("POST", "/channels/{channel}/typing", "Trigger Typing Indicator", self.type, TYPE),
        ]

    def channel(self, call: Call) -> Channel:
        channel = self._world.channels.get(call.path["channel"])
        if channel is None:
            raise refusal(10003)
        if "VIEW_CHANNEL" in channel.denied:
            raise refusal(50001)
        return channel

    def message(self, call: Call) -> tuple[Channel, Message]:
        channel = self.channel(call)
        message = channel.messages.get(call.path["message"])
        if message is None or message.ephemeral:
            raise refusal(10008)
        return channel, message

    def create(self, call: Call) -> Reply:
        channel = self.channel(call)
        message = self._posts.create(channel, call.body, call.uploads)
        return Reply(200, message_json(self._world, message, fresh=True))

    def get(self, call: Call) -> Reply:
        channel, message = self.message(call)
        if "READ_MESSAGE_HISTORY" in channel.denied:
            raise refusal(50013)
        return Reply(200, message_json(self._world, message))

    def history(self, call: Call) -> Reply:
        """Newest first, also after ``after``: the page that follows it, and within the page the newest first."""
        channel = self.channel(call)
        limit = self._limit(call)
        given = [name for name in ("around", "before", "after") if call.query(name)]
        form = Form()
        for name in given[1:]:
            form.wrong((name,), "MUTUALLY_EXCLUSIVE", "Only one of around, before and after may be passed.")
        form.check()
        if "READ_MESSAGE_HISTORY" in channel.denied:
            return Reply(200, [])
        seen = [each for each in channel.messages.values() if not each.ephemeral]
        seen.sort(key=lambda each: int(each.id))
        page = _page(seen, given[0] if given else "", int(call.query(given[0])) if given else 0, limit)
        return Reply(200, [message_json(self._world, each) for each in reversed(page)])

    def edit(self, call: Call) -> Reply:
        channel, message = self.message(call)
        if message.author != self._world.bot.id:
            raise refusal(50005)
        if channel.archived:
            raise refusal(50083)
        self._posts.edit(channel, message, Draft(call.body, call.uploads, EVERY_MENTION))
        return Reply(200, message_json(self._world, message))

    def delete(self, call: Call) -> Reply:
        channel, message = self.message(call)
        self._may_delete(channel, message)
        self._posts.delete(channel, message)
        return Reply()

    def delete_many(self, call: Call) -> Reply:
        channel = self.channel(call)
        ids = call.body.get("messages") or []
        if not 2 <= len(ids) <= 100:
            raise Refusal(400, 50016, "Provided too few or too many messages to delete.")
        if channel.guild is None:
            raise refusal(50003)
        if "MANAGE_MESSAGES" in channel.denied:
            raise refusal(50013)
        for id in ids:
            if found := channel.messages.pop(str(id), None):
                found.data["attachments"] = []
        self._world.tell("MESSAGE_DELETE_BULK", {"ids": ids, "channel_id": channel.id}, channel)
        return Reply()

    def react(self, call: Call) -> Reply:
        channel, message = self.message(call)
        if "READ_MESSAGE_HISTORY" in channel.denied:
            raise refusal(50013)
        if "ADD_REACTIONS" in channel.denied and not self._reactions.there(message, call.path["emoji"]):
            raise refusal(50013)
        self._reactions.add(channel, message, self._world.bot, self._emoji(call))
        return Reply()

    def take_back(self, call: Call) -> Reply:
        channel, message = self.message(call)
        self._reactions.remove(channel, message, self._world.bot, self._emoji(call))
        return Reply()

    def reactors(self, call: Call) -> Reply:
        _, message = self.message(call)
        users = self._reactions.who(message, self._emoji(call))
        return Reply(200, [user_json(each) for each in users])

    def type(self, call: Call) -> Reply:
        channel = self.channel(call)
        if channel.guild and "SEND_MESSAGES" in channel.denied:
            raise refusal(50013)
        channel.typing_until = self._world.now() + TYPING_SECONDS
        return Reply()

    def _emoji(self, call: Call) -> str:
        emoji = call.path["emoji"]
        custom = emoji.rpartition(":")[2] in self._world.custom_emoji
        if not custom and not message_validation.is_emoji(emoji):
            raise refusal(10014)
        return emoji

    def _may_delete(self, channel: Channel, message: Message) -> None:
        if message.author == self._world.bot.id:
            return
        if channel.guild is None:
            raise refusal(50003)
        if "MANAGE_MESSAGES" in channel.denied:
            raise refusal(50013)

    def _limit(self, call: Call) -> int:
        raw = call.query("limit", "50")
        form = Form()
        if not raw.isdigit() or not 1 <= int(raw) <= 100:
            form.wrong(("limit",), "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
        form.check()
        return int(raw)


def _page(messages: list[Message], where: str, id: int, limit: int) -> list[Any]:
    """Part of the messages, oldest first as they are given."""
    before = [each for each in messages if int(each.id) < id]
    after = [each for each in messages if int(each.id) > id]
    if where == "before":
        return before[-limit:]
    if where == "after":
        return after[:limit]
    if where == "around":
        half = limit // 2
        middle = [each for each in messages if int(each.id) == id]
        return [*before[len(before) - min(half, len(before)) :], *middle, *after[: limit - half - len(middle)]]
    return messages[-limit:]
