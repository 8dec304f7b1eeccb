"""The content of a file: exported, read as a spreadsheet, or downloaded and converted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace

from agent_worker.knowledge.text.documents import MAX_RAW_BYTES, check_body, check_size, stem_of
from agent_worker.sources.drive.client import DriveClient, DriveForbidden
from agent_worker.sources.drive.files import DriveFile
from agent_worker.sources.drive.spreadsheets import FIELDS, sheet_contents
from agent_worker.sources.registry import format_of
from schemas.errors import DocumentTooLarge, Unprocessable
from schemas.ports import Content
from schemas.ports.sources import Convert

_GOOGLE = "application/vnd.google-apps."
_DOCUMENT, _SPREADSHEET, _PRESENTATION = f"{_GOOGLE}document", f"{_GOOGLE}spreadsheet", f"{_GOOGLE}presentation"
_MAX_EXPORT_BYTES = 11 * 1024 * 1024
"""Google exports at most 10 MB."""
_MAX_SHEET_BYTES = 8 * 1024 * 1024
"""Of the answer for one spreadsheet, which takes several times as much memory."""
_TABLE_TYPES = ("text/csv", _SPREADSHEET)

_PICTURE_DATA = re.compile(r"[ \t]*\[[^\]]{1,200}\]:[ \t]*<?data:")
_PICTURE = re.compile(r"!\[([^\[\]]{0,1000})\](?:\[[^\[\]]{0,200}\]|\(data:[^()\s]*\))")
_INTERNAL_LINK = re.compile(r"\[([^\[\]]{1,1000})\]\(\\?#[^\s]{0,500}\)")
_HEADING = re.compile(r"(#{1,6})(?:[ \t](.*))?")
_LIST_MARK = re.compile(r"[ \t]*(?:\d{1,9}\\[.)]|\\[-+#=>~]+)?")
_ESCAPE = re.compile(r"\\([-.+=!&()#~>])|(?<=\w)\\(_)(?=\w)")
_CONTROLS = re.compile(r"[\x00-\x08\x0c\x0e-\x1f\x7f]")


class ContentReader:
    def __init__(self, client: DriveClient, convert: Convert) -> None:
        self._client = client
        self._convert = convert
        self._sheets_refusal: DriveForbidden | None = None

    async def read(self, file: DriveFile) -> Sequence[Content]:
        """Nothing for a file without text. Raises what ``DriveClient.download`` and ``Convert`` raise."""
        if file.type == _DOCUMENT:
            contents = await self._document(file)
        elif file.type == _SPREADSHEET:
            contents = await self._spreadsheet(file)
        elif file.type == _PRESENTATION:
            contents = await self._text(file)
        else:
            contents = await self._download(file)
        url = file.url
        return [replace(each, title=each.title or stem_of(file.name), url=each.url or url) for each in contents]

    async def _document(self, file: DriveFile) -> Sequence[Content]:
        """A document whose pictures exceed the limit for exports is read as plain text."""
        try:
            data = await self._export(file, "text/markdown")
        except DocumentTooLarge:
            return await self._text(file)
        text = await asyncio.to_thread(clean_markdown, data.decode("utf-8", "replace"))
        contents = await self._convert_text(file, text, "text/markdown")
        return [replace(each, title=each.title or file.name) for each in contents]

    async def _text(self, file: DriveFile) -> Sequence[Content]:
        data = await self._export(file, "text/plain")
        contents = await self._convert_text(file, clean_text(data.decode("utf-8-sig", "replace")), "text/plain")
        return [replace(each, title=file.name) for each in contents]

    async def _convert_text(self, file: DriveFile, text: str, type: str) -> Sequence[Content]:
        """A document that its authors emptied is none: what it said before must not stay."""
        return await self._convert(file.label, text.encode(), type) if any(map(str.isalnum, text)) else []

    async def _export(self, file: DriveFile, type: str) -> bytes:
        return await self._client.download(f"files/{file.id}/export", {"mimeType": type}, _MAX_EXPORT_BYTES)

    async def _spreadsheet(self, file: DriveFile) -> Sequence[Content]:
        if self._sheets_refusal is not None:
            raise self._sheets_refusal
        try:
            values = await self._client.sheets(f"spreadsheets/{file.id}", {"fields": FIELDS}, _MAX_SHEET_BYTES)
        except DriveForbidden as error:
            self._sheets_refusal = error if error.concerns_all else None
            raise
        contents = await asyncio.to_thread(sheet_contents, values, file.name, file.url)
        for content in contents:
            check_body(f"{file.label}, {content.title}", content.body)
        return contents

    async def _download(self, file: DriveFile) -> Sequence[Content]:
        check_size(file.label, file.size)
        params = {"alt": "media", "supportsAllDrives": "true"}
        data = await self._client.download(f"files/{file.id}", params, MAX_RAW_BYTES)
        name, type = _format_hint(file)
        return await self._convert(name, data, type)


def is_readable(file: DriveFile) -> bool:
    """Whether it is of a kind that is read: pictures, videos, forms and the like are not."""
    if file.type in (_DOCUMENT, _SPREADSHEET, _PRESENTATION):
        return True
    try:
        format_of(*_format_hint(file))
    except Unprocessable:
        return False
    return True


def may_be_several(file: DriveFile) -> bool:
    """Whether a file of this kind can be more than one document."""
    return file.type in _TABLE_TYPES or file.name.lower().endswith(".csv")


def _format_hint(file: DriveFile) -> tuple[str, str]:
    """Name and media type for the conversion. A name that says enough goes before the type, which is often general."""
    try:
        format_of(file.label)
    except Unprocessable:
        return file.label, file.type
    return file.label, ""


# ── exports ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def clean_text(text: str) -> str:
    """Text without control characters. A vertical tab is a line break inside a paragraph."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0b", "\n"))


