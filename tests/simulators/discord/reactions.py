"""Reactions on a message: who set which, and the events of it."""

from __future__ import annotations

from typing import Any

from tests.simulators.discord.payloads import member_json
from tests.simulators.discord.refusals import refusal
from tests.simulators.discord.server_state import Channel, Message, ServerState, User

MOST = 20


class Reactions:
    """Kept beside the message, as a list that counts: Discord's own shape."""

    def __init__(self, world: ServerState) -> None:
        self._world = world

    def add(self, channel: Channel, message: Message, user: User, emoji: str) -> None:
        """The same reaction of the same person twice is one, and no event."""
        entry = self._entry(message, emoji)
        if entry is None:
            reactions = message.data.setdefault("reactions", [])
            if len(reactions) >= MOST:
                raise refusal(30010)
            entry = {"emoji": self._shape(emoji), "count": 0, "me": False, "users": []}
            reactions.append(entry)
        if user.id in entry["users"]:
            return
        entry["users"].append(user.id)
        self._count(entry)
        more: dict[str, Any] = {"message_author_id": message.author, "type": 0, "burst": False}
        if channel.guild:
            more["member"] = member_json(self._world, user, with_user=True)
        self._tell("MESSAGE_REACTION_ADD", channel, message, {**more, "user_id": user.id, "emoji": entry["emoji"]})

    def remove(self, channel: Channel, message: Message, user: User, emoji: str) -> None:
        entry = self._entry(message, emoji)
        if entry is None or user.id not in entry["users"]:
            raise refusal(10014)
        entry["users"].remove(user.id)
        self._count(entry)
        if not entry["users"]:
            message.data["reactions"].remove(entry)
        more = {"user_id": user.id, "emoji": entry["emoji"], "type": 0, "burst": False}
        self._tell("MESSAGE_REACTION_REMOVE", channel, message, more)

    def clear(self, channel: Channel, message: Message, emoji: str = "") -> None:
        """Somebody who may takes all reactions away, or all with one emoji."""
        if not emoji:
            message.data.pop("reactions", None)
            return self._tell("MESSAGE_REACTION_REMOVE_ALL", channel, message, {})
        entry = self._entry(message, emoji)
        if entry is not None:
            message.data["reactions"].remove(entry)
        return self._tell("MESSAGE_REACTION_REMOVE_EMOJI", channel, message, {"emoji": self._shape(emoji)})

    def there(self, message: Message, emoji: str) -> bool:
        return self._entry(message, emoji) is not None

    def who(self, message: Message, emoji: str) -> list[User]:
        entry = self._entry(message, emoji)
        return [self._world.users[id] for id in entry["users"]] if entry else []

    def _entry(self, message: Message, emoji: str) -> dict[str, Any] | None:
        wanted = self._shape(emoji)
        return next((each for each in message.data.get("reactions", []) if each["emoji"] == wanted), None)

    def _shape(self, emoji: str) -> dict[str, Any]:
        name, _, id = emoji.rpartition(":")
        return {"id": id, "name": name} if name else {"id": None, "name": emoji}

    def _count(self, entry: dict[str, Any]) -> None:
        entry["count"] = len(entry["users"])
        entry["me"] = self._world.bot.id in entry["users"]
        entry["count_details"] = {"burst": 0, "normal": entry["count"]}
        entry["me_burst"], entry["burst_colors"] = False, []

    def _tell(self, name: str, channel: Channel, message: Message, more: dict[str, Any]) -> None:
        self._world.tell(name, {"channel_id": channel.id, "message_id": message.id, **more}, channel)
