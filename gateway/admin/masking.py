"""What a dead letter held, without what people wrote in it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import orjson

from schemas.privacy.cards import mask_cards as masked_cards

_NAMES = frozenset(
    {"id", "message_id", "in_reply_to", "turn_id", "kind", "type", "state", "to", "owner", "route", "purpose", "locale"}
    | {"code", "outcome"}
)
_DATES = frozenset(
    {"sent_at", "edited_at", "deleted_at", "created_at", "expires_at", "updated_at", "at", "first_at", "last_at"}
)
_NAME = re.compile(r"[\w.:@+=/-]{1,100}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ][\d:.]{5,20}(Z|[+-][\d:]{2,6})?)?", re.ASCII)


def masked(value: str) -> Any:
    """The payload with every other text replaced by its length; ``{"bytes": n}`` when it is not JSON. ``value`` is
    base64, as dead letters keep it."""
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return {"bytes": len(value)}
    try:
        return _masked(orjson.loads(data), "")
    except orjson.JSONDecodeError:
        return {"bytes": len(data)}


def _masked(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {_name(name): _masked(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, key) for inner in value]
    if isinstance(value, str) and not _is_shown(key, value):
        return f"<{len(value)} characters>"
    return value


def _is_shown(key: str, value: str) -> bool:
    """Text that names or dates a thing. All other text may be somebody's words, name or number."""
    if key in _DATES:
        return _DATE.fullmatch(value) is not None
    return key in _NAMES and _NAME.fullmatch(value) is not None and masked_cards(value) == value


def _name(name: str) -> str:
    """A key is a field's name, unless somebody put words there."""
    return name if name.isidentifier() and len(name) <= 40 else f"<{len(name)} characters>"
