"""What a person's message says: its text, its files, and what it is where it is neither."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from typing import Any

from connectors.discord.shapes import VOICE_MESSAGE, Attached, Content, Member, Message, Poll, User
from connectors.markup import blank, discord_text
from connectors.names import shown_name
from schemas.messages import FileKind, RemoteFile


def payload(message: Message) -> dict[str, Any]:
    """The parts of an InboundMessage that stand in the message itself; empty when nothing does."""
    files = list(_files(message))
    found: dict[str, Any] = {"text": text(message)}
    if files:
        found["files"] = files
    if unsupported := _unsupported(message):
        found["unsupported"] = unsupported
    return found if files or unsupported or not blank(found["text"]) else {}


def text(message: Message) -> str:
    """Its words; then those of what it forwards, the names of its stickers, its poll."""
    parts = [_words(part) for part in _parts(message)]
    if message.poll is not None:
        parts.append(_poll(message.poll))
    return "\n".join(part for part in parts if part)


def name(user: User, member: Member) -> str:
    """As others see it there."""
    return shown_name(member.nick, user.global_name, user.username)


def _parts(message: Message) -> list[Content]:
    return [message, *(snapshot.message for snapshot in message.message_snapshots)]


def _words(part: Content) -> str:
    names = {each.id: name(each, each.member) for each in part.mentions}
    said = discord_text(part.content, names)
    stickers = " ".join(f":{each.name}:" for each in part.sticker_items)
    return "\n".join(each for each in (said, stickers) if each)


def _poll(poll: Poll) -> str:
    answers = [f"{number}. {each.poll_media.text}" for number, each in enumerate(poll.answers, 1)]
    return "\n".join([poll.question.text, *answers]).strip()


def _unsupported(message: Message) -> str:
    if message.poll is not None:
        return "poll"
    alone = not any(part.content.strip() or part.attachments for part in _parts(message))
    return "sticker" if alone and any(part.sticker_items for part in _parts(message)) else ""


def _files(message: Message) -> Iterator[RemoteFile]:
    for part in _parts(message):
        for each in part.attachments:
            yield RemoteFile(
                # Addresses end after a day; by these three a fresh one can be asked for.
                ref=f"{message.channel_id}/{message.id}/{each.id}",
                name=each.filename,
                kind=_kind(each, part.flags | message.flags),
                type=each.content_type,
                size=max(0, each.size),
            )


def _kind(attached: Attached, flags: int) -> FileKind:
    if flags & VOICE_MESSAGE:
        return "voice"
    told = attached.content_type or mimetypes.guess_type(attached.filename)[0] or ""
    kinds: dict[str, FileKind] = {"image": "image", "video": "video", "audio": "audio"}
    return kinds.get(told.partition("/")[0].lower(), "file")
