"""What contacts are called. A name is somebody's word about themselves: it is for people to read, and nobody is found,
merged or trusted by it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.markup import blank, printable
from schemas import topics
from schemas.conversation import Contact
from schemas.messages import Author
from schemas.ports import Change, Event
from schemas.privacy.cards import masked

LONGEST_NAME = 100
LONGEST_LOCALE = 35
MOST_READ = 1_000
"""Characters: what comes after so many is nobody's name."""
_TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def shown_name(*names: str) -> str:
    """The first that a reader would see, in one line, without controls and the marks that turn text around; empty where
    there is none; without the numbers of cards."""
    for name in (each[:MOST_READ] for each in names):
        line = " ".join((name if name.isprintable() else _legible(name)).split())
        kept = line[:LONGEST_NAME].strip()
        if not blank(kept):
            return masked(kept)
    return ""


def told(event: Event, now: datetime) -> Change | None:
    """What a message of a contact says about the contact's name; None where it says nothing."""
    if event.type != topics.MESSAGE_RECEIVED:
        return None
    kind, name = _author(event.payload)
    if kind != "contact" or not name or not (shown := shown_name(name)):
        return None
    at, locale = event.payload.get("sent_at"), event.payload.get("locale")
    # A name of the future could never be replaced.
    said = min(at, now) if isinstance(at, datetime) and at.tzinfo else now
    return Change(at=said, name=shown, locale=locale[:LONGEST_LOCALE] if isinstance(locale, str) else "")


def signed(payload: Mapping[str, Any], contact: Contact) -> dict[str, Any]:
    """The field that names a message's author: as the message says, else as the contact is known."""
    kind, name = _author(payload)
    if kind != "contact" or not (name or contact.name):
        return {}
    return {"author": Author(kind="contact", name=shown_name(name) or contact.name)}


def _author(payload: Mapping[str, Any]) -> tuple[Any, str]:
    """Kind and name."""
    author = payload.get("author")
    if author is None:
        return "contact", ""
    if isinstance(author, Author):
        return author.kind, author.name
    told = author if isinstance(author, Mapping) else {}
    return told.get("kind"), str(told.get("name") or "")


def _legible(name: str) -> str:
    """Control characters that separate words stay, as the spaces that they are."""
    return "".join(letter for letter in printable(name) if letter.isspace() or not _is_control(letter))


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) == "Cc" or unicodedata.bidirectional(letter) in _TURNING
