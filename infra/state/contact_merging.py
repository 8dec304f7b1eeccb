"""Contact resolution: which addresses make one contact, and which conversation a contact has at a place. Pure, like
``rules``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas import ids
from schemas.conversation import Contact
from schemas.messages import Address, Assurance
from schemas.ports import ContactUpdate

_ASSURANCE: dict[Assurance, int] = {"anonymous": 0, "channel": 1, "verified": 2}
_Key = tuple[str, str]
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ContactResolution:
    """``changed`` are the contacts to write, ``merged_ids`` the ids of those that were merged into ``contact``."""

    contact: Contact
    conversation: str
    changed: list[Contact]
    merged_ids: frozenset[str]


def contacts_key(tenant: str) -> str:
    """The key whose shard holds all contacts of a tenant: finding and merging them is one atomic step there."""
    return f"contacts:{tenant}"


def lookup_addresses(channel: str, place: str, addresses: Sequence[Address]) -> list[Address]:
    """The addresses to resolve by: those given, or the place itself where the channel has no other."""
    return list(addresses) or [Address(channel=channel, value=place)]


def is_direct(channel: str, place: str, addresses: Iterable[Address]) -> bool:
    """Return whether the place *is* the contact (a phone number, a visitor) and not a room (a Slack thread)."""
    return any(address.channel == channel and address.value == place for address in addresses)


def account_key(channel: str, account: str) -> str:
    """Key of ``Contact.conversations``."""
    return f"{channel}:{account}"


def resolve_contact(
    known: Sequence[Contact],
    tenant: str,
    channel: str,
    account: str,
    place: str,
    addresses: Sequence[Address],
    now: datetime,
    change: ContactUpdate | None = None,
) -> ContactResolution:
    """Compute what ``Contacts.resolve`` answers and writes. ``known`` are the contacts to which ``addresses`` (see
    ``lookup_addresses``) lead, or led last.

    Several contacts of one person are merged: see ``merge_contacts``. A direct place leads to the conversation that the
    contact already has on the account, under whichever alias it began; a room leads to its own."""
    same = _select_same(known, addresses, change)
    contact = merge_contacts(same) if same else _new_contact(tenant, addresses[0], known, now)
    own = _own_addresses(contact, addresses, change)
    losers = [_remove_addresses(each, own) for each in known if each not in same and _keys(each.addresses) & _keys(own)]
    contact = _add_addresses(contact, own, known, same)
    if change is not None:
        contact = _apply_update(contact, change)
    conversation = _conversation(contact, tenant, channel, account, place)
    if is_direct(channel, place, addresses):
        key = account_key(channel, account)
        conversation = contact.conversations.get(key, conversation)
        contact = contact.model_copy(update={"conversations": contact.conversations | {key: conversation}})
    return ContactResolution(
        contact,
        conversation,
        [each for each in (contact, *losers) if each not in known],
        frozenset(each.id for each in same) - {contact.id},
    )


def _select_same(known: Sequence[Contact], addresses: Sequence[Address], change: ContactUpdate | None) -> list[Contact]:
    """Those of ``known`` who are the contact with these addresses: see ``Contacts.resolve``."""
    if change is None or not change.moved:
        return [each for each in known if _matches(each, addresses)]
    updated = [each for each in known if _has_update(each, change)]
    if updated:
        return [max(updated, key=lambda each: len(_keys(addresses) & _keys([*each.addresses, *each.left])))]
    earlier = {_key(addresses[0])} | _keys(change.left)
    return [
        each
        for each in known
        if _matches(each, addresses) and (_keys(each.addresses) & earlier or each.created_at >= change.at)
    ]


def _matches(contact: Contact, addresses: Sequence[Address]) -> bool:
    """By its first address; or by an alias, if no other address of it is known on the channel."""
    has, given = _keys(contact.addresses), _keys(addresses)
    first = _key(addresses[0])
    return first in has or (bool(has & given) and not any(key[0] == first[0] for key in has - given))


def _has_update(contact: Contact, change: ContactUpdate) -> bool:
    """Return whether the contact already has this update, or a later one."""
    return contact.moved_at is not None and change.at <= contact.moved_at


def _own_addresses(contact: Contact, addresses: Sequence[Address], change: ContactUpdate | None) -> list[Address]:
    """The addresses that belong to the contact. One that it has left comes back only by the vendor's report."""
    if change is None or not change.moved:
        return [each for each in addresses if _key(each) not in _keys(contact.left)]
    if _has_update(contact, change):
        return [each for each in addresses if _key(each) in _keys(contact.addresses)]
    return list(addresses)


def _add_addresses(
    contact: Contact, own: Sequence[Address], known: Sequence[Contact], same: Sequence[Contact]
) -> Contact:
    """The contact with these addresses, and for each new one the contact who had it before."""
    others = [each for each in known if each not in same]
    fresh = [each for each in own if _key(each) not in _keys(contact.addresses)]
    before = {_address_key(each): holder for each in fresh if (holder := _holder(each, others))}
    return contact.model_copy(
        update={
            "addresses": _merge_addresses([*contact.addresses, *own]),
            "left": [each for each in contact.left if _key(each) not in _keys(own)],
            "before": contact.before | before,
        }
    )


def _holder(address: Address, contacts: Iterable[Contact]) -> str:
    """The one of ``contacts`` who has or had the address, and until which move, because they may have had it several
    times."""
    known = (each for each in contacts if _key(address) in _keys([*each.addresses, *each.left]))
    holder = next(known, None)
    return "" if holder is None else f"{holder.id}@{holder.moved_at.isoformat()}" if holder.moved_at else holder.id


