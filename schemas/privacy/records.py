"""Mask card numbers in undecodable records, which are otherwise kept whole for a replay: what broke a record may also
have kept it from the place where card numbers are masked."""

from __future__ import annotations

import json
from typing import Any

from schemas.privacy.cards import mask_cards

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
