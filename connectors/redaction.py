"""What an event says, without the numbers of payment cards: whatever came by whichever way, before it is resolved,
appended or shown to anybody. Ids stay: they say nothing that a person wrote, and vendors have long ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from schemas.ports import Event
from schemas.protection.cards import OwnNumbers, masked

WRITTEN = frozenset({"text", "name", "attachments", "files", "location", "shared_contacts", "referral", "quote"})
"""Fields of payloads that hold somebody's words. What an author is called, names.py reads."""
KEPT = frozenset({"id", "kind", "type", "source"})
_KEPT_OF_FILES = KEPT | {"ref"}


def without_cards(event: Event, own: OwnNumbers | None) -> Event:
    """The event itself where it holds none. ``own``: what finds the tenant's own numbers."""
    changed: dict[str, Any] = {}
    for field, said in event.payload.items():
        if said and field in WRITTEN:
            kept = masked(said, own) if isinstance(said, str) else _masked(said, own, _kept(field))
            if kept != said:
                changed[field] = kept
    return replace(event, payload={**event.payload, **changed}) if changed else event


def _kept(field: str) -> frozenset[str]:
    return _KEPT_OF_FILES if field == "files" else KEPT


def _masked(value: Any, own: OwnNumbers | None, kept: frozenset[str]) -> Any:
    if isinstance(value, str):
        return masked(value, own)
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: _masked(each, own, kept) for name, each in value if name not in kept})
    if isinstance(value, Mapping):
        return {name: each if name in kept else _masked(each, own, kept) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(each, own, kept) for each in value]
    return value
