"""Text files without the numbers of cards. Other formats are kept as they are: nobody looks into them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from schemas.privacy.cards import OwnNumbers, masked

_PIECE = 64 * 1024
"""Characters that are masked at once, so that a large file does not keep other threads waiting."""
_MOST = 1024 * 1024
_QUIET = re.compile(r"\D{64}")
"""Where no number goes on, and no code that stands beside one."""


def without_cards(data: bytes, own: OwnNumbers | None = None) -> bytes:
    """The same bytes where there are none. ``data`` is UTF-8; ``own`` finds the tenant's own numbers."""
    text = data.decode("utf-8")
    kept = "".join(masked(piece, own) for piece in _pieces(text))
    return data if kept == text else kept.encode()


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _PIECE:
        cut = _cut(text, start)
        yield text[start:cut]
        start = cut
    yield text[start:]


def _cut(text: str, start: int) -> int:
    quiet = _QUIET.search(text, start + _PIECE, start + _MOST)
    if quiet is not None:
        return (quiet.start() + quiet.end()) // 2
    line = text.find("\n", start + _MOST)
    return line + 1 or len(text)
