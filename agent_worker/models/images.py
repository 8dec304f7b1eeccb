"""The contact's pictures, for models that can look at them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import dropwhile, takewhile

import structlog

from agent_worker.models.request import UserImage
from schemas.messages import Attachment
from schemas.ports import Question

log = structlog.get_logger("parley.worker")
MAX_IMAGES = 4
"""Pictures of one request. The newest count."""
MAX_IMAGE_BYTES = 3_750_000
"""Larger ones are not sent. The strictest provider takes 5 MB, counted in base64, which makes 4 bytes of 3."""

ReadFile = Callable[[str, str], Awaitable[tuple[Attachment, bytes]]]
"""``(tenant, attachment)`` → the stored file. Raises NotFound."""


async def load_images(
    read_file: ReadFile | None, question: Question, types: Collection[str], limit: int = MAX_IMAGES
) -> list[UserImage]:
    """The pictures that the question is about, of one of these ``types``. One that cannot be read is left out: the
    model is told that it exists, as of any other file."""
    if read_file is None or not types:
        return []
    found = _find_images(question, types)[-limit:] if limit > 0 else []
    loaded = await asyncio.gather(*(_load(read_file, question.tenant, file, types) for file in found))
    return [picture for picture in loaded if picture is not None]


def _find_images(question: Question, types: Collection[str]) -> list[Attachment]:
    """The pictures of the waiting messages, else those of the messages that were answered last: contacts send a picture
    first and say then what they want to know."""
    if found := _select(question.files, types):
        return found
    earlier = dropwhile(lambda line: line.author.kind != "contact", reversed(question.history))
    answered = takewhile(lambda line: line.author.kind == "contact", earlier)
    return [file for line in reversed(list(answered)) for file in _select(line.attachments, types)]


def _select(files: Sequence[Attachment], types: Collection[str]) -> list[Attachment]:
    return [file for file in files if not file.missing and file.type in types]


async def _load(read_file: ReadFile, tenant: str, file: Attachment, types: Collection[str]) -> UserImage | None:
    """The type is the one by which the file was stored, which was judged by its bytes."""
    try:
        stored, data = await read_file(tenant, file.id)
    except Exception as error:
        # Any error of any store: the question is answered without the picture.
        log.warning("image_unread", error=type(error).__name__)
        return None
    if stored.type not in types or len(data) > MAX_IMAGE_BYTES:
        return None
    return UserImage(file.id, stored.type, data)
