"""Preparation of pictures for models. Runs in the isolated process, because the bytes are a stranger's."""

from __future__ import annotations

import io

from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
MAX_PIXELS = 50_000_000
"""Pixels of a picture that is decoded: more than any telephone's camera makes, and 200 MB in memory."""
MAX_SIDE = 1_568
"""Pixels of the longer side of what models get. The providers scale down anything larger."""
_JPEG_QUALITY = 85


class NotImage(Exception):
    """The bytes are no picture of a known format, or are damaged."""


class ImageTooLarge(Exception):
    """The picture is too large to be decoded."""


def prepare(data: bytes) -> tuple[str, bytes]:
    """The media type and the bytes of the same picture, upright, scaled down, and encoded anew, so that it holds
    nothing but pixels: no place, no name of the camera, no comments. Of a moving picture the first one. Raises
    NotImage, ImageTooLarge."""
    Image.MAX_IMAGE_PIXELS = None  # checked here, before anything is decoded
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ImageTooLarge
            picture.draft("RGB", (MAX_SIDE, MAX_SIDE))
            return _encode(_scale(picture))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, IndexError, EOFError) as error:
        raise NotImage from error


def _scale(picture: Image.Image) -> Image.Image:
    picture.load()
    is_transparent = picture.has_transparency_data
    upright = ImageOps.exif_transpose(picture).convert("RGBA" if is_transparent else "RGB")
    upright.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    if is_transparent:
        # On white, as it is shown in a chat; models would see black.
        ground = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(ground, upright).convert("RGB")
    return upright


def _encode(picture: Image.Image) -> tuple[str, bytes]:
    """JPEG, which every provider takes."""
    out = io.BytesIO()
    picture.info.clear()  # would be written along
    picture.save(out, "JPEG", quality=_JPEG_QUALITY)
    return "image/jpeg", out.getvalue()
