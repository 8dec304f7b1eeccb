"""Mask card numbers in undecodable records and in text files. Undecodable records are otherwise kept whole for a
replay: the fault may also have kept them from the usual masking."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from schemas.privacy.cards import OwnNumbers, mask_cards

_IDS = frozenset({"place", "answers", "in_reply_to", "ref", "key"})


def mask_record(value: bytes) -> bytes:
    """Mask a record; returns the same bytes when there is nothing to mask."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        # Around the broken bytes the text may be readable.
        text = value.decode("latin-1")
        masked = mask_cards(text)
        return value if masked == text else masked.encode()
    if mask_cards(text) == text and "\\u" not in text:
        return value
    return _mask_json(text, value)


def _mask_json(text: str, value: bytes) -> bytes:
    """Within JSON, mask only text that was written by people, so that ids keep referring to the same thing."""
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        return mask_cards(text).encode()
    masked = _mask_strings(decoded, "")
    return value if masked == decoded else json.dumps(masked, ensure_ascii=False, separators=(",", ":")).encode()


def _mask_strings(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _mask_strings(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_mask_strings(each, name) for each in value]
    if isinstance(value, str) and not (name.endswith("id") or name in _IDS):
        return mask_cards(value)
    return value


# Text files. Other formats are kept as they are, because nothing reads their content.
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
