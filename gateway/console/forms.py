"""Forms that browsers send: fields, and files where there are some."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError

from gateway.http.responses import read_body
from gateway.webchat.attachments import MAX_SIZE, UPLOAD_WAIT, safe_name
from schemas.errors import InvalidRequest, TooLarge, UnsupportedMediaType

PLAIN, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
MOST_FIELDS = 300
MOST_FILES = 5
LARGEST_FIELD = 64 * 1024
"""Bytes of one field, and of a form without files."""
Check = Callable[["Form"], None]


@dataclass(frozen=True, slots=True)
class File:
    name: str
    type: str
    data: bytes


@dataclass(slots=True)
class Form:
    fields: dict[str, list[str]] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)

    def one(self, name: str) -> str:
        """Empty when it is not there."""
        return self.fields.get(name, [""])[0]

    def add(self, name: str, value: str) -> None:
        self.fields.setdefault(name, []).append(value)
        if sum(map(len, self.fields.values())) > MOST_FIELDS:
            raise InvalidRequest(f"a form may have {MOST_FIELDS} fields")


async def read_form(request: web.Request, check: Check) -> Form:
    """``check`` sees the fields before the first file is read. Raises InvalidRequest, TooLarge,
    UnsupportedMediaType."""
    if request.content_type == MULTIPART:
        return await _with_files(request, check)
    data = await read_body(request, LARGEST_FIELD, {PLAIN})
    form = Form()
    try:
        text = data.decode()
        pairs = parse_qsl(text, True, bool(text), errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise InvalidRequest("the form is malformed") from error
    for name, value in pairs:
        form.add(name, value)
    check(form)
    return form


async def _with_files(request: web.Request, check: Check) -> Form:
    if (request.content_length or 0) > MOST_FILES * MAX_SIZE + LARGEST_FIELD:
        raise TooLarge(f"the form is larger than {MOST_FILES} files of {MAX_SIZE} bytes")
    form = Form()
    try:
        async with asyncio.timeout(UPLOAD_WAIT):
            await _parts(request, form, check)
    except TimeoutError:
        raise InvalidRequest("the form did not arrive in time") from None
    except (ValueError, AssertionError, RuntimeError, LookupError, HttpProcessingError):
        # What the form reader raises for a broken form is not documented; all of it is the sender's doing.
        raise InvalidRequest("the form is malformed") from None
    if not form.files:
        check(form)
    return form


async def _parts(request: web.Request, form: Form, check: Check) -> None:
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise UnsupportedMediaType("the form holds a form")
        if part.filename is None:
            form.add(part.name or "", (await _data(part, LARGEST_FIELD)).decode())
            continue
        check(form)
        data = await _data(part, MAX_SIZE)
        # A field for files that was left empty comes as one without a name.
        if part.filename or data:
            form.files.append(File(safe_name(part.filename), part.headers.get("Content-Type", ""), data))
        if len(form.files) > MOST_FILES:
            raise TooLarge(f"a message may have {MOST_FILES} files")


async def _data(part: BodyPartReader, limit: int) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(64 * 1024):
        data += chunk
        if len(data) > limit:
            raise TooLarge(f"a part of the form is larger than {limit} bytes")
    return bytes(data)
