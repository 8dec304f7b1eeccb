"""Detect a file's type by its bytes, because names and declared types are unchecked claims.

Pictures and documents that would unpack to far more than they weigh are refused by the sizes in their headers: nothing
is unpacked to find out."""

from __future__ import annotations

import io
import re
import struct
import zipfile

import orjson

from schemas.errors import TooLarge, UnsupportedMediaType

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
MAX_PIXELS = 100_000_000
"""Pixels of a picture: whoever opens it needs 400 MB. Cameras of telephones make up to 50 million by themselves."""
MAX_UNPACKED = 100 * 1024 * 1024
MAX_ENTRIES = 10_000
"""Unpacked bytes, and parts, of an office document."""
_CENTRAL_HEADER = b"PK\x01\x02"
_SIZES = {
    "image/jpeg": re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]\0[\x0b\x0e\x11\x14].(..)(..)", re.DOTALL),
    "image/heic": re.compile(rb"ispe.{4}(.{4})(.{4})", re.DOTALL),
}
"""Where the sides of a picture stand, and those of its previews and tiles: the largest counts, because programs skip
what they do not know before it."""
TEXTS = frozenset({"text/plain", "text/csv", "application/json"})
"""Types of files that are stored as UTF-8 text."""
_ALLOWED_CONTROLS = frozenset(map(ord, "\t\n\r\f"))


def content_type(data: bytes, name: str, declared: str) -> str:
    """The type under which the file is stored and served. HTML, SVG and other markup are stored as plain text, so that
    no browser runs them. ``name`` and ``declared`` only tell kinds of text apart, and sound from films. Raises
    UnsupportedMediaType, and TooLarge for what unpacks to too much."""
    if not data:
        raise UnsupportedMediaType("the file is empty")
    for offset, magic, kind in _MAGIC:
        if data.startswith(magic, offset) and (offset != 8 or data.startswith(b"RIFF")):
            if kind.startswith("image/"):
                _check_pixels(kind, data)
            is_sound = kind in _FILM_CONTAINERS and declared.strip().lower().startswith("audio/")
            return kind.replace("video/", "audio/") if is_sound else kind
    if data.startswith(b"PK\x03\x04"):
        return _zip_type(data)
    return _text(data, name.lower(), declared.partition(";")[0].strip().lower())


def _check_pixels(kind: str, data: bytes) -> None:
    """A picture whose header is cut off counts as small: no program can open it."""
    try:
        width, height = _read_size(kind, data)
    except (struct.error, ValueError):
        return
    if (pixels := width * height) > MAX_PIXELS:
        raise TooLarge(
            f"the picture has {pixels // 10**6:,} million pixels; at most {MAX_PIXELS // 10**6} million are accepted"
        )


def _read_size(kind: str, data: bytes) -> tuple[int, int]:
    if kind == "image/png":
        return struct.unpack_from(">II", data, 16)
    if kind == "image/gif":
        return struct.unpack_from("<HH", data, 6)
    if (pattern := _SIZES.get(kind)) is not None:
        sizes = ((int.from_bytes(first), int.from_bytes(second)) for first, second in pattern.findall(data))
        return max(sizes, key=lambda size: size[0] * size[1])
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _zip_type(data: bytes) -> str:
    if data.count(_CENTRAL_HEADER) > MAX_ENTRIES:  # before the library lists them
        raise TooLarge(f"the document has more than {MAX_ENTRIES:,} parts")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED:
                raise TooLarge(f"the document unpacks to more than {MAX_UNPACKED // 1024 // 1024} MiB")
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