def _remove_addresses(contact: Contact, lost: Sequence[Address]) -> Contact:
    removed = [each for each in contact.addresses if _key(each) in _keys(lost)]
    left = _keys(contact.left)
    return contact.model_copy(
        update={
            "addresses": [each for each in contact.addresses if each not in removed],
            "left": [*contact.left, *(each for each in removed if _key(each) not in left)],
        }
    )


def _apply_update(contact: Contact, change: ContactUpdate) -> Contact:
    if change.moved and not _has_update(contact, change):
        contact = _remove_addresses(contact, change.left).model_copy(update={"moved_at": change.at})
    contact = contact.with_name(change.name, change.locale, change.at)
    if change.opted_out is not None and (contact.opted_at is None or contact.opted_at <= change.at):
        contact = contact.model_copy(update={"opted_out": change.opted_out, "opted_at": change.at})
    wants = change.marketing_opted_out
    if wants is not None and (contact.marketing_opted_at is None or contact.marketing_opted_at <= change.at):
        contact = contact.model_copy(update={"marketing_opted_out": wants, "marketing_opted_at": change.at})
    return contact


def _conversation(contact: Contact, tenant: str, channel: str, account: str, place: str) -> str:
    """The conversation at this place. A place that was somebody else's before leads to another conversation than it did
    then."""
    return ids.conversation_id(tenant, channel, account, _qualify(place, contact.before.get(f"{channel}:{place}", "")))


def _qualify(value: str, before: str) -> str:
    return f"{value}\n{before}" if before else value


def _address_key(address: Address) -> str:
    return f"{address.channel}:{address.value}"


def _key(address: Address) -> _Key:
    return address.channel, address.value


def _keys(addresses: Iterable[Address]) -> set[_Key]:
    return {_key(address) for address in addresses}


def restore_contact(contact: Contact, found: Iterable[Contact]) -> tuple[Contact, list[Contact], frozenset[str]]:
    """Merge ``contact``, as read back from the log, with those of ``found`` who now have one of its addresses. Returns
    also the others that lose an address to it, and the ids that were merged into it. The log's last record of a contact
    is complete, so an earlier reading of it is ignored."""
    same, losers = [contact], []
    for other in found:
        shared = [each for each in other.addresses if _key(each) in _keys(contact.addresses)]
        if other.id == contact.id or not shared:
            continue
        won = [each for each in shared if _is_before(contact, each, other)]
        lost = [each for each in shared if _is_before(other, each, contact)]
        if won:
            losers.append(_remove_addresses(other, won))
        elif lost:
            same[0] = _remove_addresses(same[0], lost)
        else:
            same.append(other)
    result = merge_contacts(same)
    return result, losers, frozenset(each.id for each in same) - {result.id}


def _is_before(contact: Contact, address: Address, other: Contact) -> bool:
    """Return whether the address belonged to the other contact before."""
    return contact.before.get(_address_key(address), "").partition("@")[0] == other.id


def _new_contact(tenant: str, address: Address, known: Sequence[Contact], now: datetime) -> Contact:
    """A new contact. One with an address that was somebody else's must get another id than they have."""
    named = _qualify(address.value, _holder(address, known))
    return Contact(id=ids.contact_id(tenant, address.channel, named), tenant=tenant, created_at=now)


def merge_contacts(contacts: Sequence[Contact]) -> Contact:
    """Merge several contacts that are the same: the oldest (then the smallest id) stays, keeps its data, and gains the
    others' addresses and conversations; of the names the latest counts. The order of ``contacts`` does not matter."""
    by_age = sorted(contacts, key=lambda contact: (contact.created_at, contact.id))
    conversations: dict[str, str] = {}
    decided = [contact for contact in by_age if contact.opted_at is not None]
    latest = max(decided, key=lambda contact: contact.opted_at, default=None)  # type: ignore[arg-type, return-value]
    latest_marketing = max(by_age, key=lambda contact: contact.marketing_opted_at or _NEVER)
    latest_named = max(by_age, key=lambda contact: (bool(contact.name), contact.named_at or _NEVER))
    for contact in reversed(by_age):
        conversations |= contact.conversations
    return by_age[0].model_copy(
        update={
            "name": latest_named.name,
            "named_at": latest_named.named_at,
            "locale": next((contact.locale for contact in (latest_named, *by_age) if contact.locale), ""),
            "addresses": (
                addresses := _merge_addresses(address for contact in by_age for address in contact.addresses)
            ),
            "left": [
                each
                for each in _merge_addresses(address for contact in by_age for address in contact.left)
                if _key(each) not in _keys(addresses)
            ],
            "before": {key: holder for contact in reversed(by_age) for key, holder in contact.before.items()},
            "moved_at": max(filter(None, (contact.moved_at for contact in contacts)), default=None),
            "conversations": conversations,
            "opted_out": latest.opted_out if latest else any(contact.opted_out for contact in contacts),
            "opted_at": latest.opted_at if latest else None,
            "marketing_opted_out": latest_marketing.marketing_opted_out,
            "marketing_opted_at": latest_marketing.marketing_opted_at,
        }
    )


def _merge_addresses(addresses: Iterable[Address]) -> list[Address]:
    """Each address once, in order of first appearance, with the highest assurance it ever had."""
    best: dict[tuple[str, str], Address] = {}
    for address in addresses:
        known = best.get((address.channel, address.value))
        if known is None or _ASSURANCE[address.assurance] > _ASSURANCE[known.assurance]:
            best[address.channel, address.value] = address
    return list(best.values())
