"""Finding contacts by name and address, and all that was ever said by one of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.conversation import Contact


@dataclass(frozen=True, slots=True)
class ContactPage:
    """``next`` is the cursor of the following page, empty at the end."""

    items: list[Contact]
    next: str = ""


@dataclass(frozen=True, slots=True)
class ContactConversation:
    """A conversation of a contact, and the time of its last activity."""

    id: str
    updated_at: datetime


class ContactSearch(Protocol):
    """An index of contacts that is written with them. A search costs as much as it finds."""

    async def search(
        self, tenant: str, query: str, *, channel: str = "", after: str = "", limit: int = 50
    ) -> ContactPage:
        """Find contacts of whom a word of the name, an address or the id begins with each word of ``query``. Case,
        accents and the punctuation of phone numbers do not matter. An empty query lists all contacts by name; what a
        query finds is in the order of the words that it was found by.
        ``channel``: only contacts with an address on it. A contact that was merged into another is found as that one.
        A page may hold fewer than ``limit`` and still have a next one. Raises InvalidRequest for a bad cursor."""

    async def list_ids(self, tenant: str, contact: str) -> list[str]:
        """The id of this contact, then the ids of all that were merged into it."""

    async def list_conversations(
        self, tenant: str, contacts: Collection[str]
    ) -> Mapping[str, Sequence[ContactConversation]]:
        """The conversations that each of these contacts began, the last active one first, also those from before a
        merger. Contacts without any are missing."""
