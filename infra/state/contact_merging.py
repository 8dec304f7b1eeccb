"""Who is who: how addresses make one contact, and which conversation a contact has at a place. Pure, like ``rules``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas import ids
from schemas.conversation import Contact
from schemas.messages import Address, Assurance
from schemas.ports import Change

_ASSURANCE: dict[Assurance, int] = {"anonymous": 0, "channel": 1, "verified": 2}
_Key = tuple[str, str]
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Resolution:
    """``changed`` are the contacts to write, ``swallowed`` the ids of those that ``contact`` took the place of."""

    contact: Contact
    conversation: str
    changed: list[Contact]
    swallowed: frozenset[str]


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
    found: Sequence[Contact],
    tenant: str,
    channel: str,
    account: str,
    place: str,
    addresses: Sequence[Address],
    now: datetime,
    change: Change | None = None,
) -> Resolution:
    """What ``Contacts.resolve`` answers and writes. ``found`` are the contacts to which ``addresses`` (see
    ``known_as``) lead, or led last.

    Several become one: see ``merged``. A direct place leads to the conversation that the contact already has on the
    account, under whichever alias it began; a room leads to its own.
    """
    kin = _kin(found, addresses, change)
    contact = merged(kin) if kin else _newcomer(tenant, addresses[0], found, now)
    told = _told(contact, addresses, change)
    losers = [_without(each, told) for each in found if each not in kin and _keys(each.addresses) & _keys(told)]
    contact = _with(contact, told, found, kin)
    if change is not None:
        contact = _changed(contact, change)
    conversation = _conversation(contact, tenant, channel, account, place)
    if is_direct(channel, place, addresses):
        key = account_key(channel, account)
        conversation = contact.conversations.get(key, conversation)
        contact = contact.model_copy(update={"conversations": contact.conversations | {key: conversation}})
    return Resolution(
        contact,
        conversation,
        [each for each in (contact, *losers) if each not in found],
        frozenset(each.id for each in kin) - {contact.id},
    )


def _kin(found: Sequence[Contact], addresses: Sequence[Address], change: Change | None) -> list[Contact]:
    """Those of ``found`` who are the one that the addresses are about: see ``Contacts.resolve``."""
    if change is None or not change.moved:
        return [each for each in found if _is_known_as(each, addresses)]
    told = [each for each in found if _is_told(each, change)]
    if told:
        return [max(told, key=lambda each: len(_keys(addresses) & _keys([*each.addresses, *each.left])))]
    was = {_key(addresses[0])} | _keys(change.left)
    return [
        each
        for each in found
        if _is_known_as(each, addresses) and (_keys(each.addresses) & was or each.created_at >= change.at)
    ]


def _is_known_as(contact: Contact, addresses: Sequence[Address]) -> bool:
    """By its first address; or by an alias, if nothing else is known of it on the channel."""
    has, asked = _keys(contact.addresses), _keys(addresses)
    first = _key(addresses[0])
    return first in has or (bool(has & asked) and not any(key[0] == first[0] for key in has - asked))


def _is_told(contact: Contact, change: Change) -> bool:
    """Whether the contact has heard of this change, or of a later one."""
    return contact.moved_at is not None and change.at <= contact.moved_at


def _told(contact: Contact, addresses: Sequence[Address], change: Change | None) -> list[Address]:
    """Which of the addresses are the contact's. One that it has left it has again only by the vendor's word."""
    if change is None or not change.moved:
        return [each for each in addresses if _key(each) not in _keys(contact.left)]
    if _is_told(contact, change):
        return [each for each in addresses if _key(each) in _keys(contact.addresses)]
    return list(addresses)


def _with(contact: Contact, told: Sequence[Address], found: Sequence[Contact], kin: Sequence[Contact]) -> Contact:
    """The contact with these addresses, and the word of each whose it was before."""
    others = [each for each in found if each not in kin]
    fresh = [each for each in told if _key(each) not in _keys(contact.addresses)]
    before = {_joined(each): holder for each in fresh if (holder := _holder(each, others))}
    return contact.model_copy(
        update={
            "addresses": _united([*contact.addresses, *told]),
            "left": [each for each in contact.left if _key(each) not in _keys(told)],
            "before": contact.before | before,
        }
    )


def _holder(address: Address, contacts: Iterable[Contact]) -> str:
    """Who of ``contacts`` has or had the address, and until which move: they may have had it several times."""
    known = (each for each in contacts if _key(address) in _keys([*each.addresses, *each.left]))
    holder = next(known, None)
    return "" if holder is None else f"{holder.id}@{holder.moved_at.isoformat()}" if holder.moved_at else holder.id


def _without(contact: Contact, lost: Sequence[Address]) -> Contact:
    gone = [each for each in contact.addresses if _key(each) in _keys(lost)]
    known = _keys(contact.left)
    return contact.model_copy(
        update={
            "addresses": [each for each in contact.addresses if each not in gone],
            "left": [*contact.left, *(each for each in gone if _key(each) not in known)],
        }
    )


def _changed(contact: Contact, change: Change) -> Contact:
    if change.moved and not _is_told(contact, change):
        contact = _without(contact, change.left).model_copy(update={"moved_at": change.at})
    contact = contact.called(change.name, change.locale, change.at)
    if change.opted_out is not None and (contact.opted_at is None or contact.opted_at <= change.at):
        contact = contact.model_copy(update={"opted_out": change.opted_out, "opted_at": change.at})
    wants = change.marketing_opted_out
    if wants is not None and (contact.marketing_opted_at is None or contact.marketing_opted_at <= change.at):
        contact = contact.model_copy(update={"marketing_opted_out": wants, "marketing_opted_at": change.at})
    return contact


def _conversation(contact: Contact, tenant: str, channel: str, account: str, place: str) -> str:
    """Of this place; one that was somebody else's before names another conversation than it did then."""
    return ids.conversation_id(tenant, channel, account, _named(place, contact.before.get(f"{channel}:{place}", "")))


