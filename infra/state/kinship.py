"""Who is who: how addresses make one contact, and which conversation a contact has at a place. Pure, like ``rules``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from schemas import ids
from schemas.conversation import Contact
from schemas.messages import Address, Assurance

_ASSURANCE: dict[Assurance, int] = {"anonymous": 0, "channel": 1, "verified": 2}


def home(tenant: str) -> str:
    """The key whose shard holds all contacts of a tenant: finding and merging them is one atomic step there."""
    return f"contacts:{tenant}"


def known_as(channel: str, place: str, addresses: Sequence[Address]) -> list[Address]:
    """The addresses to resolve by: those given, or the place itself where the channel has no other."""
    return list(addresses) or [Address(channel=channel, value=place)]


def is_direct(channel: str, place: str, addresses: Iterable[Address]) -> bool:
    """Whether the place *is* the contact (a phone number, a visitor) and not a room (a Slack thread)."""
    return any(address.channel == channel and address.value == place for address in addresses)


def account_key(channel: str, account: str) -> str:
    """Key of ``Contact.conversations``."""
    return f"{channel}:{account}"


def resolved(
    found: Iterable[Contact],
    tenant: str,
    channel: str,
    account: str,
    place: str,
    addresses: Sequence[Address],
    now: datetime,
) -> tuple[Contact, str]:
    """``(contact, conversation id)`` from the contacts ``found`` behind any of ``addresses`` (see ``known_as``).

    Several become one: see ``merged``. A direct place leads to the conversation that the contact already has on the
    account, under whichever alias it began; a room leads to its own.
    """
    kin = list(found)
    contact = merged(kin) if kin else _newcomer(tenant, addresses[0], now)
    contact = contact.model_copy(update={"addresses": _united([*contact.addresses, *addresses])})
    conversation = ids.conversation_id(tenant, channel, account, place)
    if is_direct(channel, place, addresses):
        key = account_key(channel, account)
        conversation = contact.conversations.get(key, conversation)
        contact = contact.model_copy(update={"conversations": contact.conversations | {key: conversation}})
    return contact, conversation


def restored(contact: Contact, kin: Iterable[Contact]) -> Contact:
    """``contact`` as read back from the log, united with its ``kin``: whoever has one of its addresses by now. Of the
    contact itself the log says last what holds, so an earlier reading of it counts for nothing."""
    return merged([contact, *(other for other in kin if other.id != contact.id)])


def _newcomer(tenant: str, address: Address, now: datetime) -> Contact:
    return Contact(id=ids.contact_id(tenant, address.channel, address.value), tenant=tenant, created_at=now)


def merged(contacts: Sequence[Contact]) -> Contact:
    """One contact out of several that turned out to be the same: the oldest (then the smallest id) stays, keeps what
    it says, and gains the others' addresses and conversations. The order of ``contacts`` does not matter."""
    by_age = sorted(contacts, key=lambda contact: (contact.created_at, contact.id))
    conversations: dict[str, str] = {}
    for contact in reversed(by_age):
        conversations |= contact.conversations
    return by_age[0].model_copy(
        update={
            "name": next((contact.name for contact in by_age if contact.name), ""),
            "locale": next((contact.locale for contact in by_age if contact.locale), ""),
            "addresses": _united(address for contact in by_age for address in contact.addresses),
            "conversations": conversations,
            "opted_out": any(contact.opted_out for contact in contacts),
        }
    )


def _united(addresses: Iterable[Address]) -> list[Address]:
    """Each address once, in order of first sight, with the highest assurance it ever had."""
    best: dict[tuple[str, str], Address] = {}
    for address in addresses:
        known = best.get((address.channel, address.value))
        if known is None or _ASSURANCE[address.assurance] > _ASSURANCE[known.assurance]:
            best[address.channel, address.value] = address
    return list(best.values())
