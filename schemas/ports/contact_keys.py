"""The keys with which everything about a contact is encrypted."""

from __future__ import annotations

from typing import Protocol

from schemas.privacy.contact_keys import ContactKey


class ContactKeys(Protocol):
    """Wrapped keys, one for each contact. All processes see a change as soon as the call returns."""

    async def get(self, tenant: str, contact: str) -> ContactKey | None: ...

    async def put(self, key: ContactKey) -> ContactKey:
        """Store the key unless one of the same or a higher ``rank`` is stored, and return the one that is stored then.
        So of several processes that make a key at once all use the same one, and nothing replaces an erased key but
        one of a later generation."""

    async def remove(self, key: ContactKey) -> bool:
        """Remove the key if it is the one that is stored, with the same ``rank``. Returns whether none is stored
        then."""
