"""What a person's message says: its text, its files, and what it is where it is neither."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from typing import Any

from connectors.discord.models import VOICE_MESSAGE, Attached, Content, Context, Member, Message, Poll, User
from connectors.inbound.display_names import shown_name
from connectors.markup import blank, discord_text
from schemas.messages import FileKind, Quote, RemoteFile

_MENTION = re.compile(r"<(@[!&]?\w+)>[,:]?[ \t]*")


def payload(message: Message, context: Context) -> dict[str, Any]:
    """The parts of an InboundMessage that stand in the message itself; empty when nothing does."""
    files = list(_files(message))
    found: dict[str, Any] = {"text": text(message, context)}
    if files:
        found["files"] = files
    if unsupported := _unsupported(message, found["text"]):
        found["unsupported"] = unsupported
    if quoted := message.referenced_message:
        found["quote"] = Quote(text=_words(quoted, context))
    return found if files or unsupported or not blank(found["text"]) else {}


def text(message: Message, context: Context) -> str:
    """Its words, without the mention by which the bot was called; then those of what it forwards, the names of its
    stickers, its poll."""
    parts = [_words(part, context) for part in _parts(message)]
    if message.poll is not None:
        parts.append(_poll(message.poll))
    return "\n".join(part for part in parts if part)


def name(user: User, member: Member) -> str:
    """As others see it there."""
    return shown_name(member.nick, user.global_name, user.username)


def _parts(message: Message) -> list[Content]:
    return [message, *(snapshot.message for snapshot in message.message_snapshots)]


def _words(part: Content, context: Context) -> str:
    names = {**context.names, **{each.id: name(each, each.member) for each in part.mentions}}
    said = discord_text(_without_call(part.content, context), names)
    stickers = " ".join(f":{each.name}:" for each in part.sticker_items)
    # A person's message has cards only for its links; of what a program wrote they may be all there is.
    cards = [each for embed in part.embeds for each in (embed.title, embed.description)] if blank(part.content) else []
    return "\n".join(each for each in (said, stickers, *cards) if each)


def _without_call(content: str, context: Context) -> str:
    """Without mentions of the bot and of its own role."""
    called = {f"@{context.bot}", f"@!{context.bot}"} if context.bot else set()
    called |= {f"@&{role}" for role in context.roles}
    if not called or "<@" not in content:
        return content
    return _MENTION.sub(lambda found: "" if found[1] in called else found[0], content).strip(" ")


def _poll(poll: Poll) -> str:
    answers = [f"{number}. {each.poll_media.text}" for number, each in enumerate(poll.answers, 1)]
    return "\n".join([poll.question.text, *answers]).strip()


def _unsupported(message: Message, said: str) -> str:
    if message.poll is not None:
        return "poll"
    if blank(said) and not blank(message.content) and not message.attachments:
        return "mention"
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
