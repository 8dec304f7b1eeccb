"""Discord's JSON of people, places and messages."""

from __future__ import annotations

import copy
from typing import Any

from tests.simulators.discord.ids import made_at, stamp
from tests.simulators.discord.server_state import DM, Channel, Message, ServerState, User

PERMISSIONS = str((1 << 53) - 1)


def user_json(user: User) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "id": user.id,
        "username": user.name,
        "global_name": user.shown_as,
        "discriminator": "0000" if user.bot else "0",
        "avatar": None,
        "public_flags": 0,
    }
    return {**shape, "bot": True} if user.bot else shape


def member_json(world: ServerState, user: User, *, with_user: bool = False) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "roles": [],
        "nick": user.nick,
        "avatar": None,
        "joined_at": stamp(made_at(user.id)),
        "premium_since": None,
        "communication_disabled_until": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
    }
    return {**shape, "user": user_json(user)} if with_user else shape


def channel_json(world: ServerState, channel: Channel) -> dict[str, Any]:
    newest = next(reversed(channel.messages), None)
    shape: dict[str, Any] = {"id": channel.id, "type": channel.type, "last_message_id": newest, "flags": 0}
    if channel.type == DM:
        assert channel.person is not None
        return {**shape, "recipients": [user_json(channel.person)]}
    shape |= {
        "guild_id": channel.guild,
        "name": channel.name,
        "parent_id": channel.parent,
        "rate_limit_per_user": int(channel.slowmode),
    }
    if channel.is_thread:
        return {**shape, **_thread_json(channel)}
    return {**shape, "topic": channel.topic, "position": 0, "permission_overwrites": [], "nsfw": False}


def _thread_json(thread: Channel) -> dict[str, Any]:
    made = stamp(made_at(thread.id))
    return {
        "owner_id": thread.owner,
        "message_count": len(thread.messages),
        "member_count": 2,
        "total_message_sent": len(thread.messages),
        "thread_metadata": {
            "archived": thread.archived,
            "auto_archive_duration": 1440,
            "archive_timestamp": made,
            "create_timestamp": made,
            "locked": thread.locked,
        },
    }


def guild_json(world: ServerState) -> dict[str, Any]:
    """The server as GUILD_CREATE tells it."""
    channels = [each for each in world.channels.values() if each.guild and not each.is_thread]
    threads = [each for each in world.channels.values() if each.is_thread and not each.archived]
    return {
        "id": world.guild,
        "name": world.guild_name,
        "owner_id": world.owner.id,
        "roles": roles_json(world),
        "channels": [channel_json(world, each) for each in channels],
        "threads": [channel_json(world, each) for each in threads],
        "members": [member_json(world, world.bot, with_user=True)],
        "emojis": [{"id": id, "name": name, "roles": []} for id, name in world.custom_emoji.items()],
        "stickers": [],
        "features": [],
        "member_count": sum(user.in_guild for user in world.users.values()),
        "joined_at": stamp(made_at(world.guild)),
        "large": False,
        "unavailable": False,
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "preferred_locale": "en-US",
        **_GUILD_SETTINGS,
    }


def roles_json(world: ServerState) -> list[dict[str, Any]]:
    """Everybody's, and the one that Discord made for the bot when it was invited."""
    common = {"color": 0, "hoist": False, "position": 0, "mentionable": False, "permissions": PERMISSIONS, "flags": 0}
    own = {"id": world.bot_role, "name": world.bot.name, "managed": True, "tags": {"bot_id": world.bot.id}}
    return [{**common, "id": world.guild, "name": "@everyone", "managed": False}, {**common, **own}]


_GUILD_SETTINGS: dict[str, Any] = {
    "icon": None,
    "splash": None,
    "discovery_splash": None,
    "description": None,
    "banner": None,
    "afk_channel_id": None,
    "afk_timeout": 300,
    "verification_level": 1,
    "default_message_notifications": 1,
    "explicit_content_filter": 2,
    "mfa_level": 0,
    "nsfw_level": 0,
    "system_channel_id": None,
    "system_channel_flags": 0,
    "rules_channel_id": None,
    "public_updates_channel_id": None,
    "vanity_url_code": None,
    "premium_tier": 0,
    "premium_subscription_count": 0,
    "premium_progress_bar_enabled": False,
    "application_id": None,
}


def application_json(world: ServerState) -> dict[str, Any]:
    return {
        "id": world.application,
        "name": world.bot.name,
        "icon": None,
        "description": "",
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "owner": user_json(world.owner),
        "team": None,
        # Bit 19: the contents of messages, for an application in fewer than a hundred servers.
        "flags": (1 << 19) if world.content_enabled else 0,
        "bot": user_json(world.bot),
    }


def ready_json(world: ServerState, session: str, resume_url: str, shard: tuple[int, int]) -> dict[str, Any]:
    """The first thing that a session is told."""
    return {
        "v": 10,
        "user": {**user_json(world.bot), "verified": True, "mfa_enabled": False, "flags": 0, "email": None},
        "guilds": [{"id": world.guild, "unavailable": True}],
        "session_id": session,
        "session_type": "normal",
        "resume_gateway_url": resume_url,
        "shard": list(shard),
        "application": {"id": world.application, "flags": application_json(world)["flags"]},
        "private_channels": [],
        "relationships": [],
        "_trace": [],
    }


def members_json(world: ServerState, nonce: Any) -> dict[str, Any]:
    """The server's members, as an answer to who asked for them."""
    return {
        "guild_id": world.guild,
        "members": [member_json(world, user, with_user=True) for user in world.users.values() if user.in_guild],
        "chunk_index": 0,
        "chunk_count": 1,
        "nonce": nonce,
    }


def blank_message(world: ServerState, channel: Channel, author: User) -> dict[str, Any]:
    """A message of this moment that says nothing yet."""
    return {
        "id": world.ids.snowflake(),
        "type": 0,
        "channel_id": channel.id,
        "author": user_json(author),
        "content": "",
        "timestamp": stamp(world.now()),
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "pinned": False,
        "flags": 0,
        "components": [],
    }


def message_json(world: ServerState, message: Message, *, fresh: bool = False) -> dict[str, Any]:
    """The message as it stands, with fresh links, and with the message that it answers (null when that is gone). The
    nonce is not kept with a message: only the answer to its making and the event of it (``fresh``) carry it."""
    shape = _with_links(world, copy.deepcopy(message.data))
    if not fresh:
        shape.pop("nonce", None)
    reference = shape.get("message_reference") or {}
    if shape["type"] in (19, 21) and reference.get("message_id"):
        home = world.channels.get(reference["channel_id"])
        found = home.messages.get(reference["message_id"]) if home else None
        shape["referenced_message"] = _with_links(world, copy.deepcopy(found.data)) if found else None
    return shape


def _with_links(world: ServerState, shape: dict[str, Any]) -> dict[str, Any]:
    for reaction in shape.get("reactions", []):
        del reaction["users"]
    shape["attachments"] = [world.files.sign(each) for each in shape["attachments"]]
    for snapshot in shape.get("message_snapshots", []):
        inner = snapshot["message"]
        inner["attachments"] = [world.files.sign(each) for each in inner["attachments"]]
    return shape


def message_event(world: ServerState, channel: Channel, message: Message, *, fresh: bool = False) -> dict[str, Any]:
    """The same as an event carries it: with the member who wrote it, where there are members."""
    shape = message_json(world, message, fresh=fresh)
    author = world.users.get(message.author)
    if channel.guild and author is not None:
        shape["member"] = member_json(world, author)
        for each in shape["mentions"]:
            each["member"] = member_json(world, world.users[each["id"]])
    return shape
