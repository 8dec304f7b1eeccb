"""Mask card numbers in text files. Other formats are kept as they are, because nothing reads their content."""

from __future__ import annotations

import re
from collections.abc import Iterator

from schemas.privacy.cards import OwnNumbers, mask_cards

_PIECE = 64 * 1024
"""Characters masked at once, so that a large file does not keep other threads waiting."""
_MOST = 1024 * 1024
_DIGITLESS = re.compile(r"\D{64}")
"""A stretch across which no number continues, and no code that belongs to one."""


def mask_file(data: bytes, own: OwnNumbers | None = None) -> bytes:
    """Mask a UTF-8 file; returns the same bytes when there is nothing to mask. ``own`` matches the tenant's own
    numbers."""
    text = data.decode("utf-8")
    masked = "".join(mask_cards(piece, own) for piece in _pieces(text))
    return data if masked == text else masked.encode()


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _PIECE:
        cut = _cut(text, start)
        yield text[start:cut]
        start = cut
    yield text[start:]


def _cut(text: str, start: int) -> int:
    quiet = _DIGITLESS.search(text, start + _PIECE, start + _MOST)
    if quiet is not None:
        return (quiet.start() + quiet.end()) // 2
    line = text.find("\n", start + _MOST)
    return line + 1 or len(text)
