"""The context that an action receives besides its arguments, above all the contact's identity. None of it comes from a
model."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from schemas.actions import PendingCode, Proof
from schemas.conversation import Contact, Origin
from schemas.messages import Address, Assurance

CountUse = Callable[[str, int, timedelta], Awaitable[float]]
"""``(name, most, period)`` → 0 if one more use stays within the limit, else the seconds until one will."""
LEVELS: dict[Assurance, int] = {"anonymous": 0, "channel": 1, "verified": 2}


@dataclass(frozen=True, slots=True)
class Identity:
    """The contact behind the conversation. ``assurance`` is how certain the contact's identity is here; ``verified``
    holds the addresses proven to be theirs, such as the e-mail address that a one-time code was sent to."""

    id: str
    assurance: Assurance = "anonymous"
    verified: Sequence[Address] = ()
    name: str = ""

    def reaches(self, level: Assurance) -> bool:
        return LEVELS[self.assurance] >= LEVELS[level]

    def has(self, channel: str, value: str) -> bool:
        """Return whether this address is proven to be the contact's. Case does not matter."""
        expected = (channel, value.casefold())
        return any((address.channel, address.value.casefold()) == expected for address in self.verified)


async def _allow_always(_name: str, _most: int, _period: timedelta) -> float:
    return 0.0


def _hash_without_key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True)
class ActionContext:
    """``key`` is the idempotency key to pass on. It is the same for every repetition of this action, and empty for
    reads. A result after ``deadline`` is ignored. ``settings`` are the tenant's, from ``actions.settings`` in the
    configuration. ``prove`` records that an address belongs to the contact, for this conversation. ``code`` is the
    pending one-time code; ``remember`` replaces it. ``count_use`` counts one more use of something that contacts share,
    of which at most ``most`` may fall into the ``period``; it counts for the whole tenant across all processes.
    ``keyed_hash``: 32 bytes that only this tenant of this installation derives from the text."""

    tenant: str
    conversation: str
    contact: Identity
    key: str
    deadline: datetime
    now: datetime
    http: aiohttp.ClientSession
    locale: str = ""
    """The contact's locale; empty while it is unknown."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    prove: Callable[[Address], None] = lambda _address: None
    code: PendingCode | None = None
    remember: Callable[[PendingCode | None], None] = lambda _code: None
    count_use: CountUse = _allow_always
    keyed_hash: Callable[[str], bytes] = _hash_without_key


def resolve_identity(
    contact: Contact | None, contact_id: str, origin: Origin, proofs: Iterable[Proof], now: datetime
) -> Identity:
    """The contact's identity, from the state store and from proofs in this conversation.

    Addresses on other channels add no assurance: a message only shows control of the address that it came from.
    """
    proven = [proof.address for proof in proofs if proof.contact_id == contact_id and proof.until > now]
    if contact is None:
        return Identity(id=contact_id)
    return Identity(
        id=contact.id,
        assurance="verified" if proven else _assurance(contact, origin),
        verified=[*(address for address in contact.addresses if address.assurance == "verified"), *proven],
        name=contact.name,
    )


def _assurance(contact: Contact, origin: Origin) -> Assurance:
    addresses = [address for address in contact.addresses if address.channel == origin.channel]
    exact: list[Address] = [address for address in addresses if address.value == origin.place]
    levels = [address.assurance for address in exact or addresses]
    return max(levels, key=LEVELS.__getitem__, default="anonymous")
