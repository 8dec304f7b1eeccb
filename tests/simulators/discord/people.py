"""Acts of people and of other programs in their channels. Each makes the event that Discord makes of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tests.simulators.discord import components, message_validation
from tests.simulators.discord.channels import Channels
from tests.simulators.discord.commands import Commands
from tests.simulators.discord.ids import stamp
from tests.simulators.discord.interactions import COMMAND, COMPONENT, Interaction, Interactions
from tests.simulators.discord.payloads import blank_message, guild_json, member_json, message_event, user_json
from tests.simulators.discord.reactions import Reactions
from tests.simulators.discord.server_state import Channel, Message, ServerState, User
from tests.simulators.vendor import File

VOICE_MESSAGE, HAS_SNAPSHOT = 1 << 13, 1 << 14


class People:
    def __init__(self, world: ServerState, channels: Channels, interactions: Interactions, commands: Commands) -> None:
        self._world = world
        self._channels = channels
        self._interactions = interactions
        self._commands = commands
        self.reactions = Reactions(world)

    def write(
        self, who: User, channel: Channel, text: str, *, files: Sequence[File] = (), reply_to: str = "", **more: Any
    ) -> Message:
        """``more`` are fields of the message object that stand as they are given. Raises ValueError for a text that
        nobody can send; what a person writes is trimmed like what a bot writes."""
        if len(text) > message_validation.CONTENT_IN_THE_SCHEMA:
            raise ValueError("nobody can write more than 4000 characters")
        data = blank_message(self._world, channel, who)
        data["content"] = text = message_validation.clean(text)
        data["attachments"] = [self._world.files.keep(channel.id, each) for each in files]
        named = dict.fromkeys(re.findall(r"<@!?(\d+)>", text))
        data["mentions"] = [user_json(self._world.users[id]) for id in named if id in self._world.users]
        data["mention_roles"] = [id for id in re.findall(r"<@&(\d+)>", text) if id == self._world.bot_role]
        data["mention_everyone"] = "@everyone" in text
        if reply_to:
            data |= {"type": 19, "message_reference": self._reference(channel, reply_to)}
            answered = channel.messages.get(reply_to)
            # Discord's clients ping who is answered, unless one switches it off.
            if answered is not None and answered.author in self._world.users and answered.author not in named:
                data["mentions"].append(user_json(self._world.users[answered.author]))
        return self.put(channel, Message({**data, **more}))

    def put(self, channel: Channel, message: Message) -> Message:
        channel.messages[message.id] = message
        channel.archived = False
        self.announce(channel, message)
        return message

    def announce(self, channel: Channel, message: Message) -> None:
        """Tell of it, also a second time."""
        self._world.tell("MESSAGE_CREATE", message_event(self._world, channel, message), channel)

    def edit(self, channel: Channel, message: Message, text: str) -> None:
        message.data["content"] = message_validation.clean(text)
        message.data["edited_timestamp"] = stamp(self._world.now())
        self._world.tell("MESSAGE_UPDATE", message_event(self._world, channel, message), channel)

    def unfurl(self, channel: Channel, message: Message, *, partial: bool = False) -> None:
        """Discord looks at a link and adds a card. Nobody edited anything, and no edit is dated. ``partial``: the event
        carries only what changed, as older ones did."""
        message.data["embeds"] = [{"type": "link", "url": "https://example.com/", "title": "Example"}]
        event = message_event(self._world, channel, message)
        if partial:
            event = {name: event[name] for name in ("id", "channel_id", "embeds", "type")}
        self._world.tell("MESSAGE_UPDATE", event, channel)

    def delete(self, channel: Channel, *ids: str) -> None:
        """Several at once are one event of another kind."""
        for id in ids:
            channel.messages.pop(id, None)
        if len(ids) == 1:
            return self._world.tell("MESSAGE_DELETE", {"id": ids[0], "channel_id": channel.id}, channel)
        return self._world.tell("MESSAGE_DELETE_BULK", {"ids": list(ids), "channel_id": channel.id}, channel)

    def send_sticker(self, author: User, channel: Channel, name: str) -> Message:
        sticker = {"id": self._world.ids.snowflake(), "name": name, "format_type": 1}
        return self.write(author, channel, "", sticker_items=[sticker])

    def send_voice(self, author: User, channel: Channel, file: File, *, seconds: float = 2.5) -> Message:
        attachment = self._world.files.keep(channel.id, file)
        attachment |= {"duration_secs": seconds, "waveform": "AAAA"}
        return self.write(author, channel, "", attachments=[attachment], flags=VOICE_MESSAGE)

    def forward(self, author: User, channel: Channel, id: str) -> Message:
        """The copy says nothing of who wrote the original, and the message itself has no content."""
        home, original = self._world.message(id)
        kept = ("content", "embeds", "attachments", "timestamp", "edited_timestamp", "flags", "mentions", "type")
        snapshot = {"message": {**{name: original.data[name] for name in kept}, "mention_roles": [], "components": []}}
        reference = {**self._reference(home, id), "type": 1}
        return self.write(
            author, channel, "", message_snapshots=[snapshot], message_reference=reference, flags=HAS_SNAPSHOT
        )

    def send_poll(self, author: User, channel: Channel, question: str, answers: Sequence[str]) -> Message:
        options = [{"answer_id": number, "poll_media": {"text": text}} for number, text in enumerate(answers, 1)]
        poll = {
            "question": {"text": question},
            "answers": options,
            "expiry": stamp(self._world.now() + 86_400),
            "allow_multiselect": False,
            "layout_type": 1,
            "results": {"is_finalized": False, "answer_counts": []},
        }
        return self.write(author, channel, "", poll=poll)

    def system(self, author: User, channel: Channel, kind: int) -> Message:
        """What Discord itself notes in a channel in somebody's name: joined (7), pinned (6), boosted (8) …"""
        return self.write(author, channel, "", type=kind)

    def webhook_says(self, channel: Channel, name: str, text: str) -> Message:
        """Another program through an incoming webhook: an author who is no user, and is not there as a member."""
        id = self._world.ids.snowflake()
        author = {**user_json(User(id, name, bot=True)), "global_name": None}
        return self.write(self._world.owner, channel, text, author=author, webhook_id=id)

    def bot_says(self, channel: Channel, name: str, text: str) -> Message:
        bot = next((each for each in self._world.users.values() if each.bot and each.name == name), None)
        return self.write(bot or self._world.add_user(name, bot=True), channel, text)

    def type(self, author: User, channel: Channel) -> None:
        data: dict[str, Any] = {"channel_id": channel.id, "user_id": author.id, "timestamp": int(self._world.now())}
        if channel.guild:
            data["member"] = member_json(self._world, author, with_user=True)
        self._world.tell("TYPING_START", data, channel)

    def open_thread(self, author: User, parent: Channel, name: str, *, starter: Message | None = None) -> Channel:
        return self._channels.make_thread(parent, name, author, starter=starter)

    def delete_channel(self, channel: Channel) -> None:
        self._channels.remove(channel)

    def outage(self) -> None:
        """The server is not there for a while. Nobody was thrown out of it."""
        self._world.tell("GUILD_DELETE", {"id": self._world.guild, "unavailable": True})

    def recover(self) -> None:
        self._world.tell("GUILD_CREATE", guild_json(self._world))

    def pick(self, author: User, channel: Channel, message: Message, *labels: str) -> Interaction:
        """Press a button, or choose one or more options of a menu. Raises ValueError where no such thing is there."""
        offered = components.choices(message.data["components"])
        picked = [each for label in labels for each in offered if each.label == label]
        if len(picked) != len(labels) or len({each.custom_id for each in picked}) > 1:
            raise ValueError(f"{labels} cannot be picked among {[each.label for each in offered]}")
        data: dict[str, Any] = {"custom_id": picked[0].custom_id, "component_type": picked[0].component_type}
        if picked[0].value is not None:
            data["values"] = [each.value for each in picked]
        return self.interact(author, channel, message, data)

    def interact(self, author: User, channel: Channel, message: Message, data: dict[str, Any]) -> Interaction:
        """As ``pick``, with any data: what an old or forged button would say."""
        return self._interactions.begin(COMPONENT, channel, author, data, message)

    def command(self, author: User, channel: Channel, name: str, *values: str) -> Interaction:
        """Type a slash command. Raises ValueError where the bot has none of this name, or other options: nobody could
        choose it, or send it off."""
        command = self._commands.named(name, channel.guild)
        if command is None:
            raise ValueError(f"there is no command /{name} here")
        known = command.get("options") or []
        if len(values) > len(known) or any(option.get("required") for option in known[len(values) :]):
            raise ValueError(f"/{name} has the options {[option['name'] for option in known]}")
        pairs = zip(known, values, strict=False)
        given = [{"name": option["name"], "type": option["type"], "value": value} for option, value in pairs]
        data = {"id": command["id"], "name": name, "type": command["type"], "options": given}
        return self._interactions.begin(COMMAND, channel, author, data, None)

    def malformed(self, author: User, channel: Channel, text: str, *, without: str) -> str:
        """A message whose event lacks a field that Discord promises; the channel's history has it whole."""
        data = {**blank_message(self._world, channel, author), "content": text}
        message = Message(data)
        channel.messages[message.id] = message
        event = message_event(self._world, channel, message)
        event.pop(without)
        self._world.tell("MESSAGE_CREATE", event, channel if without != "guild_id" else None)
        return message.id

    def _reference(self, channel: Channel, id: str) -> dict[str, Any]:
        reference: dict[str, Any] = {"type": 0, "channel_id": channel.id, "message_id": id}
        return {**reference, "guild_id": channel.guild} if channel.guild else reference
