"""chat.startStream, appendStream and stopStream: a message that is written before people's eyes."""

from __future__ import annotations

from typing import Any

from tests.simulators.slack import blocks
from tests.simulators.slack.calls import Call, Method
from tests.simulators.slack.chat import MARKDOWN, describe_author, target, thread
from tests.simulators.slack.encoding import Refusal, structure
from tests.simulators.slack.workspace import Json, Post, Stream

LIFETIME = 300.0
"""Seconds from the start, whatever is appended. Not documented: apps report five minutes and a little."""
CHUNKS = ("markdown_text", "task_update", "plan_update", "blocks")


def chunks_of(call: Call) -> list[Json]:
    """What is to be added, text as a chunk like the others. Raises Refusal."""
    chunks = structure(call.args.get("chunks"), "invalid_chunks") or []
    if not isinstance(chunks, list) or not all(isinstance(chunk, dict) for chunk in chunks):
        raise Refusal("invalid_chunks")
    if call.text("markdown_text"):
        chunks = [{"type": "markdown_text", "text": call.text("markdown_text")}, *chunks]
    for chunk in chunks:
        _check(chunk)
    return chunks


def _check(chunk: Json) -> None:
    kind = chunk.get("type")
    if kind not in CHUNKS:
        raise Refusal("invalid_chunks")
    if kind == "markdown_text" and not isinstance(chunk.get("text"), str):
        raise Refusal("invalid_chunks")
    if len(str(chunk.get("text", ""))) > MARKDOWN:
        raise Refusal("msg_too_long")
    if kind == "task_update" and not (chunk.get("id") and chunk.get("title")):
        raise Refusal("invalid_chunks")
    if kind == "blocks":
        blocks.read(chunk.get("blocks"))


def start(call: Call) -> Json:
    room = target(call)
    call.need("thread_ts")
    if room.kind != "im":
        for name in ("recipient_team_id", "recipient_user_id"):
            if not call.text(name):
                raise Refusal(f"missing_{name}")
        call.user("recipient_user_id")
    chunks = chunks_of(call)
    call.slack.limits.message(room.id)
    said = {**describe_author(call), **thread(call, room), "text": ""}
    post = call.slack.publish(room, call.slack.bot, said)
    post.stream = Stream(call.slack.now())
    _add(call, post, chunks)
    call.slack.assistants.statuses.pop((room.id, post.root), None)
    return {"ok": True, "channel": room.id, "ts": post.ts}


def _add(call: Call, post: Post, chunks: list[Json]) -> None:
    assert post.stream is not None
    for chunk in chunks:
        if chunk["type"] == "markdown_text":
            post.stream.text += chunk["text"]
        elif chunk["type"] == "task_update":
            post.stream.tasks[chunk["id"]] = chunk
        elif chunk["type"] == "blocks":
            post.stream.blocks += blocks.complete(chunk["blocks"], call.slack.ids)
    post.body = {**post.body, "text": post.stream.text}
    call.slack.show(post)


def streaming(call: Call) -> Post:
    """The message, if it is ours and still being written."""
    post = call.post(call.room())
    if post.author is not call.slack.bot:
        raise Refusal("message_not_owned_by_app")
    if post.stream is None or post.stream.state == "stopped" or call.slack.now() > post.stream.started + LIFETIME:
        raise Refusal("message_not_in_streaming_state")
    if post.stream.state == "stopped_by_user":
        raise Refusal("stopped_by_user")
    return post


def append(call: Call) -> Json:
    post = streaming(call)
    chunks = chunks_of(call)
    if not chunks:
        raise Refusal("no_text")
    _add(call, post, chunks)
    return {"ok": True, "channel": post.room.id, "ts": post.ts}


def stop(call: Call) -> Json:
    post = streaming(call)
    assert post.stream is not None
    chunks, metadata = chunks_of(call), call.metadata()
    last = blocks.complete(blocks.read_for_message(call.args.get("blocks")), call.slack.ids)
    _add(call, post, chunks)
    if not (post.stream.text or post.stream.blocks or post.stream.tasks or last):
        raise Refusal("no_text")
    body = dict(post.body)
    text = [{"type": "markdown", "text": post.stream.text, "block_id": "text"}] if post.stream.text else []
    if post.stream.blocks or last:
        body["blocks"] = [*text, *post.stream.blocks, *last]
    if metadata:
        body["metadata"] = metadata
    post.stream.state = "stopped"
    call.slack.rewrite(post, body, silent=True)
    return {"ok": True, "channel": post.room.id, "ts": post.ts, "message": post.body}


METHODS: dict[str, Any] = {
    "chat.startStream": Method(start, "chat:write", 2),
    "chat.appendStream": Method(append, "chat:write", 4),
    "chat.stopStream": Method(stop, "chat:write", 2),
}
