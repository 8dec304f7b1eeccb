"""Mask card numbers and security codes in the responses of other systems. Fields are masked by their names, which say
what a bare number is. Ids stay, as everywhere, because they must keep referring to the same thing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from schemas.privacy.cards import OwnNumbers, mask_cards, mask_security_codes

_WORD_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ID = re.compile(r"(?:^|_)id$|[a-z]I[dD]$")


def mask_fields(fields: Mapping[str, Any], own: OwnNumbers | None = None) -> dict[str, Any]:
    """Mask JSON fields; returns equal fields when there is nothing to mask. ``own`` matches the tenant's own
    numbers."""
    return {mask_cards(name, own): _mask_value(value, name, own) for name, value in fields.items()}


def _mask_value(value: Any, name: str, own: OwnNumbers | None) -> Any:
    if isinstance(value, Mapping):
        return mask_fields(value, own)
    if isinstance(value, list | tuple):
        return [_mask_value(each, name, own) for each in value]
    if isinstance(value, bool) or not isinstance(value, str | int) or _is_id(name):
        return value
    label = f"{_WORD_BOUNDARY.sub(' ', name).replace('_', ' ')}: "
    text = f"{label}{value}"
    masked = mask_security_codes(mask_cards(text, own))
    if masked == text:
        return value
    return masked.removeprefix(label) if masked.startswith(label) else mask_cards(str(value), own)


def _is_id(name: str) -> bool:
    return bool(_ID.search(name)) and "card" not in name.lower()
