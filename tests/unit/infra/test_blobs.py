"""Attachments: typed by content, with clean names, and refused where the store is."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.blobs import open_blobs
from infra.content_types import MAX_UNPACKED
from schemas.errors import ConfigInvalid, TooLarge, Unavailable, UnsupportedMediaType
from schemas.privacy.harmless_numbers import compile_own_numbers
from tests.simulators.s3 import Bucket, serving

PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)


def zipped(*names: str, mimetype: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        if mimetype:
            archive.writestr("mimetype", mimetype)
        for name in names:
            archive.writestr(name, b"<x/>")
    return out.getvalue()


@pytest.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bucket]:
    stored = Bucket()
    async with serving(stored) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield stored


async def test_a_refusing_bucket_is_unavailable(bucket: Bucket, tmp_path: Path) -> None:
    blobs = open_blobs("s3://attachments", tmp_path)
    bucket.down = True
    with pytest.raises(Unavailable):
        await blobs.put("shop", "a.png", "image/png", PNG)
    with pytest.raises(Unavailable):
        await blobs.get("shop", "0" * 64)


def test_another_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid):
        open_blobs("ftp://host", tmp_path)


KINDS: dict[str, tuple[bytes, str, str, str]] = {
    "png": (PNG, "x.txt", "text/plain", "image/png"),
    "jpeg": (b"\xff\xd8\xff\xe0rest", "x", "", "image/jpeg"),
    "gif": (b"GIF89a...", "x", "", "image/gif"),
    "webp": (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "x", "", "image/webp"),
    "pdf": (b"%PDF-1.7\n\x00", "x.html", "text/html", "application/pdf"),
    "voice note": (b"OggS\x00\x02", "voice", "", "audio/ogg"),
    "video": (b"\x00\x00\x00\x18ftypmp42", "x", "", "video/mp4"),
    "video from a browser": (b"\x1aE\xdf\xa3\x9fB\x86", "x", "", "video/webm"),
    "recording from a browser": (b"\x1aE\xdf\xa3\x9fB\x86", "x", "audio/webm;codecs=opus", "audio/webm"),
    "clip of sound": (b"\x00\x00\x00\x18ftypmp42", "x", "audio/mp4", "audio/mp4"),
    "picture called sound": (PNG, "x.mp3", "audio/mpeg", "image/png"),
    "bare mp3": (b"\xff\xfa\x90d", "x", "", "audio/mpeg"),
    "bare aac": (b"\xff\xf1P\x80", "x", "", "audio/aac"),
    "flac": (b"fLaC\x00\x00", "x", "", "audio/flac"),
    "text": ("Grüße\n".encode(), "x.txt", "text/plain", "text/plain"),
    "csv": (b"a,b\n1,2\n", "x.csv", "", "text/csv"),
    "json": (b'{"a": 1}', "x.json", "", "application/json"),
    "broken json": (b'{"a": ', "x.json", "application/json", "text/plain"),
    "html": (b"<script>alert(1)</script>", "x.html", "text/html", "text/plain"),
    "html called csv": (b" <script>alert(1)</script>", "x.csv", "text/csv", "text/plain"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" onload="x()"/>', "x.svg", "image/svg+xml", "text/plain"),
    "docx": (
        zipped("[Content_Types].xml", "word/document.xml"),
        "x.zip",
        "",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    "odt": (
        zipped(mimetype=b"application/vnd.oasis.opendocument.text"),
        "x",
        "",
        "application/vnd.oasis.opendocument.text",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_file_has_the_type_of_its_bytes(tmp_path: Path, kind: str) -> None:
    data, name, declared, expected = KINDS[kind]
    assert (await open_blobs("file", tmp_path).put("shop", name, declared, data)).type == expected


REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "program": b"\x7fELF\x02\x01",
    "windows program": b"MZ\x90\x00\x03",
    "archive": zipped("a.txt"),
    "damaged archive": b"PK\x03\x04 and then nothing",
    "macros": zipped("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"),
    "made-up open document": zipped(mimetype=b"text/html"),
    "latin-1 text": "Grüße".encode("latin-1"),
    "text with NUL": b"a\x00b",
    "sound without its header": b"XXXX\x10\x00\x00\x00WEBPVP8 \x00",
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_other_kinds_of_files_are_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        await open_blobs("file", tmp_path).put("shop", "x.png", "image/png", REFUSED[kind])


def claims(side: int) -> dict[str, bytes]:
    """Pictures of a few bytes that claim to be as wide and as high as this."""
    high, low = struct.pack(">I", side), struct.pack("<H", min(side, 65_535))
    start = b"\xff\xd8\xff\xe0\0\x04ab junk \xff\xc2\0\x11\x08"
    return {
        "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + high * 2,
        "gif": b"GIF89a" + low * 2,
        "jpeg": start + high[2:] * 2 + b"\x03",
        "webp": b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + (high[1:][::-1]) * 2,
        "webp lossless": b"RIFF\x16\0\0\0WEBPVP8L\0\0\0\0\x2f"
        + struct.pack("<I", side - 1 | (side - 1) << 14 & 0xFFFFFFF),
        "heic": b"\0\0\0\x18ftypheic"
        + bytes(20)
        + b"ispe"
        + bytes(4)
        + b"\0\0\x02\0" * 2
        + b"ispe"
        + bytes(4)
        + high * 2,
    }


async def test_what_unpacks_to_far_more_than_it_weighs_is_refused_by_its_header(tmp_path: Path) -> None:
    store = open_blobs("file", tmp_path)
    large, small = claims(16_000), claims(9_000)
    for kind in large:
        assert (await store.put("shop", "x", "", small[kind])).type == f"image/{kind.split()[0]}"
        with pytest.raises(TooLarge, match="256 million pixels"):
            await store.put("shop", "x", "", large[kind])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "")
        archive.writestr("word/document.xml", bytes(MAX_UNPACKED + 1))
    assert len(packed.getvalue()) < 200_000
    with pytest.raises(TooLarge, match="unpacks to more than 100 MiB"):
        await store.put("shop", "x.docx", "", packed.getvalue())
    with pytest.raises(TooLarge, match="more than 10,000 parts"):
        await store.put("shop", "x.docx", "", b"PK\x03\x04" + b"PK\x01\x02" * 10_001)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\photos\\leaf.txt", "leaf.txt"),
        ("a\r\nb\x00<i>.txt", "abi.txt"),
        ("", "file"),
        ("..", "file"),
        ("л" * 400 + ".txt", "л" * 196 + ".txt"),
    ],
)
async def test_a_name_is_cleaned(tmp_path: Path, given: str, kept: str) -> None:
    assert (await open_blobs("file", tmp_path).put("shop", given, "", b"text")).name == kept


CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    ("name", "declared", "data", "kept", "kind"),
    [
        ("note.txt", "text/plain", f"my card is {CARD}", "my card is [card ····1111]", "text/plain"),
        ("a.csv", "text/csv", "Ann;4111111111111111;12/27;123", "Ann;[card ····1111];12/27;[cvv]", "text/csv"),
        ("a.csv", "text/csv", "4111,1111,1111,1111\n", "[card ····1111]\n", "text/csv"),
        ("a.json", "application/json", f'{{"pan": "{CARD}"}}', '{"pan": "[card ····1111]"}', "application/json"),
        ("a.json", "application/json", '{"pan": 4111111111111111}', '{"pan": [card ····1111]}', "text/plain"),
        ("a.html", "text/html", f"<p>{CARD}</p>", "<p>[card ····1111]</p>", "text/plain"),
        ("a.txt", "", f"\ufeffmy card is {CARD}", "\ufeffmy card is [card ····1111]", "text/plain"),
        ("a.md", "text/markdown", "order PS-4111111111111111", "order PS-4111111111111111", "text/plain"),
    ],
)
async def test_no_text_file_is_stored_with_the_number_of_a_card(
    tmp_path: Path, name: str, declared: str, data: str, kept: str, kind: str
) -> None:
    blobs = open_blobs("file", tmp_path, own_numbers={"shop": compile_own_numbers(["PS-################"])})
    put = await blobs.put("shop", name, declared, data.encode())
    about, stored = await blobs.get("shop", put.id)
    assert (stored.decode(), about.type, about.size) == (kept, kind, len(kept.encode()))
