"""Reads stored pictures as models get them."""

from __future__ import annotations

from agent_worker.media.decoder import MediaDecoder
from agent_worker.models.images import ReadFile
from schemas.messages import Attachment

IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""The stored pictures that can be prepared."""


class ImageReader:
    """A ``ReadFile`` that scales pictures down and removes everything but the pixels."""

    def __init__(self, read_file: ReadFile, media: MediaDecoder) -> None:
        self._read_file = read_file
        self._media = media

    async def read(self, tenant: str, attachment: str) -> tuple[Attachment, bytes]:
        """Raises NotFound, Unavailable, Unprocessable."""
        stored, data = await self._read_file(tenant, attachment)
        if stored.type not in IMAGE_TYPES:
            return stored, data
        kind, picture = await self._media.prepare_image(data)
        return stored.model_copy(update={"type": kind, "size": len(picture)}), picture
