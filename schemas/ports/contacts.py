"""Contacts: which person is behind an address, and which conversation they have at a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.conversation import Contact
from schemas.messages import Address


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
