"""chat.*: what our bot says, changes and takes back."""

from __future__ import annotations

from typing import Any

from tests.simulators.slack import blocks
from tests.simulators.slack.calls import Call, Method
from tests.simulators.slack.encoding import Refusal, is_true, structure
from tests.simulators.slack.workspace import Json, Post, Room

POSTED = 40_000
UPDATED = 4_000
"""Bytes. Not documented: apps report that chat.update refuses what chat.postMessage takes, or cuts."""
MARKDOWN = 12_000
ATTACHMENTS = 100


def content(call: Call) -> Json:
    """Text, blocks and attachments of a message to be, checked."""
    text, markdown = call.text("text"), call.text("markdown_text")
    written = blocks.read_for_message(call.args.get("blocks"))
    attachments = structure(call.args.get("attachments"), "invalid_attachments") or []
    if markdown and (text or written):
        raise Refusal("markdown_text_conflict")
    if len(markdown) > MARKDOWN:
        raise Refusal("msg_too_long")
    if len(attachments) > ATTACHMENTS:
        raise Refusal("too_many_attachments")
    if not (text.strip() or markdown.strip() or written or attachments):
        raise Refusal("no_text")
    body: Json = {"text": (markdown or text)[:POSTED]}
    if written:
        body["blocks"] = blocks.complete(written, call.slack.ids)
    if attachments:
        body["attachments"] = attachments
    return body


def describe_author(call: Call) -> Json:
    """A name of our choosing makes a message "of a bot" in the old sense, without a user."""
    bot = call.slack.bot
    profile = {"id": bot.bot_id, "app_id": bot.app_id, "name": bot.name, "deleted": False, "team_id": bot.team}
    body: Json = {"bot_id": bot.bot_id, "app_id": bot.app_id, "bot_profile": profile}
    chosen = {name: call.args[name] for name in ("username", "icon_url", "icon_emoji") if call.args.get(name)}
    if not chosen:
        return {"user": bot.id, **body}
    if "chat:write.customize" not in call.slack.scopes:
        raise Refusal("missing_scope", needed="chat:write.customize", provided=",".join(sorted(call.slack.scopes)))
    return {"subtype": "bot_message", **chosen, **body}


def thread(call: Call, room: Room, name: str = "thread_ts") -> Json:
    """A reply to a reply goes into the same thread; a thread that is gone is refused."""
    root = call.text(name)
    if not root:
        return {}
    if root not in room.posts or room.posts[root].to:
        raise Refusal("thread_not_found")
    return {"thread_ts": room.posts[root].root}


def target(call: Call, name: str = "channel") -> Room:
    """Where to post: a person's id means their direct messages."""
    call.need(name)
    person = call.slack.workspace.by_id(call.text(name))
    if person is not None:
        return call.slack.workspace.direct(person)
    room = call.room(name)
    if call.slack.bot.id not in room.members:
        raise Refusal("not_in_channel")
    if room.archived:
        raise Refusal("is_archived")
    return room


def post_message(call: Call) -> Json:
    room = target(call)
    body = {**describe_author(call), **content(call), **thread(call, room)}
    if metadata := call.metadata():
        body["metadata"] = metadata
    if body.get("thread_ts") and is_true(call.args.get("reply_broadcast")):
        body["subtype"] = "thread_broadcast"
    call.slack.limits.message(room.id)
    post = call.slack.publish(room, call.slack.bot, body)
    call.slack.assistants.statuses.pop((room.id, post.root), None)
    answer: Json = {"ok": True, "channel": room.id, "ts": post.ts, "message": post.body}
    if len(call.text("text")) > POSTED:
        answer["response_metadata"] = {"warnings": ["message_truncated"]}
    return answer


def post_ephemeral(call: Call) -> Json:
    room = target(call)
    user = call.user()
    if user.id not in room.members:
        raise Refusal("user_not_in_channel")
    body = {**describe_author(call), **content(call), **thread(call, room)}
    post = call.slack.publish(room, call.slack.bot, {**body, "is_ephemeral": True}, to=user.id)
    return {"ok": True, "message_ts": post.ts}


def own(call: Call, refusal: str) -> Post:
    room = call.room()
    post = call.post(room)
    if post.author is not call.slack.bot or post.body.get("subtype") == "tombstone":
        raise Refusal(refusal)
    return post


def update(call: Call) -> Json:
    post = own(call, "cant_update_message")
    if post.room.archived:
        raise Refusal("is_inactive")
    if post.stream is not None and post.stream.state == "open":
        raise Refusal("streaming_state_conflict")
    if len(call.text("text").encode()) > UPDATED:
        raise Refusal("msg_too_long")
    said = content(call)
    kept = {name: value for name, value in post.body.items() if name not in ("text", "blocks", "attachments")}
    metadata = call.metadata()
    if metadata is not None:
        kept["metadata"] = metadata
    call.slack.rewrite(post, {**kept, **said})
    return {"ok": True, "channel": post.room.id, "ts": post.ts, "text": post.body["text"], "message": post.body}


def delete(call: Call) -> Json:
    post = own(call, "cant_delete_message")
    call.slack.remove(post)
    return {"ok": True, "channel": post.room.id, "ts": post.ts}


def permalink(call: Call) -> Json:
    post = call.post(call.room(), "message_ts")
    path = f"/archives/{post.room.id}/p{post.ts.replace('.', '')}"
    return {"ok": True, "channel": post.room.id, "permalink": call.slack.origin + path}


METHODS: dict[str, Any] = {
    "chat.postMessage": Method(post_message, "chat:write", 0),
    "chat.postEphemeral": Method(post_ephemeral, "chat:write", 4),
    "chat.update": Method(update, "chat:write", 3),
    "chat.delete": Method(delete, "chat:write", 3),
    "chat.getPermalink": Method(permalink, "", 5, json=False),
}
