"""Rows under which a store finds contacts, and the search over them. Where a store is encrypted, addresses and the
beginnings of terms are keyed hashes; elsewhere they are the values. Pure, but for the index that it is given.

A hash finds what is equal, so a contact has a row for several lengths of the beginning of each term. A word of a query
is looked up by the longest of these, and each contact that it leads to is compared with the whole query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from infra.state import contact_terms
from infra.state.contact_terms import Entry
from schemas.conversation import Contact
from schemas.messages import Address
from schemas.ports import ContactPage
from schemas.privacy.lookup_keys import HASHED, TenantLookup
from schemas.privacy.sealed_bodies import BodySealer, SealedBody

HASHES = "#"
"""The channel of the rows with hashes: no channel has this name. What a query finds on one is seen in the contact."""
ALL = ""
"""The term under which each contact stands in the list of all."""
PREFIXES = (2, 4, 8, 16, 32)
"""Lengths of the beginnings of terms that have rows. Each row of a new contact changes a page of its own. Earlier
releases wrote these and others, so none may be added."""
KEY_FIELD = "lookup"
"""The readable field of a sealed contact that names the key of its rows."""


class HashIndex(Protocol):
    """The rows with hashes of one tenant."""

    async def list_contacts(self, term: str, prefix: str, after: str, count: int) -> list[str]:
        """The first contacts with this term after that one, in order of their ids, which begin with ``prefix``."""

    async def load(self, contacts: Sequence[str]) -> list[Contact | None]: ...


@dataclass(frozen=True, slots=True)
class ContactLookup:
    """How contacts of one tenant are found. ``keys`` is None where nothing was ever encrypted. Where not
    ``is_sealing``, rows are written plain, and hashes are only read."""

    keys: TenantLookup | None = None
    is_sealing: bool = False

    @classmethod
    def of(cls, sealer: BodySealer | None, tenant: str) -> ContactLookup:
        return cls() if sealer is None else cls(sealer.get_lookup(tenant), sealer.is_sealing)

    @property
    def sealing_keys(self) -> TenantLookup | None:
        """The keys under which rows are written; None if they are written plain."""
        return self.keys if self.is_sealing else None

    @property
    def name(self) -> str:
        """The name of the current key; empty for plain rows."""
        return self.keys.names[0] if self.keys is not None and self.is_sealing else ""

    @property
    def values_each(self) -> int:
        """The most values that may stand for one address."""
        return 1 + (len(self.keys.keys) if self.keys is not None else 0)

    def list_values(self, address: Address) -> list[str]:
        """What may stand for an address in a row, first what is written now."""
        hashes = self.keys.list_addresses(address.channel, address.value) if self.keys is not None else []
        # What looks like a hash must not find the row of somebody else.
        plain = [] if hashes and address.value.startswith(HASHED) else [address.value]
        return hashes + plain if self.is_sealing else plain + hashes

    def list_rows(self, contact: Contact) -> set[Entry]:
        """The rows of a contact, as ``(channel, term)``."""
        keys = self.sealing_keys
        if keys is None:
            return contact_terms.list_rows(contact)
        return {(HASHES, ALL), *((HASHES, keys.hash_term(each)) for each in list_prefixes(contact))}

    def is_current(self, sealed: SealedBody | None) -> bool:
        """Tell whether a stored contact and its rows are as they would be written now. Of a plain contact nobody knows
        which rows it has."""
        return self.is_found(sealed) and sealed is not None and sealed.readable_fields.get(KEY_FIELD) == self.name

    def is_found(self, sealed: SealedBody | None) -> bool:
        """Tell whether a stored contact has rows with hashes, under any key that is tried."""
        keys = self.sealing_keys
        return keys is not None and sealed is not None and sealed.readable_fields.get(KEY_FIELD) in keys.names


def list_prefixes(contact: Contact) -> set[str]:
    """The beginnings of the terms of a contact. Ids are not encrypted, so the list of all finds them."""
    terms = contact_terms.list_terms(contact) - {contact_terms.fold(contact.id)}
    words = [term for term in terms if not term.startswith(contact_terms.LISTED)]
    return {word[:length] for word in words for length in PREFIXES if length <= len(word)}


async def search(
    index: HashIndex, keys: TenantLookup, query: str, *, channel: str, after: str, limit: int
) -> ContactPage:
    """One page of ``ContactSearch.search``. Pages are in order of the contacts' ids, and each is sorted by name."""
    words = contact_terms.split_query(query)
    if not words and query.strip():
        return ContactPage([])
    place = contact_terms.parse_cursor(after)[1] if after else ""
    count = contact_terms.BATCH if words or channel else min(contact_terms.BATCH, limit + 1)
    found: list[Contact] = []
    for _ in range(0, contact_terms.MOST_ROWS, count):
        ids = await _list_next(index, keys, max(words, key=len, default=""), place, count)
        contacts = [each for each in await index.load(ids) if each is not None]
        found += [each for each in contacts if _is_hit(each, words, channel)]
        if len(found) > limit:
            return _build_page(found[:limit], found[limit - 1].id)
        if len(ids) < count:
            return _build_page(found, "")
        place = ids[-1]
    return _build_page(found, place)


async def _list_next(index: HashIndex, keys: TenantLookup, word: str, after: str, count: int) -> list[str]:
    """Contacts of whom a term may begin with ``word``."""
    length = max((each for each in PREFIXES if each <= len(word)), default=0)
    if not length:
        return await index.list_contacts(ALL, "", after, count)
    found = {*await index.list_contacts(ALL, word, after, count)}
    for term in keys.list_terms(word[:length]):
        found.update(await index.list_contacts(term, "", after, count))
    return sorted(found)[:count]


def _is_hit(contact: Contact, words: Sequence[str], channel: str) -> bool:
    if channel and all(address.channel != channel for address in contact.addresses):
        return False
    return not words or _has_all(contact_terms.list_terms(contact), words)


def _has_all(terms: Iterable[str], words: Sequence[str]) -> bool:
    known = list(terms)
    return all(any(each.startswith(word) for each in known) for word in words)


def _build_page(contacts: Sequence[Contact], last: str) -> ContactPage:
    """``last``: the contact after which the next page begins, empty if there is none."""
    in_order = sorted(contacts, key=contact_terms.build_listed_term)
    return ContactPage(in_order, contact_terms.build_cursor((ALL, last)) if last else "")
