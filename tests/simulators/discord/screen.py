"""The bot's messages as people see them, for the ledger."""

from __future__ import annotations

from typing import Any

from tests.simulators.discord import components
from tests.simulators.discord.server_state import Channel, Message, ServerState
from tests.simulators.vendor import ShownMessage


def show(world: ServerState, channel: Channel, message: Message) -> None:
    """Put a message on the screen, or bring what is there up to date."""
    shown = message.shown
    if shown is None:
        marker = str(message.data.get("nonce") or "")
        reply_to = (message.data.get("message_reference") or {}).get("message_id") or ""
        shown = ShownMessage(message.id, world.application, channel.id, "", marker=marker, reply_to=reply_to)
        message.shown = world.ledger.show(shown)
    shown.text = text_of(message.data)
    shown.choices = [each.label for each in components.choices(message.data["components"])]
    shown.files = [world.files.file(each["path"]) for each in message.data["attachments"]]
    shown.native = message.data
    world.ledger.changed()


def erase(world: ServerState, message: Message) -> None:
    if message.shown is not None:
        message.shown.deleted = True
    world.ledger.changed()


def text_of(data: dict[str, Any]) -> str:
    """All that can be read in a message: its content, its cards, its text displays."""
    pieces = [data["content"]]
    for embed in data["embeds"]:
        pieces += [embed.get("title"), embed.get("description")]
        pieces += [f"{each['name']}: {each['value']}" for each in embed.get("fields") or []]
    pieces.append(components.texts(data["components"]))
    return "\n".join(piece for piece in pieces if piece)
