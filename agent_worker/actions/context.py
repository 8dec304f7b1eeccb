"""What an action is given beside its arguments: above all, who the contact is. None of it comes from a model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from schemas.actions import PendingCode, Proof
from schemas.conversation import Contact, Origin
from schemas.messages import Address, Assurance

Within = Callable[[str, int, timedelta], Awaitable[bool]]
"""``(name, most, period)``"""
LEVELS: dict[Assurance, int] = {"anonymous": 0, "channel": 1, "verified": 2}


@dataclass(frozen=True, slots=True)
class Identity:
    """The contact behind the conversation. ``assurance``: how sure we are of them here; ``verified``: the addresses
    that are proven to be theirs, such as the e-mail address that a one-time code was sent to."""

    id: str
    assurance: Assurance = "anonymous"
    verified: Sequence[Address] = ()
    name: str = ""

    def reaches(self, level: Assurance) -> bool:
        return LEVELS[self.assurance] >= LEVELS[level]

    def has(self, channel: str, value: str) -> bool:
        """Whether this address is proven to be theirs; case does not matter."""
        wanted = (channel, value.casefold())
        return any((address.channel, address.value.casefold()) == wanted for address in self.verified)


async def _always(_name: str, _most: int, _period: timedelta) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ActionContext:
    """``key`` is the idempotency key to pass on: the same for each repetition of this very action, empty for reads.
    After ``deadline`` whatever the action answers is not waited for. ``settings`` are the tenant's, as they stand under
    ``actions.settings`` in the configuration. ``prove`` notes that an address is the contact's, for this
    conversation. ``code``: the one-time code that is out, which ``remember`` replaces. ``within`` counts one more use
    of something that contacts share, and says whether that is still among the ``most`` of a ``period``; it is counted
    for the whole tenant, over all processes."""

    tenant: str
    conversation: str
    contact: Identity
    key: str
    deadline: datetime
    now: datetime
    http: aiohttp.ClientSession
    locale: str = ""
    """Of the contact; empty while it is not known."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    prove: Callable[[Address], None] = lambda _address: None
    code: PendingCode | None = None
    remember: Callable[[PendingCode | None], None] = lambda _code: None
    within: Within = _always


# Who the contact is, from what the state store knows and what was proven in this conversation.
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
