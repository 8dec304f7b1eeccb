"""Names of contacts for display. People choose their names themselves, so no contact is found, merged or trusted by
name."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.markup import clean_text, is_blank
from schemas import topics
from schemas.conversation import Contact
from schemas.messages import Author
from schemas.ports import ChannelEvent, ContactUpdate
from schemas.privacy.cards import mask_cards

MAX_NAME = 100
MAX_LOCALE = 35
MAX_SCANNED = 1_000
"""Characters of a name that are looked at."""
_BIDI_CONTROLS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def clean_display_name(*names: str) -> str:
    """Return the first of the names that is visible: in one line, without control characters, bidirectional marks and
    card numbers; empty where none is."""
    for name in (each[:MAX_SCANNED] for each in names):
        line = " ".join((name if name.isprintable() else _remove_controls(name)).split())
        shown = line[:MAX_NAME].strip()
        if not is_blank(shown):
            return mask_cards(shown)
    return ""


def find_name_change(event: ChannelEvent, now: datetime) -> ContactUpdate | None:
    """Return the change of name that a message implies for its contact, None where it implies none."""
    if event.type != topics.MESSAGE_RECEIVED:
        return None
    kind, name = _read_author(event.payload)
    if kind != "contact" or not name or not (clean := clean_display_name(name)):
        return None
    at, locale = event.payload.get("sent_at"), event.payload.get("locale")
    # A name dated in the future could never be replaced.
    named_at = min(at, now) if isinstance(at, datetime) and at.tzinfo else now
    return ContactUpdate(at=named_at, name=clean, locale=locale[:MAX_LOCALE] if isinstance(locale, str) else "")


def build_author_field(payload: Mapping[str, Any], contact: Contact) -> dict[str, Any]:
    """Return the ``author`` field of a contact's message: the name in the message, else the contact's known name; empty
    for other authors."""
    kind, name = _read_author(payload)
    if kind != "contact" or not (name or contact.name):
        return {}
    return {"author": Author(kind="contact", name=clean_display_name(name) or contact.name)}


def _read_author(payload: Mapping[str, Any]) -> tuple[Any, str]:
    """Return kind and name."""
    author = payload.get("author")
    if author is None:
        return "contact", ""
    if isinstance(author, Author):
        return author.kind, author.name
    fields = author if isinstance(author, Mapping) else {}
    return fields.get("kind"), str(fields.get("name") or "")


def _remove_controls(name: str) -> str:
    """Keep control characters that are white space: they separate words."""
    return "".join(letter for letter in clean_text(name) if letter.isspace() or not _is_control(letter))


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) == "Cc" or unicodedata.bidirectional(letter) in _BIDI_CONTROLS
