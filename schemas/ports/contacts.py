"""Contacts: which person writes from where, how people find them, their keys, and their erasure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.conversation import Contact
from schemas.messages import Address
from schemas.privacy.contact_keys import ContactKey


@dataclass(frozen=True, slots=True)
class ContactUpdate:
    """The vendor's report about a contact at time ``at``. ``moved``: all addresses of the call belong to one contact,
    and those in ``left`` no longer do. Nothing was reported where ``name`` is empty, or ``opted_out`` or
    ``marketing_opted_out`` is None. ``locale`` comes with a name."""

    at: datetime
    moved: bool = False
    left: Sequence[Address] = ()
    name: str = ""
    locale: str = ""
    opted_out: bool | None = None
    marketing_opted_out: bool | None = None


class Contacts(Protocol):
    async def resolve(
        self,
        tenant: str,
        channel: str,
        account: str,
        place: str,
        addresses: Sequence[Address],
        *,
        now: datetime,
        change: ContactUpdate | None = None,
    ) -> tuple[Contact, str]:
        """Find or create, in one atomic step, the contact with these addresses and the conversation at its place:
        ``(contact, conversation id)``. A later call with a new alias leads to the same conversation. An address's
        assurance only rises.

        The first address identifies the contact, the others are aliases. An alias of a contact who is also known by
        other addresses has changed hands: it moves to this contact, and no longer leads to the earlier conversation.
        When the contact ``moved``, all addresses are theirs, and the earlier contact of a new address is another
        contact. A ``change`` older than the last one is ignored."""

    async def preview(
        self, tenant: str, channel: str, account: str, place: str, addresses: Sequence[Address], *, now: datetime
    ) -> tuple[Contact, str]:
        """Return what ``resolve`` would, but write nothing: the contact may not exist yet."""

    async def get(self, tenant: str, contact: str) -> Contact | None: ...


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
        accents and the punctuation of phone numbers do not matter. An empty query lists all contacts. A page is
        sorted by name; where names are encrypted, pages follow the order of ids.
        ``channel``: only contacts with an address on it. A contact that was merged into another is found as that one.
        A page may hold fewer than ``limit`` and still have a next one. Raises InvalidRequest for a bad cursor."""

    async def list_ids(self, tenant: str, contact: str) -> list[str]:
        """The id of this contact, then the ids of all that were merged into it."""

    async def list_conversations(
        self, tenant: str, contacts: Collection[str]
    ) -> Mapping[str, Sequence[ContactConversation]]:
        """The conversations that each of these contacts began, the last active one first, also those from before a
        merger. Contacts without any are missing."""


class ContactKeys(Protocol):
    """Wrapped keys, one for each contact. All processes see a change as soon as the call returns."""

    async def get(self, tenant: str, contact: str) -> ContactKey | None: ...

    async def get_each(self, owners: Sequence[tuple[str, str]]) -> Sequence[ContactKey | None]:
        """Do as ``get`` for several contacts, each named by tenant and contact. Raises StateLost if one is lost."""

    async def put(self, key: ContactKey) -> ContactKey:
        """Store the key unless one of the same or a higher ``rank`` is stored, and return the one that is stored then.
        So of several processes that make a key at once all use the same one, and nothing replaces an erased key but
        one of a later generation."""

    async def remove(self, key: ContactKey) -> bool:
        """Remove the key if it is the one that is stored, with the same ``rank``. Returns whether none is stored
        then."""


class ContactErasure(Protocol):
    """Deletes for good. Each method returns how much it deleted, by kind, and may be repeated. It does not touch the
    log: there the key of the contact decides."""

    async def erase_conversation(self, conversation: str) -> Mapping[str, int]:
        """Delete the conversation with its transcript, turns, deliveries, actions and outbox. Whoever works on it at
        that moment cannot commit any more. A message that comes later begins it anew. Parked records and dead letters
        have ports of their own."""

    async def redact(self, conversation: str, messages: Sequence[str], turns: Sequence[str]) -> Mapping[str, int]:
        """Empty these lines of the transcript of a conversation that goes on without the contact, and delete these
        turns. What is left of a line is its number, its time and the kind of its author."""

    async def erase_contact(self, tenant: str, contact: str) -> Mapping[str, int]:
        """Delete the contact, those that were merged into it, their addresses, and the terms by which they are
        found."""

    async def remove_copies(self) -> None:
        """Remove what the engine still keeps of deleted rows for its own purposes, such as a journal, as far as it
        lets us. Raises StateUnavailable if that has to be tried again."""
