"""What people read where a contact is meant."""

from __future__ import annotations

from schemas.conversation import Contact, Origin

SIGNED_IN = "id:"
"""Begins the place of a visitor whose identity the site signed; the site's own word for them follows."""
LONGEST_SUBJECT = 40
SHORT = 4
"""Letters of an id by which two are told apart."""


def called(contact: Contact | None, origin: Origin) -> str:
    """Their name; else what their site calls them; else a word by which two without a name are told apart."""
    if contact is not None and contact.name:
        return contact.name
    if origin.channel != "web":
        return f"Customer {origin.contact_id[:SHORT]}"
    if origin.place.startswith(SIGNED_IN):
        subject = origin.place.removeprefix(SIGNED_IN)
        return f"Visitor {subject if len(subject) <= LONGEST_SUBJECT else subject[: LONGEST_SUBJECT - 1] + '…'}"
    return f"Web visitor {origin.contact_id[:SHORT]}"
