"""Forms from browsers, URL-encoded or with files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError

from gateway.http.responses import read_body
from gateway.storage.attachments import MAX_SIZE, UPLOAD_TIMEOUT, clean_file_name
from schemas.errors import InvalidRequest, TooLarge, UnsupportedMediaType

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
MAX_FIELDS = 300
MAX_FILES = 5
MAX_FIELD_SIZE = 64 * 1024
"""Bytes of a field, and of a form without files."""
CheckForm = Callable[["Form"], None]


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Bytes of a field (which is also the limit of a form without files), bytes of a file, and number of files."""

    field_size: int = MAX_FIELD_SIZE
    file_size: int = MAX_SIZE
    files: int = MAX_FILES


DEFAULT_LIMITS = FormLimits()


@dataclass(frozen=True, slots=True)
class FormFile:
    name: str
    type: str
    data: bytes


@dataclass(slots=True)
class Form:
    fields: dict[str, list[str]] = field(default_factory=dict)
    files: list[FormFile] = field(default_factory=list)

    def get(self, name: str) -> str:
        """Return the first value of a field, or an empty text."""
        return self.fields.get(name, [""])[0]

    def add(self, name: str, value: str) -> None:
        self.fields.setdefault(name, []).append(value)
        if sum(map(len, self.fields.values())) > MAX_FIELDS:
            raise InvalidRequest(f"a form may have {MAX_FIELDS} fields")


async def read_form(request: web.Request, check: CheckForm, limits: FormLimits = DEFAULT_LIMITS) -> Form:
    """Read a form. ``check`` gets the fields before the first file is read. Raises InvalidRequest, TooLarge,
    UnsupportedMediaType."""
    if request.content_type == MULTIPART:
        return await _read_multipart(request, check, limits)
    data = await read_body(request, limits.field_size, {URLENCODED})
    form = Form()
    try:
        text = data.decode()
        pairs = parse_qsl(text, True, bool(text), errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise InvalidRequest("the form is malformed") from error
    for name, value in pairs:
        form.add(name, value)
    check(form)
    return form


async def _read_multipart(request: web.Request, check: CheckForm, limits: FormLimits) -> Form:
    if (request.content_length or 0) > limits.files * limits.file_size + limits.field_size:
        raise TooLarge(f"the form is larger than {limits.files} files of {limits.file_size} bytes")
    form = Form()
    try:
        async with asyncio.timeout(UPLOAD_TIMEOUT):
            await _read_parts(request, form, check, limits)
    except TimeoutError:
        raise InvalidRequest("the form did not arrive in time") from None
    except (ValueError, AssertionError, RuntimeError, LookupError, HttpProcessingError):
        # The exceptions of the form reader for malformed forms are not documented; the sender causes all of them.
        raise InvalidRequest("the form is malformed") from None
    if not form.files:
        check(form)
    return form


async def _read_parts(request: web.Request, form: Form, check: CheckForm, limits: FormLimits) -> None:
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise UnsupportedMediaType("the form contains a nested form")
        if part.filename is None:
            form.add(part.name or "", (await _read_part(part, limits.field_size)).decode())
            continue
        check(form)
        data = await _read_part(part, limits.file_size)
        # An empty file field arrives as a file without a name.
        if part.filename or data:
            form.files.append(FormFile(clean_file_name(part.filename), part.headers.get("Content-Type", ""), data))
        if len(form.files) > limits.files:
            raise TooLarge(f"a form may have {limits.files} files")


async def _read_part(part: BodyPartReader, limit: int) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(64 * 1024):
        data += chunk
        if len(data) > limit:
            raise TooLarge(f"a part of the form is larger than {limit} bytes")
    return bytes(data)
