"""conversations.*: rooms, and what was said in them."""

from __future__ import annotations

from typing import Any

from tests.simulators.slack.calls import PLURALS, Call, Method
from tests.simulators.slack.encoding import Refusal, is_true
from tests.simulators.slack.events import thread_facts
from tests.simulators.slack.workspace import Json, Post, Room

COMMERCIAL = 15
"""Messages at a time for apps distributed outside of the Marketplace."""


def describe_post(call: Call, post: Post) -> Json:
    """Metadata's payload is told only to who asks for it."""
    body = {**post.body, **thread_facts(post)}
    if body.get("metadata") and not is_true(call.args.get("include_all_metadata")):
        body["metadata"] = {"event_type": body["metadata"].get("event_type")}
    return body


def select_within_bounds(call: Call, posts: list[Post]) -> list[Post]:
    """Those between ``oldest`` and ``latest``; a bound itself counts only when asked for."""
    oldest, latest = call.text("oldest", "0") or "0", call.text("latest") or "9999999999.999999"
    try:
        low, high = float(oldest), float(latest)
    except ValueError:
        raise Refusal("invalid_ts_oldest") from None
    bounds = (oldest, latest) if is_true(call.args.get("inclusive")) else ()
    return [post for post in posts if low < float(post.ts) < high or post.ts in bounds]


def size(call: Call, default: int) -> int:
    asked = call.number("limit", default, 1000)
    return min(asked, COMMERCIAL) if call.slack.limits.commercial else asked


def history(call: Call) -> Json:
    room = call.allow(call.joined(), "history")
    posts, following = call.page(select_within_bounds(call, room.top()), size(call, 100))
    messages = [describe_post(call, post) for post in posts]
    more = bool(following["next_cursor"])
    answer: Json = {"ok": True, "messages": messages, "has_more": more, "pin_count": 0}
    return {**answer, "response_metadata": following} if more else answer


def replies(call: Call) -> Json:
    room = call.allow(call.joined(), "history")
    asked = call.post(room, refusal="thread_not_found")
    root = room.posts.get(asked.root)
    if root is None:
        raise Refusal("thread_not_found")
    posts, following = call.page(select_within_bounds(call, room.replies(root.ts)), size(call, 1000))
    messages = [describe_post(call, post) for post in (root, *posts)]
    more = bool(following["next_cursor"])
    answer: Json = {"ok": True, "messages": messages, "has_more": more}
    return {**answer, "response_metadata": following} if more else answer


def about(call: Call, room: Room) -> Json:
    bot = call.slack.bot.id
    facts: Json = {
        "id": room.id,
        "is_channel": room.kind == "channel",
        "is_group": room.kind == "group",
        "is_im": room.kind == "im",
        "is_mpim": room.kind == "mpim",
        "is_private": room.is_private,
        "is_archived": room.archived,
        "is_shared": room.shared,
        "is_ext_shared": room.shared,
        "is_org_shared": False,
        "context_team_id": call.slack.workspace.team,
    }
    if room.kind == "im":
        return {**facts, "user": next(member for member in room.members if member != bot), "is_open": True}
    return {**facts, "name": room.name, "name_normalized": room.name, "is_member": bot in room.members}


def info(call: Call) -> Json:
    room = call.allow(call.room(), "read")
    facts = about(call, room)
    if is_true(call.args.get("include_num_members")):
        facts["num_members"] = len(room.members)
    return {"ok": True, "channel": facts}


def members(call: Call) -> Json:
    people, following = call.page(call.allow(call.room(), "read").members, call.number("limit", 100, 1000))
    return {"ok": True, "members": people, "response_metadata": following}


def open_direct(call: Call) -> Json:
    if call.args.get("channel"):
        room = call.room()
        return {"ok": True, "no_op": True, "already_open": True, "channel": {"id": room.id}}
    users = [user for user in call.text("users").split(",") if user]
    if not users:
        raise Refusal("users_list_not_supplied")
    if len(users) > 8:
        raise Refusal("too_many_users")
    people = [call.slack.workspace.by_id(user) for user in users]
    known = [person for person in people if person is not None]
    if len(known) < len(people):
        raise Refusal("user_not_found")
    if any(person.bot_id for person in known):
        raise Refusal("cannot_dm_bot")
    room = call.slack.workspace.direct(*known)
    channel = about(call, room) if is_true(call.args.get("return_im")) else {"id": room.id}
    return {"ok": True, "channel": channel}


def join(call: Call) -> Json:
    room = call.room()
    if room.archived:
        raise Refusal("is_archived")
    if call.slack.bot.id not in room.members:
        room.members.append(call.slack.bot.id)
    return {"ok": True, "channel": about(call, room)}


KINDS = {"public_channel": "channel", "private_channel": "group", "mpim": "mpim", "im": "im"}


def list_own_rooms(call: Call) -> Json:
    """The rooms that the app is in. The right to each kind that is asked for is needed."""
    kinds = [KINDS.get(kind.strip()) for kind in (call.text("types") or "public_channel").split(",")]
    if None in kinds:
        raise Refusal("invalid_types")
    for kind in kinds:
        scope = f"{PLURALS[kind]}:read" if kind else ""
        if scope not in call.slack.scopes:
            raise Refusal("missing_scope", needed=scope, provided=",".join(sorted(call.slack.scopes)))
    bot, leaves_out = call.slack.bot.id, is_true(call.args.get("exclude_archived"))
    rooms = [
        room
        for room in call.slack.workspace.rooms.values()
        if room.kind in kinds and bot in room.members and not (leaves_out and room.archived)
    ]
    found, following = call.page(rooms, call.number("limit", 100, 1000))
    return {"ok": True, "channels": [about(call, room) for room in found], "response_metadata": following}


METHODS: dict[str, Any] = {
    "users.conversations": Method(list_own_rooms, "", 3, json=False),
    "conversations.history": Method(history, "", 3, json=False),
    "conversations.replies": Method(replies, "", 3, json=False),
    "conversations.info": Method(info, "", 3, json=False),
    "conversations.members": Method(members, "", 4, json=False),
    "conversations.open": Method(open_direct, "im:write", 3),
    "conversations.join": Method(join, "channels:join", 3),
}
