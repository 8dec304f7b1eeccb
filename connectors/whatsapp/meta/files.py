"""Which files WhatsApp takes, and as what it shows them."""

from __future__ import annotations

from typing import Any

from schemas.errors import SendRefused
from schemas.messages import Attachment, OutboundMessage

MEGABYTE = 1024 * 1024
_OFFICE = "application/vnd.openxmlformats-officedocument."
TAKEN: dict[str, tuple[str, int]] = {
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
"""Type → as what, and the largest size in bytes."""
WITH_CAPTION = frozenset({"image", "video", "document"})


def content_of(file: Attachment, caption: str = "") -> dict[str, Any]:
    """Its id at the vendor is added when it is uploaded. Raises SendRefused."""
    kind, most = TAKEN.get(plain_type(file), ("", 0))
    if not kind:
        raise SendRefused("unsupported_file")
    if file.size > most:
        raise SendRefused("file_too_large")
    told = {"caption": caption} if caption else {}
    return {"type": kind, kind: told | ({"filename": file.name} if kind == "document" else {})}


def captioned(message: OutboundMessage) -> bool:
    """Whether the text may stand below the first file."""
    if not message.attachments or message.choices or not message.text.strip():
        return False
    return TAKEN.get(plain_type(message.attachments[0]), ("", 0))[0] in WITH_CAPTION


def plain_type(file: Attachment) -> str:
    """Without parameters such as the codec."""
    return file.type.partition(";")[0].strip().lower()
