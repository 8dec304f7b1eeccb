"""Caches of contacts and conversations, which save requests to the state store for most events."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.conversation import Contact, Origin
from schemas.messages import Address
from schemas.ports import Clock, Contacts, ContactUpdate, Conversations

MAX_ENTRIES = 20_000
ENTRY_TTL = timedelta(seconds=60)
"""Seconds for which a change made by another process, such as a merge of two contacts, may go unnoticed here."""
UNNAMED_TTL = timedelta(seconds=3)
"""The same while a contact's name is being looked up, so that their next message carries it."""

_CacheKey = tuple[str, str, str, str, tuple[tuple[str, str, str], ...]]


@dataclass(frozen=True, slots=True)
class _CacheEntry:
    contact: Contact
    conversation: str
    since: datetime
    until: datetime


class ContactCache:
    """Resolve contacts as ``Contacts`` does, from memory where possible. A change that is made through this object
    takes effect at once for all addresses of the contact."""

    def __init__(self, contacts: Contacts, profiled_channels: Container[str] = ()) -> None:
        """``profiled_channels``: channels whose contacts get their names after they have written."""
        self._contacts = contacts
        self._profiled_channels = profiled_channels
        self._entries: OrderedDict[_CacheKey, _CacheEntry] = OrderedDict()
        self._keys_by_address: dict[tuple[str, str], set[_CacheKey]] = {}

    async def resolve(
        self,
        tenant: str,
        channel: str,
        account: str,
        place: str,
        addresses: Sequence[Address],
        *,
        now: datetime,
        naming: ContactUpdate | None = None,
    ) -> tuple[Contact, str]:
        """Return ``(contact, conversation id)``; ``naming`` sets the contact's name. Raises StateUnavailable or
        StateLost when the store has to be asked."""
        arguments = (tenant, channel, account, place, addresses)
        cached = self.get_cached(*arguments, now=now, naming=naming)
        if cached is not None:
            return cached
        key = _key(*arguments)
        before = self._entries.get(key)
        contact, conversation = await self._contacts.resolve(*arguments, now=now, change=naming)
        if before is None or before.contact != contact:
            self._forget(contact)
        is_unnamed = not contact.name and channel in self._profiled_channels
        ttl = UNNAMED_TTL if is_unnamed else ENTRY_TTL
        self._put(key, _CacheEntry(contact, conversation, now, now + ttl))
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
        change: ContactUpdate,
    ) -> tuple[Contact, str]:
        """Call ``Contacts.resolve`` with a change. Nothing is cached, because some of the addresses may not belong to
        the contact afterwards."""
        resolved = await self._contacts.resolve(tenant, channel, account, place, addresses, now=now, change=change)
        self._forget(resolved[0], also=addresses)
        return resolved

    def get_cached(
        self,
        tenant: str,
        channel: str,
        account: str,
        place: str,
        addresses: Sequence[Address],
        *,
        now: datetime,
        naming: ContactUpdate | None = None,
    ) -> tuple[Contact, str] | None:
        """Return what ``resolve`` would answer from memory; None where it has to ask the store."""
        entry = self._entries.get(_key(tenant, channel, account, place, addresses))
        # Without the lower bound, a clock that went back would keep entries for longer.
        if entry is None or not entry.since <= now < entry.until:
            return None
        contact = entry.contact
        if naming is not None and contact.with_name(naming.name, naming.locale, naming.at) is not contact:
            return None
        return entry.contact, entry.conversation

    def _put(self, key: _CacheKey, entry: _CacheEntry) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        for address in _addresses(key):
            self._keys_by_address.setdefault(address, set()).add(key)
        while len(self._entries) > MAX_ENTRIES or self._is_first_expired(entry.since):
            self._remove(next(iter(self._entries)))

    def _is_first_expired(self, now: datetime) -> bool:
        return next(iter(self._entries.values())).until <= now

    def _remove(self, key: _CacheKey) -> None:
        del self._entries[key]
        for address in _addresses(key):
            self._keys_by_address[address].discard(key)
            if not self._keys_by_address[address]:
                del self._keys_by_address[address]

    def _forget(self, contact: Contact, also: Sequence[Address] = ()) -> None:
        """Drop every entry that shares an address with a contact that is new or has changed."""
        for address in (*contact.addresses, *contact.left, *also):
            for key in tuple(self._keys_by_address.get((address.channel, address.value), ())):
                self._remove(key)


def _addresses(key: _CacheKey) -> set[tuple[str, str]]:
    """Channel and value of each."""
    return {address[:2] for address in key[4]}


def _key(tenant: str, channel: str, account: str, place: str, addresses: Sequence[Address]) -> _CacheKey:
    identities = tuple([(address.channel, address.value, address.assurance) for address in addresses])
    return tenant, channel, account, place, identities


class ConversationCache:
    """Opens each conversation once per process, and again after a minute. Opening it twice changes nothing."""

    def __init__(self, conversations: Conversations, clock: Clock) -> None:
        self._conversations = conversations
        self._clock = clock
        self._opened: OrderedDict[str, datetime] = OrderedDict()

    async def ensure_open(self, conversation: str, origin: Callable[[], Origin]) -> None:
        """Return once the conversation exists. Raises StateLost or StateUnavailable; the next call then tries again."""
        now = self._clock()
        if self.is_recent(conversation, now):
            return
        await self._conversations.open(conversation, origin(), now=now)
        self._opened[conversation] = now
        self._opened.move_to_end(conversation)
        while len(self._opened) > MAX_ENTRIES:
            self._opened.popitem(last=False)

    def is_recent(self, conversation: str, now: datetime) -> bool:
        """Return whether it was opened so recently that ``ensure_open`` would do nothing."""
        opened = self._opened.get(conversation)
        # Without the lower bound, a clock that went back would keep entries for longer.
        if opened is None or not opened <= now < opened + ENTRY_TTL:
            return False
        self._opened.move_to_end(conversation)
        return True
