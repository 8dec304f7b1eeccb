"""Content of people's messages: text, files, and a word for what is neither."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from typing import Any

from connectors.discord.models import VOICE_MESSAGE, Content, Context, FileAttachment, Member, Message, Poll, User
from connectors.inbound.display_names import clean_display_name
from connectors.markup import is_blank, parse_discord_text
from schemas.messages import FileKind, Quote, RemoteFile

_MENTION = re.compile(r"<(@[!&]?\w+)>[,:]?[ \t]*")


def build_payload(message: Message, context: Context) -> dict[str, Any]:
    """Return the fields of an InboundMessage that are in the message itself; empty when there are none."""
    files = list(_build_files(message))
    fields: dict[str, Any] = {"text": read_text(message, context)}
    if files:
        fields["files"] = files
    if unsupported := _find_unsupported(message, fields["text"]):
        fields["unsupported"] = unsupported
    if answered := message.referenced_message:
        fields["quote"] = Quote(text=_read_part(answered, context))
    return fields if files or unsupported or not is_blank(fields["text"]) else {}


def read_text(message: Message, context: Context) -> str:
    """Return the text without the mention of the bot, followed by forwarded text, sticker names and polls."""
    parts = [_read_part(part, context) for part in _list_parts(message)]
    if message.poll is not None:
        parts.append(_read_poll(message.poll))
    return "\n".join(part for part in parts if part)


def get_author_name(user: User, member: Member) -> str:
    """Return the name that others see there."""
    return clean_display_name(member.nick, user.global_name, user.username)


def _list_parts(message: Message) -> list[Content]:
    return [message, *(snapshot.message for snapshot in message.message_snapshots)]


def _read_part(part: Content, context: Context) -> str:
    names = {**context.names, **{each.id: get_author_name(each, each.member) for each in part.mentions}}
    text = parse_discord_text(_remove_bot_mention(part.content, context), names)
    stickers = " ".join(f":{each.name}:" for each in part.sticker_items)
    # People's messages have cards only for links; a program's message may consist of cards.
    cards = (
        [each for embed in part.embeds for each in (embed.title, embed.description)] if is_blank(part.content) else []
    )
    return "\n".join(each for each in (text, stickers, *cards) if each)


def _remove_bot_mention(content: str, context: Context) -> str:
    """Remove mentions of the bot and of its own role."""
    mentions = {f"@{context.bot}", f"@!{context.bot}"} if context.bot else set()
    mentions |= {f"@&{role}" for role in context.roles}
    if not mentions or "<@" not in content:
        return content
    return _MENTION.sub(lambda match: "" if match[1] in mentions else match[0], content).strip(" ")


def _read_poll(poll: Poll) -> str:
    answers = [f"{number}. {each.poll_media.text}" for number, each in enumerate(poll.answers, 1)]
    return "\n".join([poll.question.text, *answers]).strip()


def _find_unsupported(message: Message, text_read: str) -> str:
    if message.poll is not None:
        return "poll"
    if is_blank(text_read) and not is_blank(message.content) and not message.attachments:
        return "mention"
    is_empty = not any(part.content.strip() or part.attachments for part in _list_parts(message))
    return "sticker" if is_empty and any(part.sticker_items for part in _list_parts(message)) else ""


def _build_files(message: Message) -> Iterator[RemoteFile]:
    for part in _list_parts(message):
        for each in part.attachments:
            yield RemoteFile(
                # Addresses expire after a day; a new one is requested with these three ids.
                ref=f"{message.channel_id}/{message.id}/{each.id}",
                name=each.filename,
                kind=_get_kind(each, part.flags | message.flags),
                type=each.content_type,
                size=max(0, each.size),
            )


def _get_kind(attached: FileAttachment, flags: int) -> FileKind:
    if flags & VOICE_MESSAGE:
        return "voice"
    type_ = attached.content_type or mimetypes.guess_type(attached.filename)[0] or ""
    kinds: dict[str, FileKind] = {"image": "image", "video": "video", "audio": "audio"}
    return kinds.get(type_.partition("/")[0].lower(), "file")
