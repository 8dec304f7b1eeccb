"""Who the contact is, from what the state store knows and what was proven in this conversation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from agent_worker.actions.context import LEVELS, Identity
from schemas.actions import Proof
from schemas.conversation import Contact, Origin
from schemas.messages import Address, Assurance


def identity_of(
    contact: Contact | None, asked_for: str, origin: Origin, proofs: Iterable[Proof], now: datetime
) -> Identity:
    """What an address elsewhere is worth does not count here: whoever writes has shown only the one they write from,
    and what they have proven in this conversation."""
    proven = [proof.address for proof in proofs if proof.contact_id == asked_for and proof.until > now]
    if contact is None:
        return Identity(id=asked_for)
    return Identity(
        id=contact.id,
        assurance="verified" if proven else _assurance(contact, origin),
        verified=[*(address for address in contact.addresses if address.assurance == "verified"), *proven],
        name=contact.name,
    )


def _assurance(contact: Contact, origin: Origin) -> Assurance:
    here = [address for address in contact.addresses if address.channel == origin.channel]
    exact: list[Address] = [address for address in here if address.value == origin.place]
    levels = [address.assurance for address in exact or here]
    return max(levels, key=LEVELS.__getitem__, default="anonymous")
