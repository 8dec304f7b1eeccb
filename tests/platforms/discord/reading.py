"""The bodies of requests: JSON, or a form with files beside its JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web

from tests.platforms.discord.refusals import Refusal, refusal
from tests.platforms.vendor import File

PART = re.compile(r"files\[(\d+)\]")


async def read(request: web.Request) -> tuple[Any, dict[int, File]]:
    """The form, and the files by their number. Raises Refusal, and aiohttp's own when it is too large."""
    raw = await request.read()
    if not raw:
        return {}, {}
    if request.content_type == "application/json":
        return _parse(raw), {}
    if request.content_type == "multipart/form-data":
        return await _read_parts(request)
    words = "Expected \"Content-Type\" header to be one of {'application/json', 'multipart/form-data'}."
    raise Refusal(400, 50035, words)


async def _read_parts(request: web.Request) -> tuple[Any, dict[int, File]]:
    body: Any = {}
    uploads: dict[int, File] = {}
    for name, value in (await request.post()).items():
        numbered = PART.fullmatch(name)
        if isinstance(value, web.FileField) and numbered:
            kind = value.content_type
            # A part whose maker did not know its type; Discord then goes by the name.
            known = "" if kind == "application/octet-stream" else kind
            uploads[int(numbered[1])] = File(value.filename, known, value.file.read())
            value.file.close()
        elif name == "payload_json" and not isinstance(value, web.FileField):
            body = _parse(value)
    return body, uploads


def _parse(raw: str | bytes | bytearray) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        raise refusal(50109) from None
