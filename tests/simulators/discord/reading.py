"""The bodies of requests: JSON, or a form with files beside its JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import BodyPartReader, web

from tests.simulators.discord.message_validation import REQUEST_BYTES
from tests.simulators.discord.refusals import Refusal, refusal
from tests.simulators.vendor import File

PART = re.compile(r"files\[(\d+)\]")


async def read(request: web.Request) -> tuple[Any, dict[int, File]]:
    """The form, and the files by their number. Raises Refusal, and aiohttp's own when it is too large."""
    if request.content_type == "multipart/form-data":
        try:
            return await _read_parts(request)
        except ValueError:
            raise Refusal(400, 50035, "Invalid Form Body") from None
    raw = await request.read()
    if not raw:
        return {}, {}
    if request.content_type == "application/json":
        return _parse(raw), {}
    words = "Expected \"Content-Type\" header to be one of {'application/json', 'multipart/form-data'}."
    raise Refusal(400, 50035, words)


async def _read_parts(request: web.Request) -> tuple[Any, dict[int, File]]:
    body: Any = {}
    uploads: dict[int, File] = {}
    total = 0
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise ValueError("a form within a form")
        data = bytes(await part.read())
        total += len(data)
        if total > REQUEST_BYTES:
            raise refusal(40005)
        if numbered := PART.fullmatch(part.name or ""):
            kind = part.headers.get("Content-Type", "")
            # A part whose maker did not know its type; Discord then goes by the name.
            known = "" if kind == "application/octet-stream" else kind
            uploads[int(numbered[1])] = File(part.filename or "unknown", known, data)
        elif part.name == "payload_json":
            body = _parse(data)
    return body, uploads


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        raise refusal(50109) from None
