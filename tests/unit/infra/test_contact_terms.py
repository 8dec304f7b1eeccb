"""The terms by which contacts are found, and how much of the index a search reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.state import contact_terms
from infra.state.contact_terms import Entry
from schemas.conversation import Contact
from schemas.errors import InvalidRequest
from schemas.messages import Address

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def contact(id_: str, name: str = "", *values: str) -> Contact:
    addresses = [Address(channel="web", value=value) for value in values]
    return Contact(id=id_, tenant="shop", name=name, addresses=addresses, created_at=NOW)


class CountingIndex:
    """An index in memory that counts what is read of it."""

    def __init__(self, contacts: Sequence[Contact]) -> None:
        self.contacts = {each.id: each for each in contacts}
        rows = ((channel, term, each.id) for each in contacts for channel, term in contact_terms.list_rows(each))
        self._rows = sorted(rows)
        self.read_rows = 0

    async def read(self, channel: str, prefix: str, after: Entry | None, count: int) -> list[Entry]:
        found = [
            (term, id_)
            for of, term, id_ in self._rows
            if of == channel and term.startswith(prefix) and (after is None or (term, id_) > after)
        ][:count]
        self.read_rows += len(found)
        return found

    async def load(self, contacts: Sequence[str]) -> list[Contact | None]:
        return [self.contacts.get(id_) for id_ in contacts]


async def test_a_search_reads_no_more_than_what_matches() -> None:
    index = CountingIndex([contact(f"id-{number}", f"Person{number:04} Smith") for number in range(2_000)])
    page = await contact_terms.search(index, "person0042 smi", channel="", after="", limit=50)
    assert [each.id for each in page.items] == ["id-42"]
    assert index.read_rows == 1
    index.read_rows = 0
    page = await contact_terms.search(index, "smith", channel="", after="", limit=50)
    assert len(page.items) == 50
    assert index.read_rows == 200


async def test_rows_of_contacts_that_have_changed_or_are_gone_are_passed_over() -> None:
    index = CountingIndex([contact("a", "Ada"), contact("b", "Adam")])
    index.contacts["a"] = contact("a", "Eve")
    del index.contacts["b"]
    assert (await contact_terms.search(index, "ada", channel="", after="", limit=9)).items == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  Zoë  MÜLLER ", ["zoe", "muller"]),
        ("Straße", ["strasse"]),
        ("(Ada)", ["ada"]),
        ("+49 (170) 12-34.5", ["4917012345"]),
        ("0049/170", ["49170"]),
        ("+49", ["49"]),
        ("01 70 12", ["017012"]),
        ("24 7", ["24", "7"]),
        ("00", ["00"]),
        ("００４９", ["0049"]),
        ("42nd", ["42nd"]),
        ("ada@example.com", ["ada@example.com"]),
        ("\t\n", []),
        ("!?", []),
    ],
)
def test_a_query_is_split_into_words_without_case_accents_and_marks(text: str, words: list[str]) -> None:
    assert contact_terms.split_query(text) == words


@given(st.text(max_size=200), st.text(max_size=80))
def test_every_contact_is_found_by_its_name_and_by_its_address(name: str, value: str) -> None:
    terms = contact_terms.list_terms(contact("5f1c", name, value))
    for text in (*name.split()[:1], value):
        for word in contact_terms.split_query(text)[:1]:
            assert any(term.startswith(word) for term in terms), (text, word)


@given(st.text(max_size=100))
def test_a_cursor_is_ours_or_refused(text: str) -> None:
    try:
        entry = contact_terms.parse_cursor(text)
    except InvalidRequest:
        return
    assert contact_terms.parse_cursor(contact_terms.build_cursor(entry)) == entry
