"""Slack's way to write JSON, read arguments and refuse requests."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from tests.simulators.slack.workspace import Json

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Refusal(Exception):
    """``{"ok": false, "error": code}``, and HTTP 200."""

    def __init__(self, code: str, *messages: str, **more: Any) -> None:
        super().__init__(code)
        self.code = code
        self.body: Json = {"ok": False, "error": code, **more}
        if messages:
            self.body["response_metadata"] = {"messages": [f"[ERROR] {message}" for message in messages]}


def encode(value: Any) -> bytes:
    """Slack's servers escape what is not ASCII, and the slash, so a signature over re-written JSON fails."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode()


def answer(body: Json, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=encode(body), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


async def arguments(request: web.Request) -> Json:
    """What a method was called with, from the query, a form or JSON. Values of forms are text."""
    args: Json = dict(request.query)
    if request.method == "GET" or not request.can_read_body:
        return args
    if "Content-Type" not in request.headers:
        raise Refusal("missing_post_type")
    if request.charset and request.charset.casefold() not in ("utf-8", "utf8", "iso-8859-1"):
        raise Refusal("invalid_charset")
    if request.content_type == "application/json":
        return {**args, **_json(await request.text())}
    if request.content_type in FORMS:
        form = await request.post()
        return {**args, **{key: value for key, value in form.items() if isinstance(value, str)}}
    raise Refusal("invalid_post_type")


def _json(text: str) -> Json:
    try:
        body = json.loads(text)
    except ValueError:
        raise Refusal("invalid_json") from None
    if not isinstance(body, dict):
        raise Refusal("json_not_object")
    return body


def is_true(value: Any) -> bool:
    return value in (True, 1, "1", "true", "True")


def structure(value: Any, refusal: str) -> Any:
    """An array or object, which a form carries as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise Refusal(refusal) from None