def clean_markdown(text: str) -> str:
    """Markdown without pictures, anchors and needless escapes. The content of code blocks stays as it is."""
    lines: list[str] = []
    fence = ""
    for line in clean_text(text.removeprefix("\ufeff")).split("\n"):
        mark = line.lstrip()[:3]
        if fence:
            fence = "" if mark == fence else fence
            lines.append(line)
        elif mark in ("```", "~~~"):
            fence = mark
            lines.append(line)
        elif not _PICTURE_DATA.match(line):
            lines.append(_clean_line(line))
    # A rule at the beginning would count as the beginning of front matter.
    first = next((at for at, line in enumerate(lines) if not _is_rule(line)), len(lines))
    return "\n".join(lines[first:]).strip("\n")


def _is_rule(line: str) -> bool:
    """Whether the line is empty or a horizontal rule."""
    marks = "".join(line.split())
    return not marks or (len(marks) > 2 and marks[0] in "-*_" and not marks.strip(marks[0]))


def _clean_line(line: str) -> str:
    line = _PICTURE.sub(r"\1", line)
    if match := _HEADING.fullmatch(line):
        title = _unescape(_drop_anchor((match[2] or "").strip()))
        bold = len(title) > 4 and title.startswith("**") and title.endswith("**") and "**" not in title[2:-2]
        title = title[2:-2].strip() if bold else title
        return f"{match[1]} {title}" if title else ""
    return _unescape(line)


def _drop_anchor(title: str) -> str:
    start = title.rfind("{#") if title.endswith("}") else -1
    return title[:start].rstrip() if start >= 0 else title


def _unescape(line: str) -> str:
    """Escapes that are needed only at the beginning of a line are dropped elsewhere."""
    line = _INTERNAL_LINK.sub(r"\1", line)
    start = match.end() if (match := _LIST_MARK.match(line)) else 0
    return line[:start] + _ESCAPE.sub(lambda found: found[1] or found[2], line[start:])
