"""Terms by which contacts are found, and the search over an index of them. Pure, but for the index that it is given.

The index holds a row for each term of a contact: once for all channels (""), and once for each channel on which the
contact has an address. A contact is found at its first row that begins with the longest word of the query."""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import orjson

from infra.state import rules
from schemas.conversation import Contact
from schemas.errors import InvalidRequest
from schemas.ports import ContactConversation, ContactPage

Entry = tuple[str, str]
"""``(term, contact id)``"""
LISTED = "\t"
"""How the one term begins by which a contact stands in the list of all: no word of a query can contain it."""
COMPLETE: Entry = ("", "")
"""The row that says that all contacts of a tenant are in its index."""

_LONGEST = 64
"""Characters of a term."""
_MOST_WORDS = 20
"""Words of a name, and of a query."""
_MOST_PARTS = 4
_SHORTEST_PHONE = 5
"""Digits that are taken for one phone number, even if it is not written in international form."""
BATCH = 200
MOST_ROWS = 5_000
"""Rows of the index that one page may read."""
_PHONE_MARKS = str.maketrans("", "", " +-()./\u00a0")


class TermIndex(Protocol):
    """The rows of one tenant, in order of their UTF-8 bytes."""

    async def read(self, channel: str, prefix: str, after: Entry | None, count: int) -> list[Entry]:
        """The first rows whose term begins with ``prefix``, after that entry."""

    async def load(self, contacts: Sequence[str]) -> list[Contact | None]: ...


async def search(index: TermIndex, query: str, *, channel: str, after: str, limit: int) -> ContactPage:
    """One page of ``ContactSearch.search``."""
    words = split_query(query)
    if not words and query.strip():
        return ContactPage([])
    prefix = max(words, key=len, default=LISTED)
    place = parse_cursor(after) if after else None
    found: list[tuple[Entry, Contact]] = []
    for _ in range(0, MOST_ROWS, BATCH):
        entries = await index.read(channel, prefix, place, BATCH)
        contacts = await index.load([id_ for _, id_ in entries])
        found += [
            (entry, contact)
            for entry, contact in zip(entries, contacts, strict=True)
            if contact is not None and contact.id == entry[1] and _is_hit(contact, words, prefix, entry[0])
        ]
        if len(found) > limit:
            return ContactPage([contact for _, contact in found[:limit]], build_cursor(found[limit - 1][0]))
        if len(entries) < BATCH:
            return ContactPage([contact for _, contact in found])
        place = entries[-1]
    return ContactPage([contact for _, contact in found], build_cursor(place) if place else "")


def sort_conversations(found: Mapping[str, Sequence[tuple[int, str]]]) -> dict[str, list[ContactConversation]]:
    """``found``: by contact, ``(microseconds, conversation)``."""
    return {
        contact: [ContactConversation(id_, rules.from_micros(at)) for at, id_ in sorted(rows, reverse=True)]
        for contact, rows in found.items()
        if rows
    }


def list_rows(contact: Contact) -> set[Entry]:
    """The rows of a contact, as ``(channel, term)``."""
    channels = {"", *(address.channel for address in contact.addresses)}
    return {(channel, term) for term in list_terms(contact) for channel in channels}


def list_terms(contact: Contact) -> set[str]:
    """Words of the name, the addresses and their parts, phone numbers as digits, the id, and the place in the list."""
    name = fold(contact.name)
    words = name.split()[:_MOST_WORDS]
    terms = {*map(_strip_marks, words), *map(read_phone, (*words, name))}
    terms |= {fold(contact.id), *(part for each in contact.addresses for part in _split_address(each.value))}
    return {term[:_LONGEST] for term in terms if term} | {build_listed_term(contact)}


def build_listed_term(contact: Contact) -> str:
    """The place of a contact in the list of all: by name, then those without one by address."""
    name = fold(contact.name)
    shown = f"a{name}" if name else f"b{min((fold(each.value) for each in contact.addresses), default='')}"
    return (LISTED + shown)[:_LONGEST]


def split_query(query: str) -> list[str]:
    """The words that a contact must match; a phone number is one word."""
    phone = read_phone(query)
    if phone and (len(phone) >= _SHORTEST_PHONE or query.strip().startswith(("+", "00"))):
        return [phone[:_LONGEST]]
    return [word[:_LONGEST] for each in fold(query).split()[:_MOST_WORDS] if (word := _strip_marks(each))]


def fold(text: str) -> str:
    """The text without case, accents and control characters."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = (letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join("".join(letter if letter.isprintable() else " " for letter in kept).casefold().split())


def read_phone(text: str) -> str:
    """The digits of a phone number, without the prefix of international calls; "" if it is none."""
    digits = text.strip().translate(_PHONE_MARKS)
    return digits.removeprefix("00") if digits.isascii() and digits.isdigit() else ""


def build_cursor(entry: Entry) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(entry)).decode().rstrip("=")


def parse_cursor(text: str) -> Entry:
    """Raises InvalidRequest."""
    try:
        value = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        value = None
    match value:
        case [str(term), str(contact)] if (term.removeprefix(LISTED) + contact).isprintable():
            return term, contact
    raise InvalidRequest("the cursor is not one that a listing returned")


def _is_hit(contact: Contact, words: Sequence[str], prefix: str, term: str) -> bool:
    """Return whether the contact matches all words, and ``term`` is the first of its terms that it is found at."""
    terms = list_terms(contact)
    return term == min((each for each in terms if each.startswith(prefix)), default=None) and all(
        any(each.startswith(word) for each in terms) for word in words
    )


def _split_address(value: str) -> Iterator[str]:
    """The address, what follows each colon (``id:ada@example.com``, ``T01:U02``), and the digits of phone numbers."""
    parts = fold(value).split(":")
    for start in range(min(len(parts), _MOST_PARTS)):
        part = ":".join(parts[start:])
        yield _strip_marks(part)
        yield read_phone(part)


def _strip_marks(word: str) -> str:
    """The word without punctuation around it."""
    inside = [at for at, letter in enumerate(word) if letter.isalnum()]
    return word[inside[0] : inside[-1] + 1] if inside else ""
