"""The rows with hashes by which contacts are found, and how much of them a search reads."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.state import contact_lookup, contact_terms
from infra.state.contact_lookup import ContactLookup
from schemas.conversation import Contact
from schemas.messages import Address
from schemas.ports import ContactPage
from schemas.privacy.lookup_keys import LookupKeys, TenantLookup
from tests.unit.infra.test_contact_terms import contact


def keys_of(*secrets: bytes, tenant: str = "shop") -> TenantLookup:
    return LookupKeys(lambda: secrets).get(tenant)


KEYS = keys_of(b"1" * 32)


class CountingHashes:
    """An index in memory that counts what is read of it."""

    def __init__(self, contacts: Sequence[Contact], keys: TenantLookup = KEYS) -> None:
        self.contacts = {each.id: each for each in contacts}
        lookup = ContactLookup(keys, is_sealing=True)
        self._rows = sorted((term, each.id) for each in contacts for _, term in lookup.list_rows(each))
        self.read_rows = 0

    async def list_contacts(self, term: str, prefix: str, after: str, count: int) -> list[str]:
        found = [id_ for of, id_ in self._rows if of == term and id_ > after and id_.startswith(prefix)][:count]
        self.read_rows += len(found)
        return found

    async def load(self, contacts: Sequence[str]) -> list[Contact | None]:
        return [self.contacts.get(id_) for id_ in contacts]


async def find(
    index: CountingHashes, query: str, *, keys: TenantLookup = KEYS, after: str = "", limit: int = 50
) -> ContactPage:
    return await contact_lookup.search(index, keys, query, channel="", after=after, limit=limit)


async def test_a_search_reads_no_more_than_the_contacts_whose_terms_begin_alike() -> None:
    index = CountingHashes([contact(f"id-{number}", f"Person{number:04} Smith") for number in range(2_000)])
    page = await find(index, "person0042 smi")
    assert [each.id for each in page.items] == ["id-42"]
    assert index.read_rows == 100, "all whose word begins with the same eight letters"
    index.read_rows = 0
    assert len((await find(index, "", limit=20)).items) == 20
    assert index.read_rows == 21


async def test_rows_of_contacts_that_have_changed_or_are_gone_are_passed_over() -> None:
    index = CountingHashes([contact("a", "Ada"), contact("b", "Adam")])
    index.contacts["a"] = contact("a", "Eve")
    del index.contacts["b"]
    assert (await find(index, "ada")).items == []


async def test_a_word_of_one_letter_and_the_beginning_of_an_id_are_found_page_by_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contact_terms, "BATCH", 10)
    monkeypatch.setattr(contact_terms, "MOST_ROWS", 20)
    names = ["Zoe", "Max", "Ada", "Eve"]
    index = CountingHashes([contact(f"id-{number:02}", names[number % 4]) for number in range(50)])
    for query, expected in (("z", 13), ("id-1", 10), ("id-17", 1), ("ma", 13), ("", 50)):
        found, after = list[str](), ""
        while True:
            page = await find(index, query, after=after, limit=6)
            found += [each.id for each in page.items]
            after = page.next
            if not after:
                break
        assert len(found) == len(set(found)) == expected, query


async def test_each_page_is_sorted_by_name() -> None:
    index = CountingHashes([contact("a", "Zoe"), contact("b", ""), contact("c", "Ada")])
    assert [each.id for each in (await find(index, "")).items] == ["c", "a", "b"]


async def test_rows_under_an_earlier_key_are_found_too() -> None:
    index = CountingHashes([contact("a", "Ada Lovelace")])
    both, other = keys_of(b"2" * 32, b"1" * 32), keys_of(b"2" * 32)
    assert [each.id for each in (await find(index, "lovel", keys=both)).items] == ["a"]
    assert (await find(index, "lovel", keys=other)).items == []


@given(st.text(max_size=40), st.text(max_size=30))
async def test_what_the_plain_index_finds_is_found_by_hashes(name: str, query: str) -> None:
    known = contact("5f1c", name, "4917012345")
    words = contact_terms.split_query(query)
    terms = contact_terms.list_terms(known)
    is_hit = bool(words) and all(any(each.startswith(word) for each in terms) for word in words)
    found = (await find(CountingHashes([known]), query)).items
    assert bool(found) == (is_hit or not query.strip())


def test_hashes_differ_between_keys_tenants_and_channels() -> None:
    values = {
        *keys_of(b"1" * 32, b"2" * 32).list_addresses("whatsapp", "49170"),
        *keys_of(b"1" * 32, tenant="other").list_addresses("whatsapp", "49170"),
        *KEYS.list_addresses("web", "49170"),
        *KEYS.list_addresses("web4", "9170"),
    }
    assert len(values) == 5
    assert KEYS.list_addresses("whatsapp", "49170") == keys_of(b"1" * 32).list_addresses("whatsapp", "49170")
    assert KEYS.names[0] not in keys_of(b"2" * 32).names


def test_no_plain_value_stands_for_what_looks_like_a_hash() -> None:
    plain, lookup = "v-1", ContactLookup(KEYS, is_sealing=True)
    (forged,) = KEYS.list_addresses("web", plain)
    address = Address(channel="web", value=plain)
    assert lookup.list_values(address) == [forged, plain]
    assert forged not in lookup.list_values(Address(channel="web", value=forged))
    assert ContactLookup(KEYS).list_values(address) == [plain, forged]
    assert ContactLookup().list_values(address) == [plain]
