"""files.*, the place where uploads go, and the place where files are fetched."""

from __future__ import annotations

import mimetypes
from typing import Any

from aiohttp import web

from tests.simulators.slack.calls import Call, Method
from tests.simulators.slack.chat import describe_author, target, thread
from tests.simulators.slack.core import Slack
from tests.simulators.slack.encoding import Refusal, structure
from tests.simulators.slack.storage import Promise
from tests.simulators.slack.workspace import Json
from tests.simulators.vendor import File, Request

ALT_TEXT = 1000
LOGIN = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body>Sign in to your workspace</body></html>"


def get_upload_url(call: Call) -> Json:
    call.need("filename", "length")
    try:
        length = int(call.text("length"))
    except ValueError:
        raise Refusal("invalid_arguments", "must be an integer [json-pointer:/length]") from None
    if length <= 0:
        raise Refusal("missing_argument")
    if len(call.text("alt_txt")) > ALT_TEXT:
        raise Refusal("alt_txt_too_large")
    id, ticket = call.slack.ids.new("F"), call.slack.ids.secret()
    promise = Promise(id, call.text("filename"), length, call.text("alt_txt"))
    call.slack.storage.promised[ticket] = promise
    return {"ok": True, "upload_url": f"{call.slack.origin}/upload/v1/{ticket}", "file_id": id}


async def upload(slack: Slack, request: web.Request) -> web.Response:
    """The bytes, raw or as a form. There is no token: the address is the secret."""
    promise = slack.storage.promised.get(request.match_info["ticket"])
    if promise is None:
        return web.Response(status=404, text="not found")
    if request.content_type == "multipart/form-data":
        form = await request.post()
        parts = [part for part in form.values() if isinstance(part, web.FileField)]
        data = parts[0].file.read() if parts else b""
    else:
        data = await request.read()
    if len(data) != promise.length:
        return web.Response(status=400, text=f"length mismatch: {promise.length} were announced")
    promise.data = data
    return web.Response(text=f"OK - {len(data)}")


def complete_upload(call: Call) -> Json:
    call.need("files")
    wanted = structure(call.args["files"], "invalid_arguments")
    if not isinstance(wanted, list) or not wanted or not all(isinstance(each, dict) for each in wanted):
        raise Refusal("invalid_arguments", "must be an array of files [json-pointer:/files]")
    promised = {promise.id: (ticket, promise) for ticket, promise in call.slack.storage.promised.items()}
    if any(each.get("id") not in promised or promised[each["id"]][1].data is None for each in wanted):
        raise Refusal("file_not_found")
    room = target(call, "channel_id") if call.text("channel_id") else None
    about = thread(call, room) if room else {}
    files = []
    for each in wanted:
        ticket, promise = promised[each["id"]]
        files.append(_keep(call, promise, str(each.get("title") or "")))
        del call.slack.storage.promised[ticket]
    if room:
        body = {"subtype": "file_share", **describe_author(call), **about, "text": call.text("initial_comment")}
        call.slack.limits.message(room.id)
        post = call.slack.publish(room, call.slack.bot, {**body, "files": files, "upload": False})
        for file in files:
            private = room.is_private
            call.slack.storage.share(file["id"], room.id, private=private, ts=post.ts, thread_ts=post.root)
    return {"ok": True, "files": [{"id": file["id"], "title": file["title"]} for file in files]}


def _keep(call: Call, promise: Promise, title: str) -> Json:
    file = File(promise.name, _type_of(promise.name), promise.data or b"")
    slack = call.slack
    return slack.storage.add(file, promise.id, slack.bot, slack.origin, int(slack.now()), title)


def _type_of(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def file_info(call: Call) -> Json:
    call.need("file")
    kept = call.slack.storage.kept.get(call.text("file"))
    if kept is None:
        raise Refusal("file_not_found")
    if kept.deleted:
        raise Refusal("file_deleted")
    return {"ok": True, "file": kept.about, "comments": [], "response_metadata": {"next_cursor": ""}}


def download(slack: Slack, request: web.Request, note: Request) -> web.Response:
    """Without the right token Slack shows its login page, and says 200."""
    kept = slack.storage.kept.get(request.match_info["file"].partition("-")[2])
    allowed = request.headers.get("Authorization") == f"Bearer {slack.bot_token}" and not slack.revoked
    if not allowed or "files:read" not in slack.scopes:
        return web.Response(text=LOGIN, content_type="text/html")
    if kept is None or kept.deleted:
        return web.Response(status=404, text="not found")
    note.did = True
    return web.Response(body=kept.file.data, content_type=kept.file.type)


def delete(call: Call) -> Json:
    """Only one's own. A tombstone stays in messages that have other words."""
    call.need("file")
    kept = call.slack.storage.kept.get(call.text("file"))
    if kept is None:
        raise Refusal("file_not_found")
    if kept.deleted:
        raise Refusal("file_deleted")
    if kept.about["user"] != call.slack.bot.id:
        raise Refusal("cant_delete_file")
    kept.deleted = True
    for room in call.slack.workspace.rooms.values():
        for post in list(room.posts.values()):
            if any(each.get("id") == call.text("file") for each in post.body.get("files", [])):
                call.slack.remove(post)
    return {"ok": True}


METHODS: dict[str, Any] = {
    "files.getUploadURLExternal": Method(get_upload_url, "files:write", 4, json=False),
    "files.completeUploadExternal": Method(complete_upload, "files:write", 4),
    "files.delete": Method(delete, "files:write", 3),
    "files.info": Method(file_info, "files:read", 4, json=False),
}
