"""Masking of dead letters: the payload without any text that people wrote."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import orjson

from schemas.privacy.cards import mask_cards

_IDENTIFIER_FIELDS = frozenset(
    {"id", "message_id", "in_reply_to", "turn_id", "kind", "type", "state", "to", "owner", "route", "purpose", "locale"}
    | {"code", "outcome"}
)
_DATE_FIELDS = frozenset(
    {"sent_at", "edited_at", "deleted_at", "created_at", "expires_at", "updated_at", "at", "first_at", "last_at"}
)
_IDENTIFIER = re.compile(r"[\w.:@+=/-]{1,100}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ][\d:.]{5,20}(Z|[+-][\d:]{2,6})?)?", re.ASCII)


def mask_payload(value: str) -> Any:
    """Decode a payload from base64 and replace text that people may have written by its length. A payload that is not
    JSON becomes ``{"bytes": n}``."""
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return {"bytes": len(value)}
    try:
        return _mask_value(orjson.loads(data), "")
    except orjson.JSONDecodeError:
        return {"bytes": len(data)}


def _mask_value(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {_mask_key(name): _mask_value(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_mask_value(inner, key) for inner in value]
    if isinstance(value, str) and not _is_safe(key, value):
        return f"<{len(value)} characters>"
    return value


def _is_safe(key: str, value: str) -> bool:
    """Whether the text is an identifier or a date. Any other text may be personal."""
    if key in _DATE_FIELDS:
        return _DATE.fullmatch(value) is not None
    return key in _IDENTIFIER_FIELDS and _IDENTIFIER.fullmatch(value) is not None and mask_cards(value) == value


def _mask_key(name: str) -> str:
    """Mask a key that is not the name of a field."""
    return name if name.isidentifier() and len(name) <= 40 else f"<{len(name)} characters>"
