"""Acts of people in the workspace: write, edit, delete, react, come and go."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.simulators.slack.core import Slack
from tests.simulators.slack.directory import react, take_back
from tests.simulators.slack.workspace import Json, Kind, Person, Post, Room
from tests.simulators.vendor import File

EMOJI = {
    "👍": "+1",
    "👎": "-1",
    "👀": "eyes",
    "✅": "white_check_mark",
    "🔁": "repeat",
    "🙈": "see_no_evil",
    "🚩": "triangular_flag_on_post",
    "🎉": "tada",
    "🙏": "pray",
    "❤️": "heart",
}
LINK = re.compile(r"https?://[^\s<>]+")


class People:
    def __init__(self, slack: Slack) -> None:
        self._slack = slack

    def person(self, name: str, kind: Kind | None = None) -> Person:
        return self._slack.workspace.person(name, kind)

    def typed(self, text: str) -> str:
        """How Slack's client sends what somebody typed: escaped, addresses and mentions as entities."""
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        escaped = LINK.sub(lambda match: f"<{match[0]}>", escaped)
        if "@" not in text:
            return escaped
        for person in sorted(self._slack.workspace.named(), key=lambda each: len(each.name), reverse=True):
            escaped = re.sub(rf"(?<!\w)@{re.escape(person.name)}(?!\w)", f"<@{person.id}>", escaped)
        return escaped

    def say(
        self,
        name: str,
        text: str,
        room: Room | None = None,
        *,
        thread: str = "",
        files: Sequence[File] = (),
        broadcast: bool = False,
    ) -> Post:
        """In a room, or in direct messages with our app. ``thread`` is any message of the thread to answer in."""
        person = self.person(name)
        body: Json = {"text": self.typed(text)}
        if thread and broadcast:
            body["subtype"] = "thread_broadcast"
        if files:
            body["files"] = [self._slack.file(file, person) for file in files]
            body |= {"subtype": "file_share", "upload": False, "display_as_bot": False}
        elif not person.bot_id:
            body |= {"client_msg_id": self._slack.ids.uuid(), "blocks": self._rich(text)}
        return self.post(name, body, room, thread=thread)

    def post(self, name: str, body: Json, room: Room | None = None, *, thread: str = "") -> Post:
        """A message as it is, for what cannot be typed: nothing but blocks, text that is null, kinds to come."""
        person = self.person(name)
        room = room or self._slack.workspace.direct(person)
        self._slack.workspace.enter(room, person)
        body = {**self._author(person), **body}
        if thread:
            body["thread_ts"] = room.posts[thread].root
        post = self._slack.publish(room, person, body)
        for file in body.get("files", []):
            self._slack.storage.share(file["id"], room.id, private=room.is_private, ts=post.ts, thread_ts=post.root)
        return post

    def delete_file(self, name: str, ts: str) -> None:
        """The first file of one's own message is gone; a tombstone stays in its place."""
        post = self._own(name, ts)
        first, *rest = post.body["files"]
        self._slack.storage.kept[first["id"]].deleted = True
        self._slack.rewrite(
            post, {**post.body, "files": [{"id": first["id"], "mode": "tombstone"}, *rest]}, silent=True
        )

    def _author(self, person: Person) -> Json:
        """Other apps' messages have no user, only a bot."""
        if person.bot_id:
            return {"subtype": "bot_message", "bot_id": person.bot_id, "app_id": person.app_id, "username": person.name}
        return {"user": person.id}

    def _rich(self, text: str) -> list[Json]:
        section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
        return [{"type": "rich_text", "block_id": self._slack.ids.new("", 5), "elements": [section]}]

    def edit(self, name: str, ts: str, text: str) -> Post:
        """Only one's own."""
        post = self._own(name, ts)
        body = {**post.body, "text": self.typed(text)}
        if "blocks" in body:
            body["blocks"] = self._rich(text)
        self._slack.rewrite(post, body)
        return post

    def delete(self, name: str, ts: str) -> Post:
        post = self._own(name, ts)
        self._slack.remove(post)
        return post

    def _own(self, name: str, ts: str) -> Post:
        post = self._slack.workspace.find(ts)
        if post.author is not self.person(name):
            raise PermissionError(f"{ts} is by {post.author.name}")
        return post

    def react(self, name: str, ts: str, emoji: str, *, removed: bool = False) -> None:
        post, person = self._slack.workspace.find(ts), self.person(name)
        called = EMOJI.get(emoji, emoji.strip(":"))
        (take_back if removed else react)(post, person, called)
        self._slack.announcer.reacted(post, person, called, removed=removed)

    def unfurl(self, ts: str, title: str) -> None:
        """Slack adds a preview to a message with an address: it is changed, but nobody edited it."""
        post = self._slack.workspace.find(ts)
        preview = {"id": 1, "from_url": "https://example.com/", "title": title, "fallback": title}
        self._slack.rewrite(post, {**post.body, "attachments": [preview]}, silent=True)

    def join(self, room: Room, name: str, kind: Kind | None = None) -> Person:
        """They come into a channel, and the channel says so."""
        person = self.person(name, kind)
        if person.id not in room.members:
            room.members.append(person.id)
            self._slack.announcer.moved(room, person)
            self.notice(room, name, "channel_join", f"<@{person.id}> has joined the channel")
        return person

    def notice(self, room: Room, name: str, subtype: str, text: str) -> Post:
        """What Slack itself says of somebody in a channel: ``channel_topic``, ``channel_name``, ``me_message`` …"""
        person = self.person(name)
        return self._slack.publish(room, person, {"subtype": subtype, "user": person.id, "text": text})

    def leave(self, room: Room, name: str) -> None:
        person = self.person(name)
        room.members.remove(person.id)
        self._slack.announcer.moved(room, person, left=True)

    def open_home(self, name: str, tab: str = "home") -> None:
        person = self.person(name)
        self._slack.announcer.opened_home(self._slack.workspace.direct(person), person, tab)

    def open_assistant(self, name: str, viewing: str = "") -> str:
        """Somebody opens the app's assistant, perhaps beside a channel. What they say to it then goes into the thread
        of which the root is given back."""
        slack, person = self._slack, self.person(name)
        room = slack.workspace.direct(person)
        bot = slack.bot
        body = {"subtype": "assistant_app_thread", "user": bot.id, "bot_id": bot.bot_id, "text": "New Assistant Thread"}
        root = Post(room, slack.ids.ts(slack.now()), {"type": "message", **body}, bot)
        root.body["ts"] = root.body["thread_ts"] = root.ts
        slack.workspace.keep(root)
        self.view_beside(name, root.ts, viewing, first=True)
        return root.ts

    def view_beside(self, name: str, root: str, viewing: str, *, first: bool = False) -> None:
        """They look at another channel beside the assistant."""
        person = self.person(name)
        context: Json = {}
        if viewing:
            context = {"channel_id": viewing, "team_id": person.team, "enterprise_id": None}
        kind = "assistant_thread_started" if first else "assistant_thread_context_changed"
        self._slack.announcer.assistant(kind, self._slack.workspace.direct(person), person, root, context)

    def stop_stream(self, ts: str) -> None:
        """Somebody presses Stop under a message that is being written."""
        post = self._slack.workspace.find(ts)
        if post.stream is None or post.stream.state != "open":
            raise LookupError(f"{ts} is not being written")
        post.stream.state = "stopped_by_user"
