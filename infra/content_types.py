"""Detect a file's type by its bytes, because names and declared types are unchecked claims."""

from __future__ import annotations

import io
import zipfile

import orjson

from schemas.errors import UnsupportedMediaType

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    *((0, bytes((0xFF, second)), "audio/mpeg") for second in (0xFB, 0xFA, 0xF3, 0xF2)),
    *((0, bytes((0xFF, second)), "audio/aac") for second in (0xF1, 0xF9)),
    (0, b"fLaC", "audio/flac"),
    (0, b"#!AMR", "audio/amr"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
)
_OFFICE = "application/vnd.openxmlformats-officedocument."
_FILM_CONTAINERS = frozenset({"video/mp4", "video/webm"})
"""Containers that may hold sound alone."""
_ZIPPED: tuple[tuple[str, str], ...] = (
    ("word/document.xml", _OFFICE + "wordprocessingml.document"),
    ("xl/workbook.xml", _OFFICE + "spreadsheetml.sheet"),
    ("ppt/presentation.xml", _OFFICE + "presentationml.presentation"),
)
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
TEXTS = frozenset({"text/plain", "text/csv", "application/json"})
"""Types of files that are stored as UTF-8 text."""
_ALLOWED_CONTROLS = frozenset(map(ord, "\t\n\r\f"))


def content_type(data: bytes, name: str, declared: str) -> str:
    """The type under which the file is stored and served. HTML, SVG and other markup are stored as plain text, so that
    no browser runs them. ``name`` and ``declared`` only tell kinds of text apart, and sound from films. Raises
    UnsupportedMediaType."""
    if not data:
        raise UnsupportedMediaType("the file is empty")
    for offset, magic, kind in _MAGIC:
        if data.startswith(magic, offset) and (offset != 8 or data.startswith(b"RIFF")):
            is_sound = kind in _FILM_CONTAINERS and declared.strip().lower().startswith("audio/")
            return kind.replace("video/", "audio/") if is_sound else kind
    if data.startswith(b"PK\x03\x04"):
        return _zip_type(data)
    return _text(data, name.lower(), declared.partition(";")[0].strip().lower())


def _zip_type(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            mimetype = _declared_inside(archive) if "mimetype" in names else ""
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError) as error:
        raise UnsupportedMediaType("the file is a damaged archive") from error
    if any(entry.lower().endswith("vbaproject.bin") for entry in names):
        raise UnsupportedMediaType("documents with macros are not accepted")
    if mimetype.startswith(_OPEN_DOCUMENT) and mimetype.isascii():
        return mimetype
    for entry, kind in _ZIPPED:
        if entry in names and "[Content_Types].xml" in names:
            return kind
    raise UnsupportedMediaType("archives are not accepted")


def _declared_inside(archive: zipfile.ZipFile) -> str:
    info = archive.getinfo("mimetype")
    known = {_OPEN_DOCUMENT + kind for kind in ("text", "spreadsheet", "presentation")}
    text = archive.read(info).decode("ascii", "replace").strip() if info.file_size < 100 else ""
    return text if text in known else ""


def _text(data: bytes, name: str, declared: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnsupportedMediaType("this kind of file is not accepted") from error
    if any(byte < 32 and byte not in _ALLOWED_CONTROLS for byte in data):
        raise UnsupportedMediaType("this kind of file is not accepted")
    if name.endswith(".json") or declared == "application/json":
        return "application/json" if _is_json(text) else "text/plain"
    if (name.endswith(".csv") or declared == "text/csv") and not text.lstrip().startswith("<"):
        return "text/csv"
    return "text/plain"


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
