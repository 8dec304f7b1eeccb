"""Contacts that were resolved a moment ago. Whoever writes once mostly writes, reads and reacts again soon, and every
one of these is an event whose contact the store would have to be asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.conversation import Contact
from schemas.messages import Address
from schemas.ports import Change, Contacts

REMEMBERED = 20_000
REMEMBER_FOR = timedelta(seconds=60)
"""For so long another process's news about a contact (two that turned out to be one) may go unnoticed here."""
UNNAMED_FOR = timedelta(seconds=3)
"""The same of a contact whose name is being asked for: what they say next is to be signed with it."""

_Key = tuple[str, str, str, str, tuple[tuple[str, str, str], ...]]


@dataclass(frozen=True, slots=True)
class _Known:
    contact: Contact
    conversation: str
    since: datetime
    until: datetime


class Acquaintances:
    """Resolves as ``Contacts`` does, from memory where it can. What this process learns about a contact holds at once
    for all of its addresses."""

    def __init__(self, contacts: Contacts, named_later: Container[str] = ()) -> None:
        """``named_later``: channels whose contacts get their names after they have written."""
        self._contacts = contacts
        self._named_later = named_later
        self._known: OrderedDict[_Key, _Known] = OrderedDict()

    async def resolve(
        self,
        tenant: str,
        channel: str,
        account: str,
        place: str,
        addresses: Sequence[Address],
        *,
        now: datetime,
        naming: Change | None = None,
    ) -> tuple[Contact, str]:
        """``(contact, conversation id)``; under the name that ``naming`` says. Raises StateUnavailable, StateLost when
        the store has to be asked."""
        asked = (tenant, channel, account, place, addresses)
        recent = self.recent(*asked, now=now, naming=naming)
        if recent is not None:
            return recent
        key = _key(*asked)
        known = self._known.get(key)
        contact, conversation = await self._contacts.resolve(*asked, now=now, change=naming)
        if known is None or known.contact != contact:
            self._forget(contact)
        is_brief = not contact.name and channel in self._named_later
        self._known[key] = _Known(contact, conversation, now, now + (UNNAMED_FOR if is_brief else REMEMBER_FOR))
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return contact, conversation

    async def change(
        self,
        tenant: str,
        channel: str,
        account: str,
        place: str,
        addresses: Sequence[Address],
        *,
        now: datetime,
        change: Change,
    ) -> tuple[Contact, str]:
        """As ``Contacts.resolve`` does, which is always asked. Of the addresses some may not be the contact's after
        it, so nothing is remembered."""
        found = await self._contacts.resolve(tenant, channel, account, place, addresses, now=now, change=change)
        self._forget(found[0], also=addresses)
        return found

    def recent(
        self,
        tenant: str,
        channel: str,
        account: str,
        place: str,
        addresses: Sequence[Address],
        *,
        now: datetime,
        naming: Change | None = None,
    ) -> tuple[Contact, str] | None:
        """What ``resolve`` would answer from memory. None where ``naming`` is news."""
        known = self._known.get(_key(tenant, channel, account, place, addresses))
        # A clock that went back must not keep an entry for longer.
        if known is None or not known.since <= now < known.until:
            return None
        contact = known.contact
        if naming is not None and contact.called(naming.name, naming.locale, naming.at) is not contact:
            return None
        return known.contact, known.conversation

    def _forget(self, contact: Contact, also: Sequence[Address] = ()) -> None:
        """The contact is new here or has changed: who was known by one of its addresses may be another by now."""
        known = [*contact.addresses, *contact.left, *also]
        if len(known) < 2:
            return  # nobody else can have been known by an address that is its only one
        its = {(address.channel, address.value) for address in known}
        for key in [key for key in self._known if any(address[:2] in its for address in key[4])]:
            del self._known[key]


def _key(tenant: str, channel: str, account: str, place: str, addresses: Sequence[Address]) -> _Key:
    known_as = tuple([(address.channel, address.value, address.assurance) for address in addresses])
    return tenant, channel, account, place, known_as
