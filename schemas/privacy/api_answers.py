"""What other systems answer, without the numbers and security codes of cards: their fields are masked by their names,
which say what a bare number is. Ids stay, as everywhere: they must lead where they lead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from schemas.privacy.cards import OwnNumbers, masked, without_codes

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ID = re.compile(r"(?:^|_)id$|[a-z]I[dD]$")


def without_cards(fields: Mapping[str, Any], own: OwnNumbers | None = None) -> dict[str, Any]:
    """The same JSON fields, equal where there is nothing to mask. ``own``: what finds the tenant's own numbers."""
    return {masked(name, own): _masked(value, name, own) for name, value in fields.items()}


def _masked(value: Any, name: str, own: OwnNumbers | None) -> Any:
    if isinstance(value, Mapping):
        return without_cards(value, own)
    if isinstance(value, list | tuple):
        return [_masked(each, name, own) for each in value]
    if isinstance(value, bool) or not isinstance(value, str | int) or _is_id(name):
        return value
    before = f"{_HUMP.sub(' ', name).replace('_', ' ')}: "
    said = f"{before}{value}"
    found = without_codes(masked(said, own))
    if found == said:
        return value
    return found.removeprefix(before) if found.startswith(before) else masked(str(value), own)


def _is_id(name: str) -> bool:
    return bool(_ID.search(name)) and "card" not in name.lower()