def _named(value: str, before: str) -> str:
    return f"{value}\n{before}" if before else value


def _joined(address: Address) -> str:
    return f"{address.channel}:{address.value}"


def _key(address: Address) -> _Key:
    return address.channel, address.value


def _keys(addresses: Iterable[Address]) -> set[_Key]:
    return {_key(address) for address in addresses}


def restored(contact: Contact, found: Iterable[Contact]) -> tuple[Contact, list[Contact], frozenset[str]]:
    """``contact`` as read back from the log, united with those of ``found`` who have one of its addresses by now; with
    the others that lose an address to it, and the ids that it swallows. Of the contact itself the log says last what
    holds, so an earlier reading of it counts for nothing."""
    kin, losers = [contact], []
    for other in found:
        shared = [each for each in other.addresses if _key(each) in _keys(contact.addresses)]
        if other.id == contact.id or not shared:
            continue
        won = [each for each in shared if _is_before(contact, each, other)]
        lost = [each for each in shared if _is_before(other, each, contact)]
        if won:
            losers.append(_without(other, won))
        elif lost:
            kin[0] = _without(kin[0], lost)
        else:
            kin.append(other)
    one = merged(kin)
    return one, losers, frozenset(each.id for each in kin) - {one.id}


def _is_before(contact: Contact, address: Address, other: Contact) -> bool:
    """Whether the address was the other's before it was the contact's."""
    return contact.before.get(_joined(address), "").partition("@")[0] == other.id


def _newcomer(tenant: str, address: Address, found: Sequence[Contact], now: datetime) -> Contact:
    """Whoever has an address that was somebody else's must not be taken for them."""
    named = _named(address.value, _holder(address, found))
    return Contact(id=ids.contact_id(tenant, address.channel, named), tenant=tenant, created_at=now)


def merged(contacts: Sequence[Contact]) -> Contact:
    """One contact out of several that turned out to be the same: the oldest (then the smallest id) stays, keeps what
    it says, and gains the others' addresses and conversations; of the names the latest holds. The order
    of ``contacts`` does not matter."""
    by_age = sorted(contacts, key=lambda contact: (contact.created_at, contact.id))
    conversations: dict[str, str] = {}
    said = [contact for contact in by_age if contact.opted_at is not None]
    latest = max(said, key=lambda contact: contact.opted_at, default=None)  # type: ignore[arg-type, return-value]
    wanting = max(by_age, key=lambda contact: contact.marketing_opted_at or _NEVER)
    named = max(by_age, key=lambda contact: (bool(contact.name), contact.named_at or _NEVER))
    for contact in reversed(by_age):
        conversations |= contact.conversations
    return by_age[0].model_copy(
        update={
            "name": named.name,
            "named_at": named.named_at,
            "locale": next((contact.locale for contact in (named, *by_age) if contact.locale), ""),
            "addresses": (addresses := _united(address for contact in by_age for address in contact.addresses)),
            "left": [
                each
                for each in _united(address for contact in by_age for address in contact.left)
                if _key(each) not in _keys(addresses)
            ],
            "before": {key: holder for contact in reversed(by_age) for key, holder in contact.before.items()},
            "moved_at": max(filter(None, (contact.moved_at for contact in contacts)), default=None),
            "conversations": conversations,
            "opted_out": latest.opted_out if latest else any(contact.opted_out for contact in contacts),
            "opted_at": latest.opted_at if latest else None,
            "marketing_opted_out": wanting.marketing_opted_out,
            "marketing_opted_at": wanting.marketing_opted_at,
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
