"""Pictures are made small and lose everything but their pixels before a model gets them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import AsyncIterator, Callable

import pytest
from PIL import Image

from agent_worker.media.decoder import MediaDecoder
from agent_worker.media.image_reader import ImageReader
from agent_worker.media.images import MAX_PIXELS, MAX_SIDE
from schemas.errors import Unprocessable
from schemas.messages import Attachment
from tests.e2e.media.test_channels import photo


@pytest.fixture(scope="module")
async def media() -> AsyncIterator[MediaDecoder]:
    media = MediaDecoder()
    yield media
    await media.close()


def painted(kind: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 0).save(out, kind, **options)
    return out.getvalue()


async def prepared(media: MediaDecoder, data: bytes) -> Image.Image:
    kind, picture = await media.prepare_image(data)
    image = Image.open(io.BytesIO(picture))
    image.load()
    assert (kind, image.format, image.mode) == ("image/jpeg", "JPEG", "RGB")
    return image


async def test_a_photo_is_upright_small_and_nameless(media: MediaDecoder) -> None:
    image = await prepared(media, photo())
    assert image.size == (1045, MAX_SIDE)
    assert not image.getexif()
    assert not {"exif", "icc_profile", "comment", "xmp"} & image.info.keys()


@pytest.mark.parametrize(
    "data",
    [painted("PNG"), painted("GIF"), painted("WEBP"), painted("PNG", mode="1"), painted("PNG", mode="I;16")],
    ids=["png", "gif", "webp", "one bit", "16 bits"],
)
async def test_every_kind_becomes_a_jpeg(media: MediaDecoder, data: bytes) -> None:
    assert (await prepared(media, data)).size == (64, 48)


async def test_what_is_transparent_becomes_white(media: MediaDecoder) -> None:
    image = await prepared(media, painted("PNG", mode="RGBA"))
    assert image.getpixel((5, 5)) == (255, 255, 255)


def bomb(width: int, height: int) -> bytes:
    """A small PNG that claims to be huge."""
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = zlib.compress(bytes(1_000_000), 9)
    chunks = [(b"IHDR", head), (b"IDAT", body), (b"IEND", b"")]
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def long_text() -> bytes:
    """A PNG with a comment of 100 MB, packed."""
    body = b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    whole = painted("PNG")
    return whole[:33] + chunk + whole[33:]


JPEG = painted("JPEG", (640, 480))
HOSTILE: dict[str, bytes | Callable[[], bytes]] = {
    "nothing": b"",
    "a text": b"hello",
    "a page": b"<html><script>alert(1)</script></html>",
    "a drawing with a script": b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>",
    "a name without a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "half a picture": JPEG[: len(JPEG) // 2],
    "60,000 by 60,000": bomb(60_000, 60_000),
    "as long as it can be": bomb(2**31 - 1, 1),
    "one more pixel than allowed": bomb(MAX_PIXELS + 1, 1),
    "a comment of 100 MB": long_text,
    "another format": painted("BMP"),
    "PostScript, which others run": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_what_is_no_picture_or_too_large_is_refused_and_the_next_one_is_read(
    media: MediaDecoder, case: str
) -> None:
    hostile = HOSTILE[case]
    with pytest.raises(Unprocessable):
        await media.prepare_image(hostile if isinstance(hostile, bytes) else hostile())
    assert (await prepared(media, painted("PNG"))).size == (64, 48)


async def test_what_follows_a_picture_in_its_file_is_left_out(media: MediaDecoder) -> None:
    """A file may be a picture and an archive or a page at once."""
    _, picture = await media.prepare_image(JPEG + b"PK\x03\x04<script>alert(1)</script>")
    assert b"script" not in picture


async def test_the_reader_prepares_pictures_and_nothing_else(media: MediaDecoder) -> None:
    files = {"pot": ("image/png", painted("PNG")), "note": ("text/plain", b"hello")}

    async def read(tenant: str, attachment: str) -> tuple[Attachment, bytes]:
        kind, data = files[attachment]
        return Attachment(id=attachment, name="x", type=kind, size=len(data)), data

    reader = ImageReader(read, media)
    stored, data = await reader.read("shop", "pot")
    assert (stored.type, stored.size, data[:3]) == ("image/jpeg", len(data), b"\xff\xd8\xff")
    assert await reader.read("shop", "note") == await read("shop", "note")
