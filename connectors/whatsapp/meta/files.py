"""File types that WhatsApp accepts, and how it shows them."""

from __future__ import annotations

from typing import Any

from schemas.errors import SendRefused
from schemas.messages import Attachment, OutboundMessage

MEGABYTE = 1024 * 1024
_OFFICE = "application/vnd.openxmlformats-officedocument."
FILE_TYPES: dict[str, tuple[str, int]] = {
    **dict.fromkeys(("image/jpeg", "image/png"), ("image", 5 * MEGABYTE)),
    **dict.fromkeys(("audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg"), ("audio", 16 * MEGABYTE)),
    **dict.fromkeys(("video/mp4", "video/3gpp"), ("video", 16 * MEGABYTE)),
    "image/webp": ("sticker", 100 * 1024),
    **dict.fromkeys(
        (
            "text/plain",
            "application/pdf",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            f"{_OFFICE}wordprocessingml.document",
            f"{_OFFICE}spreadsheetml.sheet",
            f"{_OFFICE}presentationml.presentation",
        ),
        ("document", 100 * MEGABYTE),
    ),
}
"""Media type → how it is shown, and the largest size in bytes."""
WITH_CAPTION = frozenset({"image", "video", "document"})


def build_content(file: Attachment, caption: str = "") -> dict[str, Any]:
    """The vendor's id is added after the upload. Raises SendRefused."""
    kind, most = FILE_TYPES.get(get_media_type(file), ("", 0))
    if not kind:
        raise SendRefused("unsupported_file")
    if file.size > most:
        raise SendRefused("file_too_large")
    fields = {"caption": caption} if caption else {}
    return {"type": kind, kind: fields | ({"filename": file.name} if kind == "document" else {})}


def can_carry_caption(message: OutboundMessage) -> bool:
    """Return whether the text may be the caption of the first file."""
    if not message.attachments or message.choices or not message.text.strip():
        return False
    return FILE_TYPES.get(get_media_type(message.attachments[0]), ("", 0))[0] in WITH_CAPTION


def get_media_type(file: Attachment) -> str:
    """Remove parameters such as the codec."""
    return file.type.partition(";")[0].strip().lower()
