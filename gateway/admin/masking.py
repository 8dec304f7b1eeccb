"""What a dead letter held, without what people wrote in it."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

SHOWN = frozenset(
    {"id", "message_id", "in_reply_to", "turn_id", "kind", "type", "state", "to", "owner", "route", "purpose", "locale"}
    | {"sent_at", "edited_at", "deleted_at", "created_at", "expires_at", "updated_at", "at", "code", "outcome"}
)
"""Text that names or dates a thing. All other text may be somebody's words, name or number."""


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
    if isinstance(value, str) and not (key in SHOWN and len(value) <= 100):
        return f"<{len(value)} characters>"
    return value


def _name(name: str) -> str:
    """A key is a field's name, unless somebody put words there."""
    return name if name.isidentifier() and len(name) <= 40 else f"<{len(name)} characters>"
