"""Gateway intents: the events a session receives, and the fields removed for one that may not read messages.

Source: the page "Gateway" of Discord's documentation, sections on intents.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.simulators.discord.server_state import Event

GUILDS, GUILD_MEMBERS, GUILD_PRESENCES = 1 << 0, 1 << 1, 1 << 8
MESSAGE_CONTENT = 1 << 15
PRIVILEGED = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT
KNOWN = (1 << 17) - 1 | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25
"""Every bit that means something; any other closes the connection (4013)."""

_MESSAGES = ("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK")


def needed(event: Event) -> int:
    """The intent without which an event is not sent; 0: it always is."""
    direct = event.guild is None
    if event.name in _MESSAGES:
        return 1 << 12 if direct else 1 << 9
    if event.name.startswith("MESSAGE_REACTION"):
        return 1 << 13 if direct else 1 << 10
    if event.name == "TYPING_START":
        return 1 << 14 if direct else 1 << 11
    if event.name.startswith("MESSAGE_POLL"):
        return 1 << 25 if direct else 1 << 24
    if event.name.startswith(("GUILD_CREATE", "GUILD_DELETE", "CHANNEL_", "THREAD_")):
        return GUILDS
    return 0


def visible(data: dict[str, Any], bot: str) -> dict[str, Any]:
    """A message as somebody without the contents of messages gets it: emptied, unless it is his own, direct, or
    mentions him."""
    shape = copy.deepcopy(data)
    if isinstance(shape.get("referenced_message"), dict):
        inner = {**shape["referenced_message"], "guild_id": shape.get("guild_id")}
        shape["referenced_message"] = visible(inner, bot)
        shape["referenced_message"].pop("guild_id")
    mine = (shape.get("author") or {}).get("id") == bot
    named = any(each["id"] == bot for each in shape.get("mentions", []))
    if not shape.get("guild_id") or mine or named:
        return shape
    shape |= {"content": "", "embeds": [], "attachments": [], "components": []}
    shape.pop("poll", None)
    shape.pop("message_snapshots", None)
    return shape
