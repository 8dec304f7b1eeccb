"""Messages of the bot: from a validated request to a message on the screen, once per nonce."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulators.discord import components, message_validation, screen
from tests.simulators.discord.ids import made_at, stamp
from tests.simulators.discord.payloads import blank_message, message_event, user_json
from tests.simulators.discord.refusals import Form, refusal
from tests.simulators.discord.server_state import Channel, Message, ServerState
from tests.simulators.vendor import File

EVERY_MENTION = {"parse": ["users", "roles", "everyone"]}
USER_MENTIONS = {"parse": ["users"]}
"""Used in answers to interactions where the form does not say; elsewhere every mention counts."""
OLD_EDITS = 3
SUPPRESS_EMBEDS = 1 << 2


@dataclass(frozen=True, slots=True)
class Draft:
    """A form and the files that came with it, by their number. ``mentions`` are those that count where the form does
    not say. ``private``: it may be for one person's eyes, as only answers to interactions may."""

    body: Mapping[str, Any]
    uploads: Mapping[int, File]
    mentions: Mapping[str, Any]
    private: bool = False


class Posts:
    """``nonce_seconds`` is how long a nonce is remembered; Discord says "a few minutes"."""

    def __init__(self, world: ServerState) -> None:
        self._world = world
        self.nonce_seconds = 180.0
        self._nonces: dict[str, tuple[str, float]] = {}

    def create(self, channel: Channel, body: Mapping[str, Any], uploads: Mapping[int, File]) -> Message:
        """Write in a channel. The same nonce within minutes gives the message that is there already."""
        draft = Draft(body, uploads, EVERY_MENTION)
        self.check(draft)
        self._may_send(channel, draft)
        if body.get("enforce_nonce") and (known := self._known(body.get("nonce"))):
            return known
        self._slow(channel)
        message = self.build(channel, draft)
        self.publish(channel, message)
        if body.get("nonce") is not None:
            self._nonces[str(body["nonce"])] = (message.id, self._world.now())
        return message

    def check(self, draft: Draft) -> None:
        message_validation.check_message(draft.body, draft.uploads, stickers=set(self._world.stickers))
        if draft.body.get("poll") or draft.body.get("tts"):
            raise NotImplementedError("polls and speech by the bot")
        words = str(draft.body.get("content") or "").casefold()
        if any(each.casefold() in words for each in self._world.forbidden_words):
            raise refusal(200000)

    def build(self, channel: Channel, draft: Draft) -> Message:
        """The message of a draft, which nobody sees yet."""
        body = draft.body
        data = blank_message(self._world, channel, self._world.bot)
        if body.get("nonce") is not None:
            data["nonce"] = body["nonce"]
        self._fill(channel, data, draft)
        self._refer(channel, data, draft)
        data["flags"] = int(body.get("flags") or 0)
        if not draft.private:
            data["flags"] &= ~message_validation.EPHEMERAL
        if is_empty(data):
            raise refusal(50006)
        return Message(data, ephemeral=bool(data["flags"] & message_validation.EPHEMERAL))

    def publish(self, channel: Channel, message: Message) -> None:
        channel.messages[message.id] = message
        channel.archived = False
        channel.typing_until = 0.0
        screen.show(self._world, channel, message)
        if not message.ephemeral:
            self._world.tell("MESSAGE_CREATE", message_event(self._world, channel, message, fresh=True), channel)

    def edit(self, channel: Channel, message: Message, draft: Draft) -> None:
        """Change what is written; only what the form names."""
        kept = message.data["flags"] & components.IS_V2
        flags = (draft.body.get("flags") or 0) | kept
        self.check(Draft({**draft.body, "flags": flags}, draft.uploads, draft.mentions))
        # The change is tried on a copy: a refused edit leaves the message as it was.
        data = copy.deepcopy(message.data)
        self._fill(channel, data, draft)
        if draft.body.get("flags") is not None:
            data["flags"] = data["flags"] & ~SUPPRESS_EMBEDS | flags & (SUPPRESS_EMBEDS | components.IS_V2)
        if is_empty(data):
            raise refusal(50006)
        if self._world.old(message):
            self._count_old_edit(message)
        data["edited_timestamp"] = stamp(self._world.now())
        message.data = data
        screen.show(self._world, channel, message)
        if not message.ephemeral:
            self._world.tell("MESSAGE_UPDATE", message_event(self._world, channel, message), channel)

    def delete(self, channel: Channel, message: Message) -> None:
        del channel.messages[message.id]
        for each in message.data["attachments"]:
            self._world.files.forget(each["path"])
        screen.erase(self._world, message)
        if not message.ephemeral:
            self._world.tell("MESSAGE_DELETE", {"id": message.id, "channel_id": channel.id}, channel)

    def _known(self, nonce: Any) -> Message | None:
        found, at = self._nonces.get(str(nonce), ("", 0.0))
        if not found or self._world.now() - at > self.nonce_seconds:
            return None
        try:
            return self._world.message(found)[1]
        except KeyError:
            return None

    def _count_old_edit(self, message: Message) -> None:
        message.edits_when_old += 1
        if message.edits_when_old > OLD_EDITS:
            raise refusal(30046, retry_after=300.0, **{"global": False})

    def _may_send(self, channel: Channel, draft: Draft) -> None:
        if channel.person is not None:
            if not channel.person.in_guild:
                raise refusal(50278)
            if not channel.person.dms_open or channel.person.bot:
                raise refusal(50007)
        if channel.type not in (0, 1, 2, 5, 10, 11, 12):
            raise refusal(50008)
        if channel.locked:
            raise refusal(160005)
        needed = "SEND_MESSAGES_IN_THREADS" if channel.is_thread else "SEND_MESSAGES"
        if needed in channel.denied or (draft.uploads and "ATTACH_FILES" in channel.denied):
            raise refusal(50013)
        if draft.body.get("message_reference") and "READ_MESSAGE_HISTORY" in channel.denied:
            raise refusal(160002)

    def _slow(self, channel: Channel) -> None:
        mine = [each for each in channel.messages.values() if each.author == self._world.bot.id]
        if not channel.slowmode or not mine:
            return
        left = made_at(mine[-1].id) + channel.slowmode - self._world.now()
        if left > 0:
            raise refusal(20016, retry_after=round(left, 3), **{"global": False})

    def _refer(self, channel: Channel, data: dict[str, Any], draft: Draft) -> None:
        reference = draft.body.get("message_reference")
        if not reference:
            return
        found = channel.messages.get(str(reference.get("message_id")))
        if reference.get("type") == 1:
            raise NotImplementedError("forwards by the bot")
        if found is None or found.data["type"] not in (0, 19, 20, 23):
            if reference.get("fail_if_not_exists") is False:
                return
            form = Form()
            form.wrong(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
            form.check()
            return
        data["type"] = 19
        data["message_reference"] = {"type": 0, "channel_id": channel.id, "message_id": found.id}
        if channel.guild:
            data["message_reference"]["guild_id"] = channel.guild
        # Who is answered is pinged, unless the form speaks of mentions and not of this one.
        if (draft.body.get("allowed_mentions") or {"replied_user": True}).get("replied_user"):
            answered = found.data["author"]
            data["mentions"] = [answered, *(each for each in data["mentions"] if each["id"] != answered["id"])]

    def _fill(self, channel: Channel, data: dict[str, Any], draft: Draft) -> None:
        body = draft.body
        if "content" in body:
            data["content"] = message_validation.clean(body["content"])
            self._mention(data, draft)
        if "embeds" in body and "EMBED_LINKS" not in channel.denied:
            data["embeds"] = [{**each, "type": "rich"} for each in body["embeds"] or []]
        if "components" in body:
            data["components"] = _numbered(body["components"] or [])
        if body.get("sticker_ids"):
            names = self._world.stickers
            data["sticker_items"] = [{"id": id, "name": names[id], "format_type": 1} for id in body["sticker_ids"]]
        if "attachments" in body or draft.uploads:
            data["attachments"] = self._attach(channel, data["attachments"], draft)

    def _attach(self, channel: Channel, kept: list[Any], draft: Draft) -> list[dict[str, Any]]:
        """What is listed stays, in that order; a number stands for a file that came with the form."""
        have = {each["id"]: each for each in kept}
        listed = draft.body.get("attachments")
        if listed is None:
            listed = [*kept, *({"id": number} for number in draft.uploads)]
        found, form = [], Form()
        for index, each in enumerate(listed):
            id = str(each["id"])
            upload = draft.uploads.get(int(id)) if len(id) < 10 and id.isdigit() else None
            if id in have:
                found.append(have[id])
            elif upload is None:
                words = f"Attachment data for id {id} not found"
                form.wrong(("attachments", index, "id"), "ATTACHMENT_NOT_FOUND", words)
            else:
                named = File(each.get("filename") or upload.name, upload.type, upload.data)
                found.append(self._world.files.keep(channel.id, named, description=each.get("description")))
        form.check()
        return found

    def _mention(self, data: dict[str, Any], draft: Draft) -> None:
        allowed = draft.body.get("allowed_mentions") or draft.mentions
        parse = allowed.get("parse") or []
        named = dict.fromkeys(re.findall(r"<@!?(\d+)>", data["content"]))
        heard = [
            id for id in named if id in self._world.users and ("users" in parse or id in (allowed.get("users") or []))
        ]
        data["mentions"] = [user_json(self._world.users[id]) for id in heard]
        loud = re.search(r"@(everyone|here)\b", data["content"])
        data["mention_everyone"] = loud is not None and "everyone" in parse


def _numbered(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every component has a number of its own in the answer, given or not."""
    fresh = copy.deepcopy(given)
    for number, each in enumerate(components.walk(fresh), 1):
        each.setdefault("id", number)
    return fresh


def is_empty(data: Mapping[str, Any]) -> bool:
    rest = ("embeds", "attachments", "components", "sticker_items")
    return message_validation.is_blank(data["content"]) and not any(data.get(name) for name in rest)
