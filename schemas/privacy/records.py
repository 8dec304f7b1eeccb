"""Records that nobody could use are kept whole for a replay, but for the numbers of cards in them: what broke a record
may also have kept it from the place where those are masked."""

from __future__ import annotations

import json
from typing import Any

from schemas.privacy.cards import masked

_IDS = frozenset({"place", "answers", "in_reply_to", "ref", "key"})


def without_cards(value: bytes) -> bytes:
    """The same bytes where there are none, or where it is no text."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        # What is broken in the middle may be readable around it.
        text = value.decode("latin-1")
        found = masked(text)
        return value if found == text else found.encode()
    if masked(text) == text and "\\u" not in text:
        return value
    return _masked(text, value)


def _masked(text: str, value: bytes) -> bytes:
    """Within JSON only what is written, so that ids still lead where they led."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return masked(text).encode()
    kept = _said(told, "")
    return value if kept == told else json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()


def _said(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _said(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_said(each, name) for each in value]
    if isinstance(value, str) and not (name.endswith("id") or name in _IDS):
        return masked(value)
    return value
